//! Wakers: how often a task is polled, whoever wakes it, how often and from where.

use std::future::poll_fn;
use std::task::Poll;
use std::thread;

use roundelay::{sleep, spawn, yield_now};

use crate::support::{Counts, NEVER, SECOND, run_virtual};

#[test]
fn waking_many_times_polls_once() {
    let counts = Counts::default();
    run_virtual(async {
        let task = spawn(counts.future(3));
        yield_now().await;
        for _ in 0..10 {
            counts.wake();
        }
        yield_now().await;
        assert_eq!(counts.both(), (2, 0));
        yield_now().await;
        assert_eq!(counts.both(), (2, 0));
        counts.wake();
        assert_eq!(task.await.unwrap(), 3);
        assert_eq!(counts.both(), (3, 1));
    });
}

#[test]
fn a_task_that_wakes_itself_while_it_runs_runs_again() {
    run_virtual(async {
        let mut polls = 0;
        let task = spawn(poll_fn(move |context| {
            polls += 1;
            context.waker().wake_by_ref();
            context.waker().wake_by_ref();
            if polls < 5 {
                Poll::Pending
            } else {
                Poll::Ready(polls)
            }
        }));
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn the_main_future_is_woken_like_any_other() {
    let mut polls = 0;
    run_virtual(poll_fn(|context| {
        polls += 1;
        context.waker().wake_by_ref();
        context.waker().wake_by_ref();
        if polls < 5 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }));
    assert_eq!(polls, 5);
}

#[test]
fn a_waker_may_be_used_after_its_task_and_after_its_loop() {
    let counts = Counts::default();
    run_virtual(async {
        spawn(counts.future(1)).await.unwrap();
        counts.wake();
        spawn(counts.future(NEVER));
        yield_now().await;
    });
    assert_eq!(counts.polls.get(), 2);
    counts.wake();
    let waker = counts.waker.take().unwrap();
    thread::spawn(move || waker.wake()).join().unwrap();
    run_virtual(yield_now());
    assert_eq!(counts.both(), (2, 2));
}

#[test]
fn a_task_woken_by_another_thread_runs_in_the_loops_next_turn() {
    let counts = Counts::default();
    run_virtual(async {
        let task = spawn(counts.future(2));
        yield_now().await;
        let waker = counts.waker.take().unwrap();
        thread::spawn(move || (0..10).for_each(|_| waker.wake_by_ref()))
            .join()
            .unwrap();
        assert_eq!(
            counts.both(),
            (1, 0),
            "tasks run on the loop's thread alone"
        );
        yield_now().await;
        assert_eq!(counts.both(), (2, 1));
        assert_eq!(task.await.unwrap(), 2);
    });
}

#[test]
fn a_task_woken_from_elsewhere_when_the_loop_ends_is_dropped_once_and_at_home() {
    let counts = Counts::default();
    run_virtual(async {
        spawn(counts.future(NEVER));
        yield_now().await;
        let waker = counts.waker.take().unwrap();
        thread::spawn(move || waker.wake()).join().unwrap();
        // The main future ends while the task's entry is in the inbox.
    });
    assert_eq!(counts.drops.get(), 1);
}

#[test]
fn polling_a_task_handle_again_costs_no_more_polls_of_the_task() {
    let counts = Counts::default();
    run_virtual(async {
        let mut task = spawn(counts.future(2));
        let mut waiting = Box::pin((&mut task).into_future());
        for _ in 0..5 {
            let first = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready()));
            assert!(!first.await);
            yield_now().await;
        }
        assert_eq!(counts.both(), (1, 0));
        counts.wake();
        assert_eq!(waiting.await.unwrap(), 2);
        sleep(SECOND).await;
    });
}
