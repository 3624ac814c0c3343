//! Values that the layers above keep in each loop: one value of each type, made on demand.
//!
//! Examples are the threads for blocking calls, and the child processes that wait to be reaped. The
//! kernel knows only that these values exist, and that the end of the loop has to wait for some of
//! them.

use std::any::Any;
use std::rc::Rc;

use super::cleanups::BoxedCleanup;

/// A value that a loop keeps. The options that a `Builder` sets are such values too.
pub(crate) trait LoopLocal: Any {
    /// The loop ends. The loop awaits the returned future together with the
    /// [cleanups](crate::with_cleanup), within their time limit, and then drops it. The future
    /// itself reports whatever it could not finish.
    fn close(self: Rc<Self>) -> Option<BoxedCleanup> {
        None
    }

    /// Whether its drop would block the thread now.
    fn is_busy(&self) -> bool {
        false
    }
}

#[derive(Clone, Default)]
pub(crate) struct Locals {
    /// A short list, so a search through it is quicker than a map.
    values: Vec<Local>,
}

#[derive(Clone)]
struct Local {
    value: Rc<dyn LoopLocal>,
    /// The same value as `dyn Any`, for the downcast to `T`: Rust 1.85 cannot upcast a trait
    /// object.
    any: Rc<dyn Any>,
}

impl Locals {
    pub(crate) fn get<T: LoopLocal>(&self) -> Option<Rc<T>> {
        let found = self.values.iter().find(|local| local.any.is::<T>())?;
        Rc::clone(&found.any).downcast().ok()
    }

    /// Keeps `value`, and returns the former value of this type. The caller drops it, because the
    /// drop may run user code.
    #[must_use]
    pub(crate) fn set<T: LoopLocal>(&mut self, value: Rc<T>) -> Option<Rc<dyn LoopLocal>> {
        let former = self.values.iter().position(|local| local.any.is::<T>());
        let former = former.map(|index| self.values.swap_remove(index).value);
        self.values.push(Local { any: Rc::<T>::clone(&value), value });
        former
    }

    pub(crate) fn all(&self) -> Vec<Rc<dyn LoopLocal>> {
        self.values.iter().map(|local| Rc::clone(&local.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Limit(u32);
    impl LoopLocal for Limit {}

    struct Name;
    impl LoopLocal for Name {}

    #[test]
    fn there_is_one_value_of_each_type() {
        let mut locals = Locals::default();
        assert!(locals.get::<Limit>().is_none());
        let first = Rc::new(Limit(1));
        assert!(locals.set(Rc::clone(&first)).is_none());
        assert!(locals.set(Rc::new(Name)).is_none());
        let former = locals.set(Rc::new(Limit(2))).unwrap();
        assert!(ptr::addr_eq(Rc::as_ptr(&former), Rc::as_ptr(&first)));
        drop(former);
        assert_eq!(Rc::strong_count(&first), 1);
        assert_eq!(*locals.get::<Limit>().unwrap(), Limit(2));
        assert_eq!(locals.all().len(), 2);
    }
}
