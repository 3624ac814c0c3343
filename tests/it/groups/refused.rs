//! Refused futures: the drops of futures that create the next task do not nest on the stack.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;

use futures::FutureExt as _;
use oneloop::{Group, task_group};

/// Creates another child of its group when it is dropped, and counts the drops.
struct Offspring {
    group: Group<'static, Infallible>,
    left: usize,
    dropped: Rc<Cell<usize>>,
}

impl Offspring {
    async fn hold(self) {
        pending::<()>().await;
    }
}

impl Drop for Offspring {
    fn drop(&mut self) {
        self.dropped.set(self.dropped.get() + 1);
        if let Some(left) = self.left.checked_sub(1) {
            let (group, dropped) = (self.group.clone(), Rc::clone(&self.dropped));
            self.group.create_task(Self { group, left, dropped }.hold());
        }
    }
}

#[oneloop::test(virtual_time)]
async fn what_a_cancelled_group_refuses_is_dropped_in_turns_of_the_group() {
    let dropped = Rc::new(Cell::new(0));
    task_group(async |group: Group<'static, Infallible>| {
        group.cancel();
        let child = Offspring { group: group.clone(), left: 20_000, dropped: Rc::clone(&dropped) };
        let task = group.create_task(child.hold());
        assert_eq!(dropped.get(), 0, "not inside the call");
        assert!(task.await.unwrap_err().is_cancelled());
    })
    .await;
    assert_eq!(dropped.get(), 20_001);
}

#[oneloop::test(virtual_time)]
async fn what_a_group_refuses_after_its_end_is_dropped_one_after_the_other() {
    let dropped = Rc::new(Cell::new(0));
    let mut kept = None;
    task_group(async |group: Group<'static, Infallible>| kept = Some(group)).await;
    let group = kept.unwrap();
    let child = Offspring { group: group.clone(), left: 20_000, dropped: Rc::clone(&dropped) };
    drop(group.create_task(child.hold()));
    assert_eq!(dropped.get(), 20_001);
    let endless =
        Offspring { group: group.clone(), left: usize::MAX, dropped: Rc::clone(&dropped) };
    drop(group.create_task(endless.hold()));
    assert!(dropped.get() < 200_000, "a drop that creates children without end ends");
}

#[oneloop::test(virtual_time)]
async fn what_a_dropped_group_refuses_is_dropped_one_after_the_other() {
    let dropped = Rc::new(Cell::new(0));
    let count = Rc::clone(&dropped);
    let running = task_group(async move |group: Group<'static, Infallible>| {
        let child = Offspring { group: group.clone(), left: 20_000, dropped: count };
        group.create_task(child.hold());
        pending::<()>().await;
    });
    assert!(running.now_or_never().is_none());
    assert_eq!(dropped.get(), 20_001);
}
