//! A key as a `std::task::Waker` and back: the home of the crate's one `unsafe` block.
//!
//! The key *is* the waker's data word, so clone is a copy and drop is empty: a waker owns nothing,
//! keeps nothing alive and can be used on any thread for ever. On targets with pointers of fewer
//! than 64 bits, the waker owns an `Arc` of the key instead. `--cfg oneloop_boxed_wakers` forces
//! that form for the tests.
//!
//! This file does not know the effect of a wake. [`Wake`] has it.

pub(crate) use kind::Wakers;

use crate::runtime::data::key::WakerKey;

/// The effect of waking one of our wakers.
pub(crate) trait Wake: 'static {
    /// The `static` that makes these wakers.
    #[cfg(all(target_pointer_width = "64", not(oneloop_boxed_wakers)))]
    fn wakers() -> &'static Wakers;

    /// Called on any thread, at any time, even after the loop of the key has ended.
    fn wake(key: WakerKey);
}

#[cfg(all(target_pointer_width = "64", not(oneloop_boxed_wakers)))]
mod kind {
    use std::mem::ManuallyDrop;
    use std::ptr;
    use std::task::{RawWaker, RawWakerVTable, Waker};

    use super::{Wake, WakerKey};

    /// Makes wakers of keys, and reads the keys of these wakers. It is in a `static`: the address
    /// of its table tells our wakers from all others.
    pub(crate) struct Wakers {
        table: RawWakerVTable,
    }

    impl Wakers {
        pub(crate) const fn new<W: Wake>() -> Self {
            Self { table: RawWakerVTable::new(clone::<W>, wake::<W>, wake::<W>, forget) }
        }

        /// Calls `f` with a waker that carries `key`.
        pub(crate) fn lend<R>(&'static self, key: WakerKey, f: impl FnOnce(&Waker) -> R) -> R {
            // Dropping the waker would do nothing. `ManuallyDrop` saves an indirect call per poll.
            f(&ManuallyDrop::new(self.waker(key)))
        }

        fn waker(&'static self, key: WakerKey) -> Waker {
            #[expect(clippy::cast_possible_truncation, reason = "this module is for 64 bits")]
            let word = ptr::without_provenance(key.word() as usize);
            #[expect(
                unsafe_code,
                reason = "the standard library has no safe way from plain data to a `Waker`"
            )]
            // SAFETY: `table` is private and set only in `new`. Its functions never dereference the
            // word, so any bit pattern is a valid one; `clone` gives the same word with such a
            // table again, `wake` (by value and by reference) reads the key, `forget` has nothing
            // to free, and each may be called on any thread.
            unsafe {
                Waker::new(word, &self.table)
            }
        }

        /// The key of `waker`, if it is one of ours.
        pub(crate) fn key_of(&'static self, waker: &Waker) -> Option<WakerKey> {
            ptr::eq(waker.vtable(), &raw const self.table).then(|| key(waker.data()))
        }
    }

    fn key(word: *const ()) -> WakerKey {
        WakerKey::from_word(word.addr() as u64)
    }

    fn clone<W: Wake>(word: *const ()) -> RawWaker {
        RawWaker::new(word, &W::wakers().table)
    }

    fn wake<W: Wake>(word: *const ()) {
        W::wake(key(word));
    }

    fn forget(_word: *const ()) {}
}

#[cfg(any(not(target_pointer_width = "64"), oneloop_boxed_wakers))]
mod kind {
    use std::cell::RefCell;
    use std::marker::PhantomData;
    use std::sync::Arc;
    use std::task::Waker;

    use futures_task::ArcWake;

    use super::{Wake, WakerKey};

    /// Makes wakers of keys, and remembers the last few, so that it can read their keys.
    pub(crate) struct Wakers {
        make: fn(WakerKey) -> Waker,
    }

    struct BoxedKey<W>(WakerKey, PhantomData<fn() -> W>);

    impl<W: Wake> ArcWake for BoxedKey<W> {
        fn wake_by_ref(this: &Arc<Self>) {
            W::wake(this.0);
        }
    }

    /// How many wakers a thread remembers: as many as our polls are nested in practice.
    const REMEMBERED: usize = 4;

    thread_local! {
        /// The wakers that were made last. Each is kept alive here, so its address is not used
        /// again and tells it from every other waker.
        static RECENT: RefCell<Vec<(Waker, WakerKey)>> = const { RefCell::new(Vec::new()) };
    }

    impl Wakers {
        pub(crate) const fn new<W: Wake>() -> Self {
            Self { make: |key| futures_task::waker(Arc::new(BoxedKey::<W>(key, PhantomData))) }
        }

        /// Calls `f` with a waker that carries `key`.
        pub(crate) fn lend<R>(&'static self, key: WakerKey, f: impl FnOnce(&Waker) -> R) -> R {
            f(&self.waker(key))
        }

        fn waker(&'static self, key: WakerKey) -> Waker {
            let waker = (self.make)(key);
            // Once the thread's locals are gone, the waker still works, but its key cannot be read.
            let _ = RECENT.try_with(|recent| {
                let mut recent = recent.borrow_mut();
                recent.truncate(REMEMBERED - 1);
                recent.insert(0, (waker.clone(), key));
            });
            waker
        }

        /// The key of `waker`, if it is among the last wakers made on this thread.
        pub(crate) fn key_of(&'static self, waker: &Waker) -> Option<WakerKey> {
            let find = |recent: &RefCell<Vec<(Waker, WakerKey)>>| {
                recent
                    .borrow()
                    .iter()
                    .find(|(known, _)| known.will_wake(waker))
                    .map(|(_, key)| *key)
            };
            RECENT.try_with(find).ok().flatten()
        }
    }
}
