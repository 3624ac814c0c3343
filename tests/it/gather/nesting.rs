//! Gathers inside other combinators, and other combinators inside gathers.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::join;
use futures::stream::FuturesUnordered;
use oneloop::time::now;
use oneloop::{create_task, gather};

use super::after;
use crate::tasks::{counted, poll_once};

const SECOND: Duration = Duration::from_secs(1);

// Inside others.

#[oneloop::test(virtual_time)]
async fn gathers_nest() {
    let start = now();
    let inner = |n| gather([after(n, n), after(n + 1, n + 1)]);
    let nested =
        oneloop::gather!(gather([inner(1), inner(5)]), oneloop::gather!(after(2, 'a'), inner(3)));
    assert_eq!(nested.await, (vec![vec![1, 2], vec![5, 6]], ('a', vec![3, 4])));
    assert_eq!(now() - start, 6 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn in_nested_gathers_only_the_way_to_what_was_woken_is_polled() {
    let polls = [(); 2].map(|()| Rc::new(Cell::new(0)));
    let inner = |n: usize, seconds| {
        counted(&polls[n], gather([after(seconds, ()), after(seconds + 2, ())]))
    };
    gather([inner(0, 1), inner(1, 2)]).await;
    assert_eq!(polls.map(|polls| polls.get()), [3, 3]);
}

#[oneloop::test(virtual_time)]
async fn a_gather_works_in_the_combinators_of_others() {
    let start = now();
    let mut gathers: FuturesUnordered<_> =
        [3, 1].map(|n| gather([after(n, n), after(n + 1, n + 1)])).into_iter().collect();
    assert_eq!(gathers.next().await, Some(vec![1, 2]));
    assert_eq!(now() - start, 2 * SECOND);
    assert_eq!(gathers.next().await, Some(vec![3, 4]));
    assert_eq!(now() - start, 4 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn the_combinators_of_others_work_in_a_gather() {
    let unordered: FuturesUnordered<_> = [2, 1].map(|n| after(n, n)).into_iter().collect();
    let (collected, joined) =
        oneloop::gather!(unordered.collect::<Vec<_>>(), join(after(1, 'a'), after(3, 'b'))).await;
    assert_eq!((collected, joined), (vec![1, 2], ('a', 'b')));
}

#[oneloop::test(virtual_time)]
async fn a_gather_that_was_polled_in_one_task_goes_on_in_another() {
    let polls = Rc::new(Cell::new(0));
    let (sender, receiver) = oneshot::channel();
    let first = create_task(counted(&polls, async move {
        let mut many = gather([after(1, 1), after(2, 2)]);
        let mut few = Box::pin(oneloop::gather!(after(3, 3), after(1, 1)));
        assert!(poll_once(&mut many).await.is_pending());
        assert!(poll_once(&mut few).await.is_pending());
        assert!(sender.send((many, few)).is_ok());
        pending::<()>().await;
    }));
    let start = now();
    let second = create_task(async move {
        let (many, few) = receiver.await.unwrap();
        oneloop::gather!(many, few).await
    });
    assert_eq!(second.await.unwrap(), (vec![1, 2], (3, 1)));
    assert_eq!(now() - start, 3 * SECOND);
    assert_eq!(polls.get(), 1, "the first task is not woken any more");
    first.cancel();
}
