//! A seeded storm of all parts. `deadline` and a context variable always agree with a naive model.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use oneloop::task::{self, FirstCompleted};
use oneloop::time::{now, timeout_at};
use oneloop::{
    Builder, CancelToken, ContextVar, Group, Runtime, Task, TaskKey, TaskSet, all_tasks,
    as_completed, current_task, deadline, gather, race, select, shield, sleep, task_group, timeout,
    wait, with_cleanup, yield_now,
};

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);

static VAR: ContextVar<u32> = ContextVar::new("var");

type Value = Rc<Cell<u32>>;
type Boxed<T = ()> = Pin<Box<dyn Future<Output = T>>>;

struct World {
    /// Xorshift.
    random: Cell<u64>,
    /// How many more may be created.
    fuel: Cell<u32>,
    living: Cell<u32>,
    /// The value of the variable in each task.
    values: RefCell<HashMap<TaskKey, Value>>,
    handles: RefCell<Vec<Task<()>>>,
    checks: Cell<u32>,
    /// Panics are caught in many places.
    failure: RefCell<Option<String>>,
}

/// The surroundings of some code, apart from its task.
struct Around {
    outer: Option<Rc<Self>>,
    limit: Option<Instant>,
    /// The value in a scope.
    value: Option<Value>,
    /// The surroundings are gone: a shield has become a task.
    is_alone: Cell<bool>,
    /// A child of a group has the limits around the group, and a value of its own.
    is_child: bool,
}

impl Around {
    fn inside(outer: &Rc<Self>, limit: Option<Instant>, value: Option<Value>) -> Rc<Self> {
        Rc::new(Self {
            outer: Some(outer.clone()),
            limit,
            value,
            is_alone: Cell::new(false),
            is_child: false,
        })
    }

    /// In a new task.
    fn nothing() -> Rc<Self> {
        Rc::new(Self {
            outer: None,
            limit: None,
            value: None,
            is_alone: Cell::new(true),
            is_child: false,
        })
    }

    fn outer(&self) -> Option<&Rc<Self>> {
        self.outer.as_ref().filter(|_| !self.is_alone.get())
    }

    fn limit(&self) -> Option<Instant> {
        let limits = [self.limit, self.outer().and_then(|outer| outer.limit())];
        limits.into_iter().flatten().min()
    }

    fn value(&self) -> Option<Value> {
        self.value.clone().or_else(|| self.outer().filter(|_| !self.is_child)?.value())
    }

    /// A child ends as itself or, with its group, as the task that drops the group.
    fn has_value(&self, found: u32) -> bool {
        let is_found = |value: Option<Value>| value.is_some_and(|value| value.get() == found);
        is_found(self.value.clone()) || self.outer().is_some_and(|outer| outer.has_value(found))
    }
}

/// Beside the future of a shield: the shield is gone.
struct Shielding(Rc<Around>);

impl Drop for Shielding {
    fn drop(&mut self) {
        self.0.is_alone.set(true);
    }
}

/// Lives as long as a future.
struct Alive {
    world: Rc<World>,
    around: Rc<Around>,
    /// Otherwise it is dropped where it was refused.
    has_begun: Cell<bool>,
}

impl Alive {
    fn new(world: &Rc<World>, around: &Rc<Around>) -> Self {
        world.living.set(world.living.get() + 1);
        Self { world: world.clone(), around: around.clone(), has_begun: Cell::new(false) }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.world.living.set(self.world.living.get() - 1);
        if current_task().is_some() && self.has_begun.get() {
            self.world.check_value(&self.around, "dropped");
        }
    }
}

impl World {
    fn below(&self, limit: u32) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        u32::try_from((x >> 33) % u64::from(limit)).expect("it is below the limit")
    }

    fn ms(&self, limit: u32) -> Duration {
        MS * self.below(limit)
    }

    fn value(&self, around: &Around) -> Value {
        let key = current_task().expect("a task runs").key();
        let of_task = || self.values.borrow_mut().entry(key).or_default().clone();
        around.value().unwrap_or_else(of_task)
    }

    fn check_value(&self, around: &Around, what: &str) {
        let (found, value) = (VAR.get().unwrap_or(0), self.value(around).get());
        let is_dropped = what == "dropped" && around.has_value(found);
        if found != value && !is_dropped {
            let line = format!("{what}: the variable is {found} and not {value}");
            self.failure.borrow_mut().get_or_insert(line);
        }
    }

    fn check(&self, around: &Around) {
        self.checks.set(self.checks.get() + 1);
        self.check_value(around, "running");
        let (found, limit) = (deadline(), around.limit());
        // A token whose deadline has passed is moved while it waits for an outer one that has
        // passed too. It may then stay as it is.
        let has_passed = |at: Option<Instant>| at.is_some_and(|at| at <= now() + NS);
        if found != limit && !(has_passed(found) && has_passed(limit)) {
            let line = format!("the deadline is {found:?} and not {limit:?}, at {:?}", now());
            self.failure.borrow_mut().get_or_insert(line);
        }
    }

    /// A task starts with its creator's value. It may run before this is known.
    fn born(&self, key: TaskKey, value: u32) {
        self.values.borrow_mut().entry(key).or_insert_with(|| Rc::new(Cell::new(value)));
    }
}

fn part(world: &Rc<World>, around: &Rc<Around>, depth: u32) -> Boxed {
    let alive = Alive::new(world, around);
    let (world, around) = (world.clone(), around.clone());
    Box::pin(async move {
        let alive = alive;
        alive.has_begun.set(true);
        for _ in 0..=world.below(3) {
            world.check(&around);
            if depth > 5 || world.fuel.get() == 0 {
                return sleep(world.ms(3)).await;
            }
            world.fuel.set(world.fuel.get() - 1);
            match world.below(4) {
                0 => alone(&world, &around).await,
                1 => limited(&world, &around, depth + 1).await,
                2 => beside(&world, &around, depth + 1).await,
                _ => tasks(&world, &around, depth + 1).await,
            }
            world.check(&around);
        }
    })
}

async fn alone(world: &Rc<World>, around: &Rc<Around>) {
    match world.below(8) {
        0 | 1 => sleep(world.ms(5)).await,
        2 => yield_now().await,
        3 => {
            let value = world.below(1000);
            world.value(around).set(value);
            VAR.set(value);
        }
        4 => {
            let handles = world.handles.borrow();
            if !handles.is_empty() {
                handles[world.below(u32::try_from(handles.len()).expect("few")) as usize].cancel();
            }
        }
        5 if world.below(6) == 0 => resume_unwind(Box::new("stormy")),
        6 => {
            let guard = guard(world, 3);
            sleep(world.ms(3)).await;
            drop(guard);
        }
        _ => finish(world, around, 3).await,
    }
}

/// Its cleanup is outside of all limits.
fn guard(world: &Rc<World>, depth: u32) -> oneloop::Cleanup<Boxed> {
    with_cleanup(part(world, &Around::nothing(), depth), async |part| part.await)
}

/// The same, in line. It becomes a cleanup when it is dropped.
async fn finish(world: &Rc<World>, around: &Rc<Around>, depth: u32) {
    let inside = Around::inside(around, None, None);
    let _shielding = Shielding(inside.clone());
    let guard = with_cleanup(part(world, &inside, depth), async |part| part.await);
    sleep(world.ms(2)).await;
    guard.finish().await;
}

async fn limited(world: &Rc<World>, around: &Rc<Around>, depth: u32) {
    match world.below(5) {
        0 | 1 => {
            let limit = now() + world.ms(8);
            let inside = Around::inside(around, Some(limit), None);
            let _guard = (world.below(3) == 0).then(|| guard(world, depth));
            timeout(limit - now(), part(world, &inside, depth)).await.ok();
        }
        2 => {
            let token = CancelToken::new();
            let limit = now() + world.ms(8) + MS;
            token.set_deadline(Some(limit));
            let inside = Around::inside(around, Some(limit), None);
            token.run_until_cancelled(part(world, &inside, depth)).await;
        }
        3 => {
            let inside = Around::inside(around, None, Some(Rc::new(Cell::new(7))));
            VAR.scope(7, part(world, &inside, depth)).await;
        }
        _ => {
            let limit = now() + world.ms(4);
            let inside = Around::inside(around, Some(limit), None);
            // A new scope: the future that continues as a task starts with the context of the task
            // that dropped the shield.
            let shielded = Around::inside(&inside, None, Some(Rc::new(Cell::new(7))));
            let shielding = Shielding(shielded.clone());
            let mut part = Box::pin(VAR.scope(7, part(world, &shielded, depth)));
            let inner = world.clone();
            let part = shield(poll_fn(move |cx| {
                // As a task it is a separate one, and its cleanups are outside of the scope.
                inner.born(current_task().expect("a task runs").key(), VAR.get().unwrap_or(0));
                part.as_mut().poll(cx)
            }));
            timeout_at(limit, async move {
                let _shielding = shielding;
                part.await;
            })
            .await
            .ok();
        }
    }
}

async fn beside(world: &Rc<World>, around: &Rc<Around>, depth: u32) {
    let part = || part(world, around, depth);
    match world.below(6) {
        0 => drop(gather([part(), part()]).await),
        1 => race([part(), part()]).await,
        2 => select! {
            () = part() => {},
            () = sleep(world.ms(6)) => {},
        },
        3 => {
            let mut outputs = as_completed([part(), part(), part()]);
            while outputs.next().await.is_some() && world.below(3) > 0 {}
        }
        4 => {
            let parts = [part(), part()].map(async |part| {
                part.await;
                Err::<(), ()>(())
            });
            drop(oneloop::staggered_race(parts, MS).await);
        }
        _ => drop(AssertUnwindSafe(part()).catch_unwind().await),
    }
}

fn create(world: &Rc<World>, around: &Around, depth: u32) -> Task<()> {
    let value = world.value(around).get();
    let (inner, part) = (world.clone(), part(world, &Around::nothing(), depth));
    let is_eager = world.below(4) == 0;
    let task = task::Builder::new().eager(is_eager).create_task(async move {
        inner.born(current_task().expect("a task runs").key(), value);
        part.await;
    });
    world.born(task.key(), value);
    task
}

async fn tasks(world: &Rc<World>, around: &Rc<Around>, depth: u32) {
    match world.below(8) {
        0 => {
            let task = create(world, around, depth);
            world.handles.borrow_mut().push(task);
        }
        1 => drop(create(world, around, depth).cancel_on_drop().await),
        2 => {
            let mut tasks: Vec<_> = (0..3).map(|_| create(world, around, depth)).collect();
            for task in wait(&mut tasks, FirstCompleted).await {
                assert!(task.is_finished());
            }
            world.handles.borrow_mut().append(&mut tasks);
        }
        3 => {
            let mut set = TaskSet::new();
            for _ in 0..2 {
                set.add(create(world, around, depth));
            }
            drop(set.next().await);
            if world.below(2) == 0 {
                set.cancel_and_wait(world.ms(3)).await;
                assert!(set.is_empty());
            }
        }
        4 => {
            let task = create(world, around, depth);
            sleep(world.ms(4)).await;
            drop(task.cancel_and_wait(world.ms(4)).await);
        }
        _ => group(world, around, depth).await,
    }
}

fn child(
    world: &Rc<World>,
    around: &Rc<Around>,
    depth: u32,
    group: &Group<'static, u32>,
) -> Task<()> {
    let (inner, part) = (world.clone(), part(world, around, depth));
    let (siblings, of_group) = (group.clone(), around.clone());
    // The scope of its creator, which runs inside the same limits.
    let value = VAR.get().unwrap_or(0);
    let task = group.create_task(async move {
        inner.born(current_task().expect("a task runs").key(), value);
        part.await;
        if inner.below(5) == 0 && depth < 6 {
            drop(child(&inner, &of_group, depth + 1, &siblings));
        }
        if inner.below(8) == 0 { Err(depth) } else { Ok(()) }
    });
    world.born(task.key(), value);
    task
}

async fn group(world: &Rc<World>, around: &Rc<Around>, depth: u32) {
    // A scope around the group is not around its children, which have copies.
    let outer = Some(around.clone());
    let of_children = Rc::new(Around {
        outer,
        limit: None,
        value: None,
        is_alone: Cell::new(false),
        is_child: true,
    });
    let (world, around) = (world.clone(), around.clone());
    let result = task_group(async move |group: Group<'static, u32>| {
        if world.below(3) == 0 {
            group.set_limit(1 + world.below(2) as usize);
        }
        let mut tasks = Vec::new();
        for _ in 0..=world.below(4) {
            tasks.push(child(&world, &of_children, depth, &group));
        }
        part(&world, &around, depth).await;
        match world.below(7) {
            0 => group.cancel(),
            1 => group.join().await,
            2 => drop(wait(&mut tasks, task::All).await),
            3 => return Err(depth),
            4 => {
                let task = tasks.swap_remove(0);
                drop(task.cancel_and_wait(world.ms(3)).await);
            }
            5 => world.handles.borrow_mut().append(&mut tasks),
            _ => {}
        }
        Ok(())
    });
    result.await.ok();
}

fn schedule(seed: u64, runtime: &mut Runtime) -> u32 {
    let world = Rc::new(World {
        random: Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        fuel: Cell::new(60),
        living: Cell::new(0),
        values: RefCell::default(),
        handles: RefCell::default(),
        checks: Cell::new(0),
        failure: RefCell::default(),
    });
    let inner = world.clone();
    runtime.run(async move {
        VAR.set(1);
        inner.born(current_task().expect("a task runs").key(), 1);
        let main = part(&inner, &Around::nothing(), 0);
        drop(AssertUnwindSafe(main).catch_unwind().await);
        let rounds = 200 + inner.below(20);
        for _ in 0..rounds {
            if all_tasks().len() > 1 {
                sleep(10 * MS).await;
            }
        }
        inner.handles.take().into_iter().for_each(drop);
    });
    runtime.run(async {
        sleep(100 * MS).await;
        assert_eq!(all_tasks().len(), 1, "seed {seed}: what is left: {:?}", all_tasks());
    });
    assert_eq!(*world.failure.borrow(), None, "seed {seed}");
    assert_eq!(world.living.get(), 0, "seed {seed}: each future has gone");
    world.checks.get()
}

fn storm(seeds: Range<u64>) {
    let new = || Builder::new().virtual_time(true).on_unhandled(|_| {}).build().expect("a loop");
    let (mut checks, mut runtime) = (0, new());
    for seed in seeds {
        // Some runs share a loop, and its slots.
        if seed % 10 == 0 {
            runtime = new();
        }
        checks += schedule(seed, &mut runtime);
    }
    assert!(checks > 2000, "{checks}");
}

#[test]
fn all_parts_do_together_what_a_model_says() {
    storm(0..150);
}
