//! wait: first completed, first exception, all.

use roundelay::{
    AllCompleted, FirstCompleted, FirstException, Task, now, sleep, spawn, timeout, wait, yield_now,
};

use crate::support::{Log, SECOND, run_virtual, seconds};

fn after(delay: u64) -> Task<u64> {
    spawn(async move {
        sleep(seconds(delay)).await;
        delay
    })
}

fn failing_after(delay: u64, fails: bool) -> Task<Result<u64, u64>> {
    spawn(async move {
        sleep(seconds(delay)).await;
        if fails { Err(delay) } else { Ok(delay) }
    })
}

#[test]
fn the_first_completed_ends_the_wait_and_the_rest_can_be_waited_for_again() {
    run_virtual(async {
        let mut pending = vec![after(3), after(1), after(2)];
        let mut finished = Vec::new();
        while !pending.is_empty() {
            let (done, rest) = wait(pending, FirstCompleted).await;
            for task in done {
                finished.push((now(), task.await.unwrap()));
            }
            pending = rest;
        }
        assert_eq!(finished, [1, 2, 3].map(|n| (seconds(n), n)));
    });
}

#[test]
fn waiting_for_all_gives_them_back_in_the_order_given() {
    run_virtual(async {
        let (done, pending) = wait([after(2), after(1)], AllCompleted).await;
        assert_eq!(now(), seconds(2));
        assert!(pending.is_empty());
        let names: Vec<_> = done.iter().map(Task::name).collect();
        assert_eq!(names, ["Task-1", "Task-2"]);
    });
}

#[test]
fn the_first_exception_is_an_error_or_a_panic_but_no_cancellation() {
    run_virtual(async {
        let tasks = [
            failing_after(1, false),
            failing_after(2, true),
            failing_after(3, false),
        ];
        let (done, pending) = wait(tasks, FirstException).await;
        assert_eq!((now(), done.len(), pending.len()), (seconds(2), 2, 1));

        let cancelled = failing_after(50, false);
        cancelled.cancel();
        let panicking = spawn(async {
            sleep(SECOND).await;
            panic!("broken")
        });
        let tasks = [cancelled, failing_after(10, true), panicking];
        let (done, pending) = wait(tasks, FirstException).await;
        assert_eq!((now(), done.len(), pending.len()), (seconds(3), 2, 1));
        assert!(done[0].is_cancelled() && done[1].error().is_some());
    });
}

#[test]
fn without_an_exception_first_exception_waits_for_all() {
    run_virtual(async {
        let tasks = [failing_after(1, false), failing_after(2, false)];
        let (done, _) = wait(tasks, FirstException).await;
        assert_eq!((now(), done.len()), (seconds(2), 2));
    });
}

#[test]
fn tasks_that_are_done_already_end_the_wait_at_once() {
    run_virtual(async {
        let (quick, slow) = (after(0), after(9));
        sleep(SECOND).await;
        let (done, pending) = wait([quick, slow], FirstCompleted).await;
        assert_eq!((now(), done.len(), pending.len()), (SECOND, 1, 1));
        let (done, _) = wait(done, AllCompleted).await;
        assert_eq!((now(), done.len()), (SECOND, 1));
    });
}

#[test]
fn a_limit_ends_the_wait_with_what_is_done() {
    run_virtual(async {
        let waiting = wait([after(1), after(3)], AllCompleted).timeout(seconds(2));
        let (done, pending) = waiting.await;
        assert_eq!((now(), done.len(), pending.len()), (seconds(2), 1, 1));
        for task in pending {
            assert_eq!(task.await.unwrap(), 3, "a wait cancels nothing");
        }
    });
}

#[test]
fn cancelling_the_wait_cancels_no_task() {
    let log = Log::default();
    run_virtual(async {
        let task = spawn({
            let log = log.clone();
            async move {
                sleep(seconds(3)).await;
                log.add(format!("task ends at {:?}", now()));
            }
        });
        assert!(timeout(SECOND, wait([task], AllCompleted)).await.is_err());
        // The handle went with the wait; the task is still there.
        log.add(format!("wait ends at {:?}", now()));
        sleep(seconds(5)).await;
    });
    assert_eq!(log.take(), ["wait ends at 1s", "task ends at 3s"]);
}

#[test]
fn waiting_for_nothing_is_over_at_once() {
    run_virtual(async {
        let (done, pending) = wait(Vec::<Task<()>>::new(), FirstCompleted).await;
        assert!(done.is_empty() && pending.is_empty());
        yield_now().await;
    });
}
