//! `ctrl_c` and `shutdown`.

use std::io::Result;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use oneloop::signal::{SignalKind, ctrl_c, shutdown, signal};
use oneloop::{create_task, run, sleep, timeout};

use crate::{ends_by, run_alone, send};

#[test]
fn ctrl_c_remembers_what_came_between_two_waits() -> Result<()> {
    run_alone(async {
        assert!(timeout(Duration::ZERO, ctrl_c()).await.is_err());
        raise(Signal::SIGINT)?;
        sleep(Duration::from_millis(1)).await;
        ctrl_c().await?;
        assert!(timeout(Duration::from_millis(2), ctrl_c()).await.is_err(), "it was told once");
        raise(Signal::SIGINT)?;
        raise(Signal::SIGINT)?;
        ctrl_c().await?;
        assert!(timeout(Duration::from_millis(2), ctrl_c()).await.is_err());
        Ok(())
    })
}

#[test]
fn all_who_wait_are_told_of_one_ctrl_c_and_nobody_later() -> Result<()> {
    run_alone(async {
        let waits = || create_task(ctrl_c());
        let (first, second) = (waits(), waits());
        sleep(Duration::from_millis(1)).await;
        send(Signal::SIGINT)?;
        first.await??;
        assert!(timeout(Duration::from_millis(2), ctrl_c()).await.is_err());
        second.await??;
        Ok(())
    })
}

#[test]
fn a_wait_that_is_dropped_when_it_was_woken_loses_no_ctrl_c() -> Result<()> {
    run_alone(async {
        {
            let mut waits = pin!(ctrl_c());
            let poll = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(poll, Poll::Pending));
            raise(Signal::SIGINT)?;
        }
        ctrl_c().await
    })
}

#[test]
fn a_ctrl_c_before_anybody_asked_is_no_business_of_ctrl_c() -> Result<()> {
    run_alone(async {
        let mut listener = signal(SignalKind::SIGINT)?;
        raise(Signal::SIGINT)?;
        listener.recv().await?;
        assert!(timeout(Duration::from_millis(2), ctrl_c()).await.is_err());
        Ok(())
    })
}

#[test]
fn shutdown_says_who_asked() -> Result<()> {
    run_alone(async {
        assert!(timeout(Duration::ZERO, shutdown()).await.is_err());
        for (signal, kind) in
            [(Signal::SIGTERM, SignalKind::SIGTERM), (Signal::SIGINT, SignalKind::SIGINT)]
        {
            raise(signal)?;
            assert_eq!(shutdown().await?, kind);
        }
        raise(Signal::SIGTERM)?;
        raise(Signal::SIGINT)?;
        let mut both = [shutdown().await?, shutdown().await?];
        both.sort();
        assert_eq!(both, [SignalKind::SIGINT, SignalKind::SIGTERM]);
        Ok(())
    })
}

#[test]
fn after_ctrl_c_the_process_goes_on_until_its_loop_ends() {
    ends_by(Signal::SIGINT, "ctrl_c::after_ctrl_c_the_process_goes_on_until_its_loop_ends", || {
        run(async {
            assert!(timeout(Duration::ZERO, ctrl_c()).await.is_err());
            raise(Signal::SIGINT)?;
            ctrl_c().await?;
            raise(Signal::SIGINT)?;
            Result::Ok(())
        })?;
        raise(Signal::SIGINT)?;
        panic!("the process has not ended")
    });
}
