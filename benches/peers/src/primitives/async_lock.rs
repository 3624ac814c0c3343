//! async-lock, on oneloop.

use std::ops::DerefMut;

use async_lock::{Mutex, Semaphore};

use super::{
    Oneloop, Works,
    works::{self, lock, lock_8, semaphore, semaphore_8},
};

pub fn works() -> Works {
    vec![
        ("lock", lock::<Oneloop, Mutex<u32>>),
        ("lock_8", lock_8::<Oneloop, Mutex<u32>>),
        ("semaphore", semaphore::<Oneloop, Semaphore>),
        ("semaphore_8", semaphore_8::<Oneloop, Semaphore>),
    ]
}

impl works::Lock for Mutex<u32> {
    fn new() -> Self {
        Self::new(0)
    }

    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u32>> {
        self.lock()
    }
}

impl works::Semaphore for Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    fn acquire(&self) -> impl Future {
        self.acquire()
    }
}
