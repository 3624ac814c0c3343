//! What a layer above keeps in each loop: one value of a type, made when first asked for.
//!
//! Such as the threads for blocking calls, or the children that wait to be reaped. The kernel knows only that they are there, and
//! that some have to be waited for when the loop ends.

use std::any::{Any, TypeId};
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
pub(super) struct Locals {
    /// Few: a search through a list is quicker than a map.
    values: Vec<(TypeId, Rc<dyn LoopLocal>)>,
}

impl Locals {
    pub(super) fn get<T: LoopLocal>(&self) -> Option<Rc<T>> {
        let (_, value) = self.values.iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        let value: Rc<dyn Any> = Rc::<dyn LoopLocal>::clone(value);
        value.downcast().ok()
    }

    /// The former value of the type has to be dropped by the caller, as any that user code may be in.
    #[must_use]
    pub(super) fn set<T: LoopLocal>(&mut self, value: Rc<T>) -> Option<Rc<dyn LoopLocal>> {
        let former = self.values.iter().position(|(id, _)| *id == TypeId::of::<T>());
        let former = former.map(|index| self.values.swap_remove(index).1);
        self.values.push((TypeId::of::<T>(), value));
        former
    }

    pub(super) fn all(&self) -> Vec<Rc<dyn LoopLocal>> {
        self.values.iter().map(|(_, value)| Rc::clone(value)).collect()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(locals.set(Rc::new(Limit(1))).is_none());
        assert!(locals.set(Rc::new(Name)).is_none());
        let former: Rc<dyn Any> = locals.set(Rc::new(Limit(2))).unwrap();
        assert_eq!(*former.downcast::<Limit>().unwrap(), Limit(1));
        assert_eq!(*locals.get::<Limit>().unwrap(), Limit(2));
        assert_eq!(locals.all().len(), 2);
    }
}
