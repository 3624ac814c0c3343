//! The models: one loop, and one or two senders.

use std::sync;
use std::task::{Wake, Waker};

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::inbox::{Inbox, Mail};
use crate::key::{Serial, WakerKey};

const TENANT: u64 = 1;

/// How often a model interrupts a thread that could continue. A bug that needs more is rare, and
/// the time for a model grows exponentially with this number.
const INTERRUPTIONS: usize = 3;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(INTERRUPTIONS);
    builder.check(model);
}

fn key(slot: u32) -> WakerKey {
    WakerKey::new(1, Serial::FIRST, slot)
}

/// An inbox whose tenant is the current thread.
fn open() -> Arc<Inbox> {
    let inbox = Arc::new(Inbox::new());
    inbox.open(TENANT, thread::current());
    inbox
}

fn spawn(inbox: &Arc<Inbox>, send: impl FnOnce(&Inbox) + 'static) -> thread::JoinHandle<()> {
    let inbox = Arc::clone(inbox);
    thread::spawn(move || send(&inbox))
}

fn join(senders: [thread::JoinHandle<()>; 2]) {
    for sender in senders {
        sender.join().unwrap();
    }
}

/// Takes the mail of a loop that sleeps in `sleep`, until `take` has enough.
fn receive(inbox: &Inbox, sleep: impl Fn(), mut take: impl FnMut(Mail) -> bool) {
    loop {
        if inbox.has_mail() {
            if take(inbox.collect()) {
                return;
            }
        } else if inbox.try_park() {
            sleep();
            inbox.woken();
        }
    }
}

/// Takes the place of the reactor: only its own waker ends this sleep.
struct Reactor {
    is_woken: Mutex<bool>,
    change: Condvar,
}

impl Reactor {
    fn new() -> sync::Arc<Self> {
        sync::Arc::new(Self { is_woken: Mutex::new(false), change: Condvar::new() })
    }

    fn wait(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = self.change.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}

impl Wake for Reactor {
    fn wake(self: sync::Arc<Self>) {
        *self.is_woken.lock().unwrap() = true;
        self.change.notify_one();
    }
}

/// A loop that sleeps in `thread::park` gets the wakes of two threads.
#[test]
fn no_wake_of_two_senders_is_lost() {
    check(|| {
        let inbox = open();
        let senders = [1, 2].map(|slot| spawn(&inbox, move |inbox| inbox.send_wake(key(slot))));
        let mut awaited = vec![key(1), key(2)];
        receive(&inbox, thread::park, |mail| {
            awaited.retain(|key| !mail.wakes.contains(key));
            awaited.is_empty()
        });
        join(senders);
    });
}

/// Two threads wake one task, so one wake may stand for both. It then comes after the work of both.
#[test]
fn one_wake_for_two_comes_after_both() {
    check(|| {
        let inbox = open();
        let done = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let senders = done.clone().map(|done| {
            spawn(&inbox, move |inbox| {
                // Relaxed, because the inbox itself must make the value visible.
                done.store(true, Ordering::Relaxed);
                inbox.send_wake(key(1));
            })
        });
        receive(&inbox, thread::park, |_| done.iter().all(|done| done.load(Ordering::Relaxed)));
        join(senders);
    });
}

/// A sender wakes a loop that sleeps in its reactor.
#[test]
fn no_wake_is_lost_in_the_reactor() {
    check(|| {
        let inbox = open();
        let reactor = Reactor::new();
        let former = inbox.set_unpark(Waker::from(sync::Arc::clone(&reactor)));
        assert!(former.is_none());
        let senders = [1, 2].map(|slot| spawn(&inbox, move |inbox| inbox.send_wake(key(slot))));
        let mut awaited = vec![key(1), key(2)];
        receive(
            &inbox,
            || reactor.wait(),
            |mail| {
                awaited.retain(|key| !mail.wakes.contains(key));
                awaited.is_empty()
            },
        );
        join(senders);
        drop(inbox.close());
    });
}

/// The loop may make its reactor after it has told senders that it sleeps. These senders then wake
/// its thread in vain.
#[test]
fn no_wake_is_lost_while_the_reactor_is_made() {
    check(|| {
        let inbox = open();
        let sender = spawn(&inbox, |inbox| inbox.send_wake(key(1)));
        let reactor = Reactor::new();
        if inbox.try_park() {
            drop(inbox.set_unpark(Waker::from(sync::Arc::clone(&reactor))));
            reactor.wait();
            inbox.woken();
        }
        receive(&inbox, || unreachable!("there is mail"), |mail| mail.wakes == [key(1)]);
        sender.join().unwrap();
        drop(inbox.close());
    });
}

/// News without mail wakes the loop too, and wakes that arrive meanwhile are not lost.
#[test]
fn no_announcement_is_lost() {
    check(|| {
        let inbox = open();
        let news = Arc::new(AtomicBool::new(false));
        let announced = Arc::clone(&news);
        let speaker = spawn(&inbox, move |inbox| {
            announced.store(true, Ordering::Relaxed);
            inbox.announce();
        });
        let sender = spawn(&inbox, |inbox| inbox.send_wake(key(1)));
        let mut is_woken = false;
        receive(&inbox, thread::park, |mail| {
            is_woken |= mail.wakes == [key(1)];
            is_woken && news.load(Ordering::Relaxed)
        });
        speaker.join().unwrap();
        sender.join().unwrap();
    });
}

/// Counts its drop.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Only the first of several calls is announced, but the loop misses none.
#[test]
fn no_call_of_two_senders_is_lost() {
    check(|| {
        let inbox = open();
        let made = Arc::new(AtomicUsize::new(0));
        let senders = [(); 2].map(|()| {
            let made = Arc::clone(&made);
            spawn(&inbox, move |inbox| {
                let call = move || {
                    made.fetch_add(1, Ordering::Relaxed);
                };
                assert!(inbox.send_call(TENANT, Box::new(call)).is_ok());
            })
        });
        receive(&inbox, thread::park, |_| {
            if inbox.has_calls() {
                let mut calls = inbox.take_calls();
                while let Some(call) = calls.pop() {
                    call();
                }
            }
            made.load(Ordering::Relaxed) == 2
        });
        join(senders);
    });
}

/// A call is read, or returns to its sender, or to the code that closes the inbox. It is dropped
/// once. Nothing arrives after the end.
#[test]
fn a_call_meets_the_end() {
    check(|| {
        let inbox = open();
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&drops));
        let sender = spawn(&inbox, move |inbox| {
            inbox.send_wake(key(1));
            drop(inbox.send_call(TENANT, Box::new(move || drop(counted))));
        });
        if inbox.has_mail() {
            drop(inbox.collect());
            if inbox.has_calls() {
                drop(inbox.take_calls());
            }
        }
        drop(inbox.close());
        let refused = inbox.send_call(TENANT, Box::new(|| unreachable!("nobody reads it")));
        assert!(refused.is_err());
        sender.join().unwrap();
        assert!(inbox.take_calls().is_empty(), "nothing comes after the end");
        assert!(inbox.take_wakes().is_empty());
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

/// A sender that knows only the former tenant cannot reach the next one by a call, and its wakes
/// are harmless.
#[test]
fn a_call_for_the_former_tenant_does_not_reach_the_next() {
    check(|| {
        let inbox = open();
        let sender = spawn(&inbox, |inbox| {
            inbox.send_wake(key(1));
            drop(inbox.send_call(TENANT, Box::new(|| ())));
        });
        drop(inbox.close());
        inbox.open(TENANT + 1, thread::current());
        let own = spawn(&inbox, |inbox| {
            assert!(inbox.send_call(TENANT + 1, Box::new(|| ())).is_ok());
        });
        receive(&inbox, thread::park, |_| {
            inbox.has_calls() && {
                let mut calls = inbox.take_calls();
                calls.pop().is_some() && calls.is_empty()
            }
        });
        own.join().unwrap();
        sender.join().unwrap();
        assert!(inbox.close().0.is_empty(), "only the call for this tenant came");
    });
}
