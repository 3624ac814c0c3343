//! Plain values as outputs of children, group bodies and shields. None of them is an error.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Output};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Body, GroupError, GroupOutcome};
use crate::task::{ShieldOutput, Task};

/// Implements the traits type by type. A blanket implementation would overlap with the one for
/// `Result`, whose errors go to the group.
macro_rules! plain {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<Error, $($generics)*> GroupOutcome<Error> for $type {
            type Value = Self;

            fn into_group_result(self) -> Result<Self, Error> {
                Ok(self)
            }
        }

        impl<$($generics)*> ShieldOutput for $type {}

        impl<$($generics)*> Body for $type {
            type Value = Self;
            type Error = Infallible;
            type Joined = Self;

            fn into_result(self) -> Result<Self, Infallible> {
                Ok(self)
            }

            fn joined(result: Result<Self, GroupError<Infallible>>) -> Self {
                result.unwrap_or_else(|error| match error.into_first() {})
            }
        }
    )*};
}

plain! {
    [] bool; [] char; [] f32; [] f64;
    [] i8; [] i16; [] i32; [] i64; [] i128; [] isize;
    [] u8; [] u16; [] u32; [] u64; [] u128; [] usize;
    [] String; [] OsString; [] PathBuf;
    [] Duration; [] Instant; [] SystemTime;
    [] IpAddr; [] SocketAddr;
    [] ExitCode; [] ExitStatus; [] Output;
    [T: ?Sized] &T; [T: ?Sized + ToOwned] Cow<'_, T>;
    [T: ?Sized] Box<T>; [T: ?Sized] Rc<T>; [T: ?Sized] Arc<T>;
    [T] Option<T>; [T] Vec<T>; [T] VecDeque<T>; [T] BinaryHeap<T>; [T] BTreeSet<T>;
    [T, S] HashSet<T, S>; [K, V] BTreeMap<K, V>; [K, V, S] HashMap<K, V, S>;
    [T, const N: usize] [T; N];
    [T] Task<T>;
    [A] (A,); [A, B] (A, B); [A, B, C] (A, B, C); [A, B, C, D] (A, B, C, D);
    [A, B, C, D, F] (A, B, C, D, F); [A, B, C, D, F, G] (A, B, C, D, F, G);
}
