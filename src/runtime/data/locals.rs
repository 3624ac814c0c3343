//! What a layer above keeps in each loop: one value of a type, made when first asked for.
//!
//! Such as the threads for blocking calls, or the children that wait to be reaped. The kernel knows only that they are there, and
//! that some have to be waited for when the loop ends.

use std::any::Any;
use std::rc::Rc;

use super::cleanups::BoxedCleanup;

/// A value that is kept in a loop. Options that a `Builder` sets are such values too.
pub(crate) trait LoopLocal: Any {
    /// The loop ends. What is returned is awaited together with the [cleanups](crate::with_cleanup), within their time; then
    /// it is dropped, and says itself what it could not finish.
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
    /// Few: a search through a list is quicker than a map.
    values: Vec<Local>,
}

#[derive(Clone)]
struct Local {
    value: Rc<dyn LoopLocal>,
    /// The same, as what can be made a `T` again: Rust 1.85 has no way from the one to the other.
    any: Rc<dyn Any>,
}

impl Locals {
    pub(crate) fn get<T: LoopLocal>(&self) -> Option<Rc<T>> {
        let found = self.values.iter().find(|local| local.any.is::<T>())?;
        Rc::clone(&found.any).downcast().ok()
    }

    /// The former value of the type has to be dropped by the caller, as any that user code may be in.
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
