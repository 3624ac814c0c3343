//! A seeded storm: random trees of groups, children, cleanups, timeouts, cancels, errors and
//! panics. Invariants are checked at the end of each.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use oneloop::{
    Builder, Cleanup, Group, Runtime, Task, TaskKey, all_tasks, create_task, current_task, shield,
    sleep, task_group, timeout, with_cleanup, yield_now,
};

const MS: Duration = Duration::from_millis(1);

type Error = u32;
type Boxed<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// Xorshift.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, limit: u32) -> u32 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        u32::try_from((x >> 33) % u64::from(limit)).expect("it is below the limit")
    }

    fn one_in(&self, chance: u32) -> bool {
        self.below(chance) == 0
    }
}

/// The record of one schedule.
struct World {
    random: Random,
    /// How many more may be created.
    fuel: Cell<u32>,
    futures: Count,
    guards: Cell<u32>,
    cleanups: Count,
    handles: RefCell<Vec<Task<()>>>,
}

/// The numbers of begun and ended ones.
#[derive(Default)]
struct Count {
    began: Cell<u32>,
    ended: Cell<u32>,
}

impl Count {
    fn begin(&self) {
        self.began.set(self.began.get() + 1);
    }

    fn end(&self) {
        self.ended.set(self.ended.get() + 1);
        assert!(self.ended.get() <= self.began.get());
    }

    fn left(&self) -> u32 {
        self.began.get() - self.ended.get()
    }
}

/// Lives as long as the future of a child or task, and knows which task polled it.
struct Alive {
    world: Rc<World>,
    task: Option<TaskKey>,
    /// A child of a dropped group ends as its parent.
    group: Option<Rc<Count>>,
}

impl Alive {
    fn new(world: &Rc<World>, group: Option<&Rc<Count>>) -> Self {
        world.futures.begin();
        if let Some(group) = group {
            group.begin();
        }
        Self { world: world.clone(), task: None, group: group.cloned() }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.world.futures.end();
        match &self.group {
            Some(group) => group.end(),
            None => {
                if let (Some(task), Some(now)) = (self.task, current_task()) {
                    assert_eq!(task, now.key(), "a task is dropped as itself");
                }
            }
        }
    }
}

/// A cleanup that counts itself, and does a little work.
fn guard(world: &Rc<World>, open: Option<&Rc<Count>>) -> Cleanup<Rc<World>> {
    world.guards.set(world.guards.get() + 1);
    let open = open.cloned();
    let owner = Cell::new(None);
    with_cleanup(world.clone(), async move |world| {
        world.cleanups.begin();
        if let Some(open) = &open {
            open.begin();
        }
        owner.set(current_task().map(|task| task.key()));
        for _ in 0..world.random.below(3) {
            pause(&world).await;
        }
        if world.random.one_in(4) {
            let _late = timeout(MS, sleep(2 * MS)).await;
        }
        if world.random.one_in(6) {
            task_group(async |group| drop(group.create_task(yield_now()))).await;
        }
        if world.random.one_in(6) {
            drop(guard(&world, open.as_ref()));
        }
        assert_eq!(owner.get(), current_task().map(|task| task.key()));
        if let Some(open) = &open {
            open.end();
        }
        world.cleanups.end();
    })
}

async fn pause(world: &World) {
    match world.random.below(4) {
        0 => sleep(world.random.below(4) * MS).await,
        1 => shield(sleep(MS)).await,
        _ => yield_now().await,
    }
}

/// The work of one task. It may end with an error or a panic.
fn work<'a>(world: &'a Rc<World>, depth: u32, open: Option<&'a Rc<Count>>) -> Boxed<'a> {
    Box::pin(async move {
        let mut kept = Vec::new();
        for _ in 0..world.random.below(4) {
            match world.random.below(10) {
                0 => drop(guard(world, open)),
                1 => kept.push(guard(world, open)),
                2 if depth < 3 => nested(world, depth).await?,
                3 if depth < 3 => {
                    let limit = world.random.below(4) * MS;
                    if let Ok(result) = timeout(limit, nested(world, depth)).await {
                        result?;
                    }
                }
                4 => {
                    let handle = world.random.below(8) as usize;
                    if let Some(task) = world.handles.borrow().get(handle) {
                        task.cancel();
                    }
                }
                5 => drop(world.handles.borrow_mut().pop()),
                6 => {
                    if let Some(me) = current_task() {
                        if world.random.one_in(4) {
                            me.cancel();
                        }
                    }
                }
                _ => pause(world).await,
            }
        }
        if world.random.one_in(12) {
            // Without a line from the panic hook.
            resume_unwind(Box::new(world.random.below(100)));
        }
        if world.random.one_in(8) { Err(world.random.below(100)) } else { Ok(()) }
    })
}

/// A group with children and a body. When this is ready, everything in it has ended.
async fn nested(world: &Rc<World>, depth: u32) -> Result<(), Error> {
    let open = Rc::new(Count::default());
    let failed = Cell::new(0);
    let group = task_group(async |group: Group<'_, Error>| -> Result<(), Error> {
        if world.random.one_in(4) {
            group.set_limit(1 + world.random.below(3) as usize);
        }
        create_children(world, &group, depth, &open, &failed);
        if world.random.one_in(6) {
            group.cancel();
        }
        work(world, depth + 1, None).await
    });
    let result = AssertUnwindSafe(group).catch_unwind().await;
    assert_eq!(open.left(), 0, "a group ends after its children and their cleanups");
    match result {
        Ok(Ok(())) => assert_eq!(failed.get(), 0),
        Ok(Err(error)) => {
            // The errors of the children, in order, and perhaps the body's.
            let failed = failed.get() as usize;
            let errors = error.errors().len();
            assert!((failed..=failed + 1).contains(&errors));
            assert!(!error.errors().is_empty());
            return Err(error.into_first());
        }
        Err(payload) => drop(payload),
    }
    Ok(())
}

fn create_children<'env>(
    world: &'env Rc<World>,
    group: &Group<'env, Error>,
    depth: u32,
    open: &Rc<Count>,
    failed: &'env Cell<u32>,
) {
    for _ in 0..world.random.below(5) {
        if world.fuel.get() == 0 || group.is_cancelled() {
            return;
        }
        world.fuel.set(world.fuel.get() - 1);
        let creates = world.random.one_in(5).then(|| group.clone());
        let (alive, open) = (Alive::new(world, Some(open)), open.clone());
        let task = group.create_task(async move {
            let mut alive = alive;
            alive.task = current_task().map(|task| task.key());
            if let Some(group) = creates {
                create_children(world, &group, depth + 1, &open, failed);
            }
            let result = work(world, depth + 1, Some(&open)).await;
            failed.set(failed.get() + u32::from(result.is_err()));
            assert_eq!(alive.task, current_task().map(|task| task.key()));
            result
        });
        if world.random.one_in(2) {
            world.handles.borrow_mut().push(task);
        }
    }
}

fn create_tasks(world: &Rc<World>) {
    for _ in 0..=world.random.below(3) {
        let (alive, world_of_task) = (Alive::new(world, None), world.clone());
        let task = create_task(async move {
            let (mut alive, world) = (alive, world_of_task);
            alive.task = current_task().map(|task| task.key());
            let _result = nested(&world, 0).await;
        });
        world.handles.borrow_mut().push(task);
    }
}

fn schedule(seed: u64, runtime: &mut Runtime) {
    let random = Random(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
    let world = Rc::new(World {
        random,
        fuel: Cell::new(24),
        futures: Count::default(),
        guards: Cell::new(0),
        cleanups: Count::default(),
        handles: RefCell::default(),
    });
    runtime.run(async {
        create_tasks(&world);
        let _late = timeout(world.random.below(20) * MS, nested(&world, 0)).await;
        for _ in 0..200 {
            if all_tasks().len() == 1 {
                break;
            }
            sleep(100 * MS).await;
        }
        assert_eq!(all_tasks().len(), 1, "seed {seed}: tasks are left");
        // The handles hold outputs, which hold nothing.
        world.handles.borrow_mut().clear();
        yield_now().await;
    });
    assert_eq!(world.futures.left(), 0, "seed {seed}: each future was dropped once");
    assert_eq!(world.cleanups.left(), 0, "seed {seed}: cleanups are left");
    assert_eq!(
        world.cleanups.began.get(),
        world.guards.get(),
        "seed {seed}: each guard cleans once"
    );
    assert_eq!(Rc::strong_count(&world), 1, "seed {seed}: something holds the world");
}

#[test]
fn whatever_happens_in_a_tree_of_groups_nothing_is_left_and_nothing_lost() {
    let reported = Rc::new(Cell::new(0));
    let seen = reported.clone();
    let builder = Builder::new().virtual_time(true);
    let builder = builder.on_unhandled(move |unhandled| {
        if unhandled.is_cleanup() {
            seen.set(seen.get() + 1);
        }
    });
    let mut runtime = builder.build().unwrap();
    for seed in 0..10_000 {
        schedule(seed, &mut runtime);
        assert_eq!(reported.get(), 0, "seed {seed}: a cleanup failed, or was cut off");
    }
}
