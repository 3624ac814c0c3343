//! Context variables as data: persistent maps from variables to values, and the map of each task.
//!
//! Copying a map copies a pointer; `set` copies the map itself if it is shared. Dropping a value
//! runs user code, so a value that leaves a map is returned to the caller.

use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use super::room::trim_list;

/// Identifies a variable by the address of its `static`.
pub(crate) type VarId = usize;

/// The value of a variable.
#[derive(Clone)]
pub(crate) enum Value {
    Local(Rc<dyn Any>),
    /// A value that calls on other threads see too.
    Threadsafe(ThreadsafeValue),
}

type ThreadsafeValue = Arc<dyn Any + Send + Sync>;

impl Value {
    pub(crate) fn local<T: 'static>(value: T) -> Self {
        Self::Local(Rc::new(value))
    }

    pub(crate) fn threadsafe<T: Send + Sync + 'static>(value: T) -> Self {
        Self::Threadsafe(Arc::new(value))
    }

    pub(crate) fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Local(value) => value.downcast_ref(),
            Self::Threadsafe(value) => value.downcast_ref(),
        }
    }
}

/// The values of some variables, ordered by variable.
#[derive(Clone, Default)]
pub(crate) struct Values {
    #[expect(clippy::rc_buffer, reason = "one pointer for each task, and the vector can grow")]
    entries: Option<Rc<Vec<(VarId, Value)>>>,
}

impl Values {
    pub(crate) fn get(&self, var: VarId) -> Option<Value> {
        let entries = self.entries.as_ref()?;
        let at = entries.binary_search_by_key(&var, |entry| entry.0).ok()?;
        Some(entries[at].1.clone())
    }

    /// Sets a variable. Returns the former value.
    #[must_use = "dropping it may run user code"]
    pub(crate) fn set(&mut self, var: VarId, value: Value) -> Option<Value> {
        // If the entries are shared, another owner of each value remains, so that this drops none.
        let entries = Rc::make_mut(self.entries.get_or_insert_default());
        match entries.binary_search_by_key(&var, |entry| entry.0) {
            Ok(at) => Some(mem::replace(&mut entries[at].1, value)),
            Err(at) => {
                entries.insert(at, (var, value));
                None
            }
        }
    }
}

/// The values of a context that may go to another thread.
#[derive(Default)]
pub(crate) struct ThreadsafeValues {
    entries: Vec<(VarId, ThreadsafeValue)>,
}

impl Values {
    pub(crate) fn threadsafe(&self) -> ThreadsafeValues {
        let entries = self.entries.iter().flat_map(|entries| entries.iter());
        let threadsafe = entries.filter_map(|(var, value)| match value {
            Value::Threadsafe(value) => Some((*var, Arc::clone(value))),
            Value::Local(_) => None,
        });
        ThreadsafeValues { entries: threadsafe.collect() }
    }
}

impl ThreadsafeValues {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl From<ThreadsafeValues> for Values {
    fn from(ThreadsafeValues { entries }: ThreadsafeValues) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let entries = entries.into_iter().map(|(var, value)| (var, Value::Threadsafe(value)));
        Self { entries: Some(Rc::new(entries.collect())) }
    }
}

/// Values that several tasks see and change.
pub(crate) type SharedValues = Rc<Cell<Values>>;

/// Calls `f` with the values in `shared`. `f` must not run user code.
pub(crate) fn with_shared<R>(shared: &Cell<Values>, f: impl FnOnce(&mut Values) -> R) -> R {
    let mut values = shared.take();
    let result = f(&mut values);
    // This drops only the empty values that `take` has left.
    shared.set(values);
    result
}

/// The context of one task.
pub(crate) enum Vars {
    Own(Values),
    Shared(SharedValues),
}

impl Vars {
    const EMPTY: Self = Self::Own(Values { entries: None });

    fn with<R>(&mut self, f: impl FnOnce(&mut Values) -> R) -> R {
        match self {
            Self::Own(values) => f(values),
            Self::Shared(shared) => with_shared(shared, f),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Own(Values { entries: None }))
    }

    /// Whether this may be the last owner of some value, so that dropping it may run user code.
    pub(crate) fn may_drop_values(&self) -> bool {
        match self {
            Self::Own(Values { entries }) => {
                entries.as_ref().is_some_and(|entries| Rc::strong_count(entries) == 1)
            }
            Self::Shared(_) => true,
        }
    }
}

/// The contexts of all tasks, by their slots. Costs nothing until a variable is set.
#[derive(Default)]
pub(crate) struct VarTable {
    of_task: Vec<Vars>,
    /// The context chosen for the next task, which is created at once.
    next: Option<Vars>,
    is_used: bool,
}

impl VarTable {
    pub(crate) fn get(&mut self, slot: u32, var: VarId) -> Option<Value> {
        self.of_task.get_mut(slot as usize)?.with(|values| values.get(var))
    }

    #[must_use = "dropping it may run user code"]
    pub(crate) fn set(&mut self, slot: u32, var: VarId, value: Value) -> Option<Value> {
        self.of(slot).with(|values| values.set(var, value))
    }

    /// Whether any context was ever made.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    /// The context that a new task inherits from its creator in `slot`.
    pub(crate) fn for_child_of(&mut self, slot: u32) -> Vars {
        self.next.take().unwrap_or_else(|| Vars::Own(self.copy(slot)))
    }

    /// Chooses the context of the next task, or clears the choice. Returns the former choice.
    #[must_use = "dropping it may run user code"]
    pub(crate) fn choose(&mut self, next: Option<Vars>) -> Option<Vars> {
        self.is_used |= next.is_some();
        mem::replace(&mut self.next, next)
    }

    pub(crate) fn copy(&mut self, slot: u32) -> Values {
        match self.of_task.get_mut(slot as usize) {
            Some(vars) => vars.with(|values| values.clone()),
            None => Values::default(),
        }
    }

    /// Releases memory for slots from `slots` on, which no task can have.
    pub(crate) fn trim(&mut self, slots: usize) {
        if self.of_task.len() > 2 * slots {
            self.of_task.truncate(slots);
            trim_list(&mut self.of_task);
        }
    }

    /// Sets the context of the task. Returns the former one.
    #[must_use = "dropping it may run user code"]
    pub(crate) fn replace(&mut self, slot: u32, vars: Vars) -> Vars {
        if vars.is_empty() && slot as usize >= self.of_task.len() {
            return vars;
        }
        mem::replace(self.of(slot), vars)
    }

    /// Empties the table at the end of the loop.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Vars> + '_ {
        self.of_task.drain(..)
    }

    fn of(&mut self, slot: u32) -> &mut Vars {
        self.is_used = true;
        let index = slot as usize;
        if index >= self.of_task.len() {
            self.of_task.resize_with(index + 1, || Vars::EMPTY);
        }
        &mut self.of_task[index]
    }
}

impl Default for Vars {
    fn default() -> Self {
        Self::EMPTY
    }
}
