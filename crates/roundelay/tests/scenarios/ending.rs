//! What happens to tasks when the main future ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use roundelay::{RunError, Task, TaskError, run_with, sleep, spawn, yield_now};

use crate::support::{Counts, Log, NEVER, OnDrop, SECOND, run_virtual, virtual_config};

#[test]
fn a_task_spawned_by_the_last_step_still_begins_and_is_then_cancelled() {
    // asyncio does the same: its loop stops one turn after the main coroutine has ended.
    let log = Log::default();
    run_virtual(async {
        let log = log.clone();
        spawn(async move {
            log.add("begins");
            sleep(SECOND).await;
            log.add("never");
        });
    });
    assert_eq!(log.take(), ["begins"]);
}

#[test]
fn tasks_that_are_left_are_dropped_before_run_returns_in_order_of_creation() {
    let log = Log::default();
    run_virtual(async {
        for name in ["first", "second", "third"] {
            let log = log.clone();
            spawn(async move {
                let _guard = OnDrop(move || log.add(format!("{name} dropped")));
                sleep(SECOND).await;
            });
        }
        yield_now().await;
        log.add("main ends");
    });
    assert_eq!(
        log.take(),
        [
            "main ends",
            "first dropped",
            "second dropped",
            "third dropped"
        ]
    );
}

#[test]
fn a_handle_that_outlives_its_loop_tells_how_the_task_ended() {
    let (finished, left): (Task<u32>, Task<()>) = run_virtual(async {
        let finished = spawn(async { 5 });
        yield_now().await;
        (finished, spawn(sleep(SECOND)))
    });
    assert!(matches!(*finished.outcome().unwrap(), Ok(5)));
    assert!(left.is_cancelled());
    assert!(!left.cancel());
    // A result can be awaited in another loop: it is there already.
    assert_eq!(run_virtual(async { finished.await.unwrap() }), 5);
}

#[test]
fn a_task_spawned_by_a_destructor_at_the_end_is_cancelled_before_it_begins() {
    let counts = Counts::default();
    run_virtual(async {
        let counts = counts.clone();
        spawn(async move {
            let _guard = OnDrop(move || {
                let task = spawn(counts.future(1));
                assert!(task.is_cancelled());
            });
            sleep(SECOND).await;
        });
        yield_now().await;
    });
    assert_eq!(counts.both(), (0, 1));
}

#[test]
fn a_panic_of_the_main_future_comes_out_of_run_after_the_tasks_are_gone() {
    let counts = Counts::default();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        run_virtual(async {
            spawn(counts.future(NEVER));
            yield_now().await;
            panic!("main is broken");
        })
    }));
    assert_eq!(
        *panic.unwrap_err().downcast::<&str>().unwrap(),
        "main is broken"
    );
    assert_eq!(counts.both(), (1, 1));
    // The thread is free for the next loop.
    assert_eq!(run_virtual(async { 1 }), 1);
}

#[test]
fn a_loop_inside_a_loop_is_refused() {
    let error = run_virtual(async { run_with(virtual_config(), async {}) }).unwrap_err();
    assert!(matches!(error, RunError::AlreadyRunning));
    assert_eq!(
        error.to_string(),
        "roundelay::run() cannot be called from a running event loop"
    );
}

#[test]
fn without_a_loop_nothing_can_be_spawned() {
    let panic = catch_unwind(|| spawn(async {})).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "no running event loop");
}

#[test]
fn the_main_future_may_borrow() {
    let mut numbers = vec![1];
    run_virtual(async {
        yield_now().await;
        numbers.push(2);
    });
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn loops_follow_each_other_without_traces() {
    for _ in 0..if cfg!(miri) { 5 } else { 1000 } {
        let task = run_virtual(async {
            let task = spawn(sleep(SECOND));
            yield_now().await;
            task
        });
        assert_eq!(task.name(), "Task-1");
        assert!(matches!(*task.error().unwrap(), TaskError::Cancelled));
    }
}
