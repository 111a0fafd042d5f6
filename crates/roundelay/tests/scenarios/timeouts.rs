//! timeout: who wins, and what becomes of the loser.

use std::time::Duration;

use roundelay::{Elapsed, TaskError, now, sleep, spawn, timeout, yield_now};

use crate::support::{Counts, NEVER, SECOND, run_virtual, seconds};

#[test]
fn a_future_that_is_quick_enough_wins_and_no_timer_is_left() {
    run_virtual(async {
        let outcome = timeout(seconds(3600), async {
            sleep(SECOND).await;
            "result"
        });
        assert_eq!(outcome.await, Ok("result"));
        assert_eq!(now(), SECOND);
    });
}

#[test]
fn a_future_that_is_too_slow_is_dropped_before_anyone_hears_of_it() {
    let counts = Counts::default();
    run_virtual(async {
        let limited = timeout(seconds(2), counts.future(NEVER));
        assert_eq!(limited.await, Err(Elapsed));
        assert_eq!(
            counts.both(),
            (2, 1),
            "polled first and when the time was over"
        );
        assert_eq!(now(), seconds(2));
        assert_eq!(Elapsed.to_string(), "the timeout has elapsed");
    });
}

#[test]
fn a_ready_future_wins_against_a_timeout_of_zero() {
    run_virtual(async {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        assert_eq!(timeout(Duration::ZERO, sleep(SECOND)).await, Err(Elapsed));
        assert_eq!(now(), seconds(0));
    });
}

#[test]
fn a_task_given_by_value_is_cancelled_when_the_time_is_over() {
    let counts = Counts::default();
    run_virtual(async {
        assert!(timeout(SECOND, spawn(counts.future(NEVER))).await.is_err());
        yield_now().await;
        assert_eq!(counts.both(), (1, 1));
    });
}

#[test]
fn the_inner_of_two_timeouts_fires_first() {
    run_virtual(async {
        let inner = timeout(SECOND, sleep(seconds(9)));
        assert_eq!(timeout(seconds(5), inner).await, Ok(Err(Elapsed)));
        let task = spawn(timeout(SECOND, timeout(seconds(5), sleep(seconds(9)))));
        assert!(matches!(task.await, Ok::<_, TaskError>(Err(Elapsed))));
        assert_eq!(now(), seconds(2));
    });
}
