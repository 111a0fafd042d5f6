//! Under a virtual clock a program that waits for nothing is told so instead of hanging.

use std::future::pending;
use std::time::Duration;

use roundelay::{RunError, sleep, spawn, yield_now};

use crate::support::{Counts, NEVER, SECOND, run_virtual, try_run_virtual};

#[test]
fn waiting_for_nothing_is_an_error_that_names_who_waits() {
    let error = try_run_virtual(async {
        spawn(pending::<()>());
        yield_now().await;
        pending::<()>().await;
    })
    .unwrap_err();
    let RunError::Deadlock(waiting) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0], "main");
    assert!(waiting[1].starts_with("Task-1 from "), "{waiting:?}");
    assert!(waiting[1].contains("deadlock.rs:"), "{waiting:?}");
    let message = error.to_string();
    let cause = "deadlock: nothing is ready and no timer is set, so virtual time cannot move on; waiting: main, Task-1 from ";
    assert!(message.starts_with(cause), "{message}");
}

#[test]
fn two_tasks_that_wait_for_each_other_are_a_deadlock() {
    let error = try_run_virtual(async {
        let (left, right) = (Counts::default(), Counts::default());
        let waiting = spawn(left.future(2));
        let other = spawn({
            let left = left.clone();
            async move {
                right.future(2).await;
                left.wake();
            }
        });
        waiting.await.unwrap();
        other.await.unwrap();
    });
    assert!(matches!(error, Err(RunError::Deadlock(waiting)) if waiting.len() == 3));
}

#[test]
fn the_tasks_of_a_deadlock_are_dropped() {
    let counts = [Counts::default(), Counts::default()];
    let outcome = try_run_virtual(async {
        spawn(counts[0].future(NEVER));
        counts[1].future(NEVER).await
    });
    assert!(outcome.is_err());
    assert_eq!(counts.each_ref().map(Counts::both), [(1, 1), (1, 1)]);
    assert_eq!(run_virtual(async { 1 }), 1);
}

#[test]
fn a_long_list_of_names_is_cut() {
    let error = try_run_virtual(async {
        for _ in 0..20 {
            spawn(pending::<()>());
        }
        pending::<()>().await;
    });
    let message = error.unwrap_err().to_string();
    assert!(message.ends_with(" and 13 more"), "{message}");
}

#[test]
fn a_sleep_that_never_ends_is_no_timer() {
    assert!(try_run_virtual(sleep(Duration::MAX)).is_err());
    let longest = Duration::from_secs(u64::MAX / 2);
    run_virtual(sleep(longest));
    assert!(try_run_virtual(sleep(longest + SECOND)).is_err());
}
