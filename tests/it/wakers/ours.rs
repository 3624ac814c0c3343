//! Foreign wakers in our hands: cloning, waking and dropping them may come back into the loop.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{ErrorKind, Write};
use std::net;
use std::pin::{Pin, pin};
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use futures::AsyncReadExt;
use futures::task::LocalSpawn;
use oneloop::net::{TcpListener, TcpStream};
use oneloop::{
    Builder, Handle, Task, create_task, gather, sleep, task, testing, timeout, yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

/// The uses of a hostile waker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Clone,
    Wake,
    Drop,
}

/// The action of a hostile waker, and its record of uses.
pub(crate) struct Script {
    act: Box<dyn Fn(Event)>,
    /// Its own action may use it again. Then it only counts.
    is_acting: Cell<bool>,
    seen: RefCell<Vec<Event>>,
    /// The number of wakers that exist. If any remain at the end, one has leaked.
    pub(crate) living: Cell<i32>,
}

thread_local! {
    static SCRIPTS: RefCell<Vec<Rc<Script>>> = const { RefCell::new(Vec::new()) };
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, forget);

/// A waker that calls `act` at each use.
pub(crate) fn hostile(act: impl Fn(Event) + 'static) -> (Waker, Rc<Script>) {
    let script = Rc::new(Script {
        act: Box::new(act),
        is_acting: Cell::new(false),
        seen: RefCell::default(),
        living: Cell::new(1),
    });
    let index = SCRIPTS.with_borrow_mut(|scripts| {
        scripts.push(Rc::clone(&script));
        scripts.len() - 1
    });
    #[expect(unsafe_code, reason = "only so can `clone` run code of the test")]
    // SAFETY: the word is an index, which no function of the table dereferences. Each function may
    // be called on any thread, because the scripts are in a thread-local.
    let waker = unsafe { Waker::new(ptr::without_provenance(index), &TABLE) };
    (waker, script)
}

fn clone(word: *const ()) -> RawWaker {
    play(word, Event::Clone, 1);
    RawWaker::new(word, &TABLE)
}

fn wake(word: *const ()) {
    play(word, Event::Wake, -1);
}

fn wake_by_ref(word: *const ()) {
    play(word, Event::Wake, 0);
}

fn forget(word: *const ()) {
    play(word, Event::Drop, -1);
}

fn play(word: *const (), event: Event, more: i32) {
    let script = SCRIPTS.with_borrow(|scripts| Rc::clone(&scripts[word.addr()]));
    script.living.set(script.living.get() + more);
    script.seen.borrow_mut().push(event);
    if !script.is_acting.replace(true) {
        (script.act)(event);
        script.is_acting.set(false);
    }
}

impl Script {
    fn has_seen(&self, event: Event) -> bool {
        self.seen.borrow().contains(&event)
    }
}

/// Counts itself while it exists.
struct Counted(Rc<Cell<i32>>);

impl Counted {
    fn new(count: &Rc<Cell<i32>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The things that hostile wakers can use.
struct Fixture {
    handle: Handle,
    /// To drop: sockets, armed timers, handles, gatherings.
    things: RefCell<Vec<Box<dyn Any>>>,
    /// To cancel.
    victims: RefCell<Vec<Task<()>>>,
    /// To wake.
    wakers: RefCell<Vec<Waker>>,
    living: Rc<Cell<i32>>,
    /// A connection to poll by hand.
    server: TcpStream,
    client: net::TcpStream,
    listener: TcpListener,
    gate: RefCell<Option<Waker>>,
    is_open: Cell<bool>,
}

impl Fixture {
    async fn new() -> Rc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = net::TcpStream::connect(addr).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let fixture = Rc::new(Self {
            handle: Handle::current(),
            things: RefCell::default(),
            victims: RefCell::default(),
            wakers: RefCell::default(),
            living: Rc::default(),
            server,
            client,
            listener,
            gate: RefCell::default(),
            is_open: Cell::new(false),
        });
        for _ in 0..6 {
            fixture.add_things().await;
        }
        // No readiness remains from the start.
        let drained = fixture.server.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(drained.kind(), ErrorKind::WouldBlock);
        let mut accept = Box::pin(fixture.listener.accept());
        assert!(poll(accept.as_mut(), Waker::noop()).is_pending());
        drop(accept);
        fixture
    }

    async fn add_things(&self) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut timer = sleep(SECOND);
        assert!(poll(Pin::new(&mut timer), Waker::noop()).is_pending());
        let mut several = gather([sleep(SECOND), sleep(2 * SECOND)]);
        assert!(poll(Pin::new(&mut several), Waker::noop()).is_pending());
        let guard = Counted::new(&self.living);
        let handle = create_task(async move {
            pending::<()>().await;
            drop(guard);
        });
        let guard = Counted::new(&self.living);
        let victim = create_task(async move {
            pending::<()>().await;
            drop(guard);
        });
        let guard = Counted::new(&self.living);
        let ended = create_task(async move { guard });
        yield_now().await;
        self.things.borrow_mut().push(Box::new(handle.cancel_on_drop()));
        self.things.borrow_mut().push(Box::new(several));
        self.things.borrow_mut().push(Box::new(ended));
        self.things.borrow_mut().push(Box::new(timer));
        self.things.borrow_mut().push(Box::new(socket));
        self.victims.borrow_mut().push(victim);
    }

    /// Every action that a waker can take on a loop from inside.
    fn mischief(&self) {
        if self.handle.status_local().is_err() {
            return;
        }
        let guard = Counted::new(&self.living);
        drop(create_task(async move { drop(guard) }));
        let guard = Counted::new(&self.living);
        let eager = async move {
            sleep(SECOND / 2).await;
            drop(guard);
        };
        drop(task::Builder::new().eager(true).create_task(eager));
        if let Some(victim) = self.victims.borrow().last() {
            victim.cancel();
        }
        let thing = self.things.borrow_mut().pop();
        drop(thing);
        let victim = self.victims.borrow_mut().pop();
        drop(victim);
        let wakers = self.wakers.borrow().clone();
        wakers.iter().for_each(Waker::wake_by_ref);
        let mut timer = sleep(SECOND);
        assert!(poll(Pin::new(&mut timer), Waker::noop()).is_pending());
        let mut readable = pin!(self.server.writable());
        let _ready = poll(readable.as_mut(), Waker::noop());
        let guard = Rc::clone(&self.living);
        drop(oneloop::call_later(SECOND / 4, move || drop(Counted::new(&guard))));
        self.handle.call_soon_threadsafe(|| drop(create_task(async {}))).unwrap();
    }

    fn hostile(self: &Rc<Self>) -> (Waker, Rc<Script>) {
        let fixture = Rc::clone(self);
        hostile(move |_| fixture.mischief())
    }

    /// Makes everything happen that [`targets`] wait for, except timers.
    fn open(&self) {
        self.is_open.set(true);
        if let Some(gate) = self.gate.borrow_mut().take() {
            gate.wake();
        }
        (&self.client).write_all(b"x").unwrap();
        // It stays in the backlog until it is accepted.
        drop(net::TcpStream::connect(self.listener.local_addr().unwrap()).unwrap());
    }
}

type Target = Pin<Box<dyn Future<Output = ()>>>;

/// A name, and a function that makes the future to poll by hand.
type Case = (&'static str, fn(Rc<Fixture>) -> Target);

async fn gate(fixture: Rc<Fixture>) {
    poll_fn(|cx| {
        *fixture.gate.borrow_mut() = Some(cx.waker().clone());
        if fixture.is_open.get() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

const CASES: [Case; 11] = [
    ("Task", |fixture| {
        let task = create_task(gate(fixture));
        Box::pin(async move { task.await.unwrap() })
    }),
    ("CancelOnDrop", |fixture| {
        let task = create_task(gate(fixture)).cancel_on_drop();
        Box::pin(async move { task.await.unwrap() })
    }),
    ("Sleep", |_| Box::pin(sleep(SECOND))),
    ("timeout", |_| Box::pin(async { assert!(timeout(SECOND, pending::<()>()).await.is_err()) })),
    ("gather", |_| Box::pin(async { drop(gather([sleep(SECOND), sleep(2 * SECOND)]).await) })),
    ("gather!", |fixture| {
        let task = create_task(gate(fixture));
        Box::pin(async move { drop(oneloop::gather!(task, sleep(SECOND)).await) })
    }),
    ("try_gather", |_| {
        let fail = async || {
            sleep(SECOND).await;
            Err::<(), _>(())
        };
        Box::pin(async move { drop(oneloop::try_gather([fail(), fail()]).await) })
    }),
    ("readable", |fixture| Box::pin(async move { fixture.server.readable().await.unwrap() })),
    ("read", |fixture| Box::pin(async move { drop(fixture.server.read(&mut [0; 8]).await) })),
    ("AsyncRead", |fixture| {
        Box::pin(async move { drop(AsyncReadExt::read(&mut &fixture.server, &mut [0; 8]).await) })
    }),
    ("accept", |fixture| Box::pin(async move { drop(fixture.listener.accept().await) })),
];

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// How a case continues after the future was polled by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Dropped,
    Ready,
    /// Dropped after its loop.
    OutlivesLoop,
}

fn check(case: Case, ending: Ending) {
    let (name, make) = case;
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    let builder = Builder::new()
        .virtual_time(true)
        .on_unhandled(move |report| log.borrow_mut().push(report.to_string()));
    let (left, scripts, living) = builder.run(async {
        let fixture = Fixture::new().await;
        let ((first, first_script), (second, second_script)) =
            (fixture.hostile(), fixture.hostile());
        let mut target = make(Rc::clone(&fixture));
        // A bystander, whose waker the hostile ones wake.
        let bystander = create_task(poll_fn({
            let fixture = Rc::clone(&fixture);
            move |cx| {
                *fixture.wakers.borrow_mut() = vec![cx.waker().clone()];
                Poll::<()>::Pending
            }
        }));
        yield_now().await;
        assert!(poll(target.as_mut(), &first).is_pending(), "{name}");
        assert!(poll(target.as_mut(), &first).is_pending(), "{name}");
        assert!(poll(target.as_mut(), &second).is_pending(), "{name}");
        assert!(first_script.has_seen(Event::Clone), "{name}");
        assert!(first_script.has_seen(Event::Drop), "{name}: the former waker is dropped");
        let mut left = None;
        match ending {
            Ending::Dropped => drop(target),
            Ending::Ready => {
                fixture.open();
                testing::advance(3 * SECOND).await;
                assert!(second_script.has_seen(Event::Wake), "{name}: the present waker is woken");
                assert!(poll(target.as_mut(), &second).is_ready(), "{name}");
            }
            Ending::OutlivesLoop => left = Some(target),
        }
        yield_now().await;
        drop((first, second, bystander));
        (left, [first_script, second_script], Rc::clone(&fixture.living))
    });
    drop(left);
    for script in scripts {
        assert_eq!(script.living.get(), 0, "{name}, {ending:?}: {:?}", script.seen.borrow());
    }
    SCRIPTS.take();
    assert_eq!(living.get(), 0, "{name}, {ending:?}: a future or an output was leaked");
    assert_eq!(*reports.borrow(), [""; 0], "{name}, {ending:?}");
}

#[test]
fn hostile_wakers_of_what_is_dropped_do_no_harm() {
    for case in CASES {
        check(case, Ending::Dropped);
    }
}

#[test]
fn hostile_wakers_of_what_becomes_ready_do_no_harm() {
    for case in CASES {
        check(case, Ending::Ready);
    }
}

#[test]
fn hostile_wakers_of_what_outlives_the_loop_do_no_harm() {
    for case in CASES {
        check(case, Ending::OutlivesLoop);
    }
}

/// Takes its place in a gathering, shows its waker, and counts its polls.
async fn member(waker: Rc<RefCell<Option<Waker>>>, polls: Rc<Cell<u32>>) {
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        *waker.borrow_mut() = Some(cx.waker().clone());
        if polls.get() == 2 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn a_clone_that_wakes_a_member_of_the_gathering_loses_no_wake() {
    oneloop::run(async {
        let (shown, polls) = (Rc::default(), Rc::default());
        let mut gathering = gather([member(Rc::clone(&shown), Rc::clone(&polls))]);
        let (waker, script) = hostile(move |event| {
            let member = shown.borrow().clone();
            if let (Event::Clone, Some(member)) = (event, member) {
                member.wake();
            }
        });
        assert!(poll(Pin::new(&mut gathering), &waker).is_pending());
        assert!(
            script.has_seen(Event::Wake),
            "the member was woken, so its gathering must be polled again"
        );
        assert!(poll(Pin::new(&mut gathering), &waker).is_ready());
        drop((gathering, waker));
        assert_eq!(script.living.get(), 0);
    });
}

#[test]
fn a_waker_may_drop_what_it_is_woken_by() {
    Builder::new().virtual_time(true).run(async {
        for case in CASES {
            let fixture = Fixture::new().await;
            let target = Rc::new(RefCell::new(Some(case.1(Rc::clone(&fixture)))));
            let its = Rc::clone(&target);
            let (waker, script) = hostile(move |event| {
                if event == Event::Wake {
                    let dropped = its.borrow_mut().take();
                    drop(dropped);
                }
            });
            let mut polled = target.borrow_mut().take().unwrap();
            assert!(poll(polled.as_mut(), &waker).is_pending());
            *target.borrow_mut() = Some(polled);
            fixture.open();
            testing::advance(3 * SECOND).await;
            assert!(target.borrow().is_none(), "{}", case.0);
            drop(waker);
            assert_eq!(script.living.get(), 0, "{}", case.0);
        }
    });
}

#[test]
fn a_panic_of_a_waker_is_reported_and_the_others_are_woken() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    let builder = Builder::new()
        .virtual_time(true)
        .on_unhandled(move |report| log.borrow_mut().push(report.to_string()));
    let scripts = builder.run(async {
        let mut scripts = Vec::new();
        let mut sleeps = Vec::new();
        for _ in 0..3 {
            let (waker, script) = hostile(|event| assert_ne!(event, Event::Wake, "a hostile wake"));
            let mut sleep = sleep(SECOND);
            assert!(poll(Pin::new(&mut sleep), &waker).is_pending());
            sleeps.push(sleep);
            scripts.push(script);
        }
        sleep(SECOND).await;
        assert!(sleeps.iter_mut().all(|sleep| poll(Pin::new(sleep), Waker::noop()).is_ready()));
        scripts
    });
    assert!(scripts.iter().all(|script| script.has_seen(Event::Wake) && script.living.get() == 0));
    assert_eq!(reports.borrow().len(), 3, "{:?}", reports.borrow());
}

#[test]
fn wakers_left_at_the_end_are_dropped_on_the_loop_and_may_panic_there() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    let builder =
        Builder::new().on_unhandled(move |report| log.borrow_mut().push(report.to_string()));
    let (sleeps, scripts) = builder.run(async {
        let handle = Handle::current();
        let mut scripts = Vec::new();
        let mut sleeps = Vec::new();
        for _ in 0..3 {
            let (waker, script) = hostile(move |event| {
                if event == Event::Drop && handle.status_local().is_err() {
                    // Needs a loop, even if the loop refuses the task.
                    drop(create_task(async {}));
                    panic!("a hostile drop");
                }
            });
            let mut sleep = sleep(SECOND);
            assert!(poll(Pin::new(&mut sleep), &waker).is_pending());
            sleeps.push(sleep);
            scripts.push(script);
        }
        (sleeps, scripts)
    });
    drop(sleeps);
    assert!(scripts.iter().all(|script| script.living.get() == 0));
    let is_hostile = |report: &String| report.ends_with("a hostile drop");
    assert_eq!(
        reports.borrow().iter().filter(|report| is_hostile(report)).count(),
        3,
        "{:?}",
        reports.borrow()
    );
}

#[test]
fn code_that_runs_between_two_steps_has_no_task_of_its_own() {
    let at_drop = Rc::new(Cell::new(None));
    oneloop::run(async {
        struct AtDrop(Rc<Cell<Option<bool>>>);
        impl Drop for AtDrop {
            fn drop(&mut self) {
                self.0.set(Some(oneloop::current_task().is_some()));
            }
        }
        let output = AtDrop(Rc::clone(&at_drop));
        drop(create_task(async move { output }));
        let next = create_task(async {});
        next.await.unwrap();
    });
    assert_eq!(at_drop.get(), Some(false), "the next task had not begun");
}

#[test]
fn an_output_whose_drop_cancels_the_next_task_comes_before_its_first_poll() {
    oneloop::run(async {
        struct CancelOther(Rc<RefCell<Option<Task<()>>>>);
        impl Drop for CancelOther {
            fn drop(&mut self) {
                self.0.borrow().as_ref().map(Task::cancel);
            }
        }
        let (other, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
        let output = CancelOther(Rc::clone(&other));
        drop(create_task(async move { output }));
        let counted = Rc::clone(&polls);
        *other.borrow_mut() = Some(create_task(async move { counted.set(counted.get() + 1) }));
        yield_now().await;
        assert_eq!(polls.get(), 0, "cancelled before its first step, a task never starts");
    });
}
