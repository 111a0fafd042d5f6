//! Cancelling tasks: what is dropped, when, and who hears of it.

use std::cell::Cell;
use std::rc::Rc;

use roundelay::{Task, TaskError, now, sleep, spawn, timeout, yield_now};

use crate::support::{Counts, Log, NEVER, OnDrop, SECOND, run_virtual, seconds};

#[test]
fn a_task_cancelled_before_it_begins_never_does() {
    let counts = Counts::default();
    run_virtual(async {
        let task = spawn(counts.future(1));
        assert!(task.cancel());
        assert_eq!(counts.both(), (0, 0), "it is dropped in its own turn");
        assert!(matches!(task.await, Err(TaskError::Cancelled)));
        assert_eq!(counts.both(), (0, 1));
    });
}

#[test]
fn a_waiting_task_is_dropped_where_it_waits_and_leaves_no_timer() {
    let log = Log::default();
    run_virtual(async {
        let task = spawn({
            let log = log.clone();
            async move {
                let _guard = OnDrop({
                    let log = log.clone();
                    move || log.add("cleaned up")
                });
                sleep(seconds(3600)).await;
                log.add("never");
            }
        });
        sleep(SECOND).await;
        assert!(task.cancel());
        assert!(
            task.cancel(),
            "asking twice is allowed until the task has ended"
        );
        log.add("asked");
        assert!(!task.is_done());
        yield_now().await;
        assert!(task.is_done() && task.is_cancelled());
        assert!(!task.cancel());
        assert!(matches!(*task.error().unwrap(), TaskError::Cancelled));
        sleep(SECOND).await;
        assert_eq!(now(), seconds(2));
    });
    assert_eq!(log.take(), ["asked", "cleaned up"]);
}

#[test]
fn a_task_that_has_ended_is_not_cancelled_and_keeps_its_result() {
    run_virtual(async {
        let task = spawn(async { 5 });
        yield_now().await;
        assert!(task.is_done());
        assert!(!task.cancel());
        assert!(!task.is_cancelled());
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn a_request_that_comes_with_the_last_step_wins() {
    run_virtual(async {
        let handle: Rc<Cell<Option<Task<u32>>>> = Rc::default();
        let task = spawn({
            let handle = handle.clone();
            async move {
                let task = handle.take().unwrap();
                task.cancel();
                handle.set(Some(task));
                5
            }
        });
        handle.set(Some(task));
        yield_now().await;
        let task = handle.take().unwrap();
        assert!(matches!(task.await, Err(TaskError::Cancelled)));
    });
}

#[test]
fn cancelling_whoever_awaits_a_task_cancels_the_task() {
    let counts = Counts::default();
    run_virtual(async {
        let inner = spawn(counts.future(NEVER));
        let outer = spawn(async move { inner.await });
        sleep(SECOND).await;
        assert_eq!(counts.both(), (1, 0));
        outer.cancel();
        assert!(matches!(outer.await, Err(TaskError::Cancelled)));
        yield_now().await;
        assert_eq!(counts.both(), (1, 1));
    });
}

#[test]
fn cancelling_whoever_watches_a_task_leaves_it_alone() {
    run_virtual(async {
        let mut task = spawn(async {
            sleep(seconds(5)).await;
            "result"
        });
        assert!(timeout(SECOND, &mut task).await.is_err());
        assert!(!task.is_done());
        assert_eq!(task.await.unwrap(), "result");
        assert_eq!(now(), seconds(5));
    });
}

#[test]
fn a_task_whose_handle_is_dropped_runs_on() {
    let log = Log::default();
    run_virtual(async {
        drop(spawn({
            let log = log.clone();
            async move {
                sleep(SECOND).await;
                log.add("done");
            }
        }));
        sleep(seconds(2)).await;
    });
    assert_eq!(log.take(), ["done"]);
}

#[test]
fn a_task_may_cancel_its_neighbour_which_is_ready_in_the_same_turn() {
    let counts = Counts::default();
    run_virtual(async {
        let victim: Rc<Cell<Option<Task<u32>>>> = Rc::default();
        let killer = spawn({
            let victim = victim.clone();
            async move { victim.take().map(|task| task.cancel()) }
        });
        victim.set(Some(spawn(counts.future(1))));
        assert_eq!(killer.await.unwrap(), Some(true));
        yield_now().await;
        assert_eq!(counts.both(), (0, 1));
    });
}

#[test]
fn ten_thousand_sleepers_are_cancelled_in_one_turn() {
    let count = if cfg!(miri) { 50 } else { 10_000 };
    run_virtual(async {
        let tasks: Vec<_> = (0..count)
            .map(|number| spawn(sleep(seconds(1 + number))))
            .collect();
        yield_now().await;
        tasks.iter().for_each(|task| assert!(task.cancel()));
        yield_now().await;
        assert!(tasks.iter().all(Task::is_cancelled));
        assert_eq!(now(), seconds(0));
    });
}
