//! The outputs of children and bodies, and the errors of an inner group in an outer one.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::iter::successors;

use oneloop::task::{Builder, Context, ContextVar, TaskError};
use oneloop::{GroupError, current_task, task_group, yield_now};

#[oneloop::test]
async fn children_and_body_may_end_with_plain_values() {
    let words = ["a".to_owned(), "bc".to_owned()];
    let (sum, text) = task_group(async |group| {
        let lengths: Vec<_> =
            words.iter().map(|word| group.create_task(async { word.len() })).collect();
        let text = group.create_task(async { Some("text".to_owned()) });
        let mut sum = 0;
        for length in lengths {
            sum += length.await.unwrap();
        }
        (sum, text.await.unwrap())
    })
    .await;
    assert_eq!((sum, text.as_deref()), (3, Some("text")));
}

#[oneloop::test]
async fn plain_children_stand_beside_those_that_fail() {
    let result = task_group(async |group| -> io::Result<u32> {
        let plain = group.create_task(async { 40_u32 });
        let fails = group.create_task(async { io::Result::Ok(2) });
        Ok(plain.await? + fails.await?)
    });
    assert_eq!(result.await.unwrap(), 42);
}

#[oneloop::test]
async fn a_plain_body_waits_for_its_children() {
    let done = Cell::new(0);
    let number = task_group(async |group| {
        group.create_task(async {
            yield_now().await;
            done.set(1);
        });
        7_u32
    })
    .await;
    assert_eq!((number, done.get()), (7, 1));
}

async fn fails_inside<E: fmt::Debug + 'static>(first: E, second: E) -> Result<(), GroupError<E>> {
    task_group(async |group| {
        group.create_task(async { Err::<(), _>(first) }).named("first");
        group.join().await;
        pending::<()>().await;
        Err(second)
    })
    .await
}

#[oneloop::test]
async fn a_group_error_is_iterated_by_value_and_by_reference() {
    let error = fails_inside("one", "two").await.unwrap_err();
    let names: Vec<&str> = (&error).into_iter().map(TaskError::task_name).collect();
    assert_eq!(names, ["first"]);
    for error in error {
        assert_eq!(error.into_error(), "one");
    }
}

#[oneloop::test]
async fn the_error_of_an_inner_group_leaves_the_outer_one_by_question_mark() {
    let as_io = task_group(async |group| -> io::Result<()> {
        let child = async {
            fails_inside(io::Error::other("inner"), io::Error::other("never")).await?;
            io::Result::Ok(())
        };
        group.create_task(child).named("outer");
        Ok(())
    });
    let error = as_io.await.unwrap_err();
    assert_eq!(error.first().task_name(), "outer");
    assert!(error.to_string().starts_with("inner (in task `first`"), "{error}");

    let boxed = task_group(async |_group| -> Result<(), Box<dyn Error + Send + Sync>> {
        fails_inside("text", "never").await?;
        Ok(())
    });
    assert!(boxed.await.unwrap_err().to_string().contains("text"));
}

#[derive(Debug, PartialEq, Eq)]
struct Oops(u32);

#[oneloop::test]
async fn errors_of_inner_groups_are_flattened_and_keep_their_tasks() {
    let outer = task_group(async |group| -> Result<(), GroupError<Oops>> {
        let plain = async {
            Err(Oops(1))?;
            Ok::<(), GroupError<Oops>>(())
        };
        group.create_task(plain).named("plain");
        // The body was woken before the child fails, so it has its turn after it.
        yield_now().await;
        fails_inside(Oops(2), Oops(3)).await?;
        Ok(())
    });
    let nested: GroupError<GroupError<Oops>> = outer.await.unwrap_err();
    let flat = nested.flatten();
    let mut all: Vec<_> = flat
        .into_iter()
        .map(|error| (error.task_name().to_owned(), error.into_error().0))
        .collect();
    all.sort();
    assert_eq!(all, [("first".to_owned(), 2), ("plain".to_owned(), 1)]);
}

#[test]
fn an_error_converts_outside_of_tasks_too() {
    let error = GroupError::from(Oops(1));
    assert_eq!((error.first().task_name(), error.first().place().file()), ("no task", file!()));
}

static USER: ContextVar<&str> = ContextVar::new("user");

#[oneloop::test]
async fn a_builder_creates_in_a_group() {
    let context = Context::current().copy();
    context.run(|| USER.set("ada"));
    let here = "here".to_owned();
    task_group(async |group| {
        let child = Builder::new().name("child").context(context).create_task_in(&group, async {
            let place = current_task().unwrap().place().unwrap();
            (current_task().unwrap().name(), USER.get(), place.file(), here.len())
        });
        assert_eq!(child.await.unwrap(), ("child".to_owned(), Some("ada"), file!(), 4));
    })
    .await;
    assert_eq!(USER.get(), None);
}

/// An error with a cause, of a type that the crate does not know.
#[derive(Debug)]
struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown")
    }
}

impl Error for Unknown {}

/// The texts of an error and its causes.
fn chain(error: &dyn Error) -> Vec<String> {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.map(ToString::to_string).collect()
}

async fn failed<E: fmt::Debug + 'static>(error: E) -> GroupError<E> {
    task_group(async |_group| Err::<(), _>(error)).await.expect_err("the body has failed")
}

#[oneloop::test]
async fn the_source_of_a_groups_error_is_its_first_error() {
    let error = failed(io::Error::other("no route")).await;
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.unwrap().to_string(), "no route");

    let error = failed(Box::<dyn Error>::from(io::Error::from_raw_os_error(2))).await;
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.and_then(io::Error::raw_os_error), Some(2));
    let error = failed(Box::<dyn Error + Send + Sync>::from(Unknown)).await;
    assert!(error.source().is_some_and(<dyn Error>::is::<Unknown>));
    assert!(error.first().source().is_some_and(<dyn Error>::is::<Unknown>));

    let error = failed(failed(io::Error::other("inner")).await).await;
    assert_eq!(chain(&error).last().map(String::as_str), Some("inner"));

    let error = failed(Unknown).await;
    let source = error.source().and_then(|source| source.downcast_ref::<TaskError<Unknown>>());
    assert_eq!(source.unwrap().task_name(), "main");
    assert!(failed("a text").await.source().is_some());
}
