//! Sleeping, under a clock that jumps.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use roundelay::{
    Clock, Config, Order, VirtualClock, gather, now, run_with, sleep, spawn, yield_now,
};

use crate::support::{SECOND, run_virtual, seconds, virtual_config};

#[test]
fn time_jumps_to_the_next_timer_and_nowhere_else() {
    run_virtual(async {
        let mut moments = Vec::new();
        for delay in [1, 60, 86_400] {
            sleep(seconds(delay)).await;
            moments.push(now());
        }
        assert_eq!(moments, [1, 61, 86_461].map(seconds));
    });
}

#[test]
fn a_clock_may_begin_anywhere_and_is_shared_with_the_test() {
    let clock = VirtualClock::starting_at(seconds(1000));
    let config = Config {
        clock: Clock::Virtual(clock.clone()),
        order: Order::Fifo,
    };
    run_with(config, async {
        assert_eq!(now(), seconds(1000));
        let sleeper = spawn(sleep(seconds(10)));
        yield_now().await;
        clock.advance(seconds(30));
        sleeper.await.unwrap();
        assert_eq!(now(), seconds(1030));
    })
    .unwrap();
}

#[test]
fn a_sleep_counts_from_its_first_poll() {
    run_virtual(async {
        let later = sleep(seconds(2));
        sleep(seconds(5)).await;
        later.await;
        assert_eq!(now(), seconds(7));
    });
}

#[test]
fn a_sleep_of_zero_lets_the_others_run_once() {
    run_virtual(async {
        let task = spawn(async {});
        sleep(Duration::ZERO).await;
        assert!(task.is_done());
        assert_eq!(now(), seconds(0));
    });
}

#[test]
fn a_dropped_sleep_takes_its_timer_with_it() {
    run_virtual(async {
        for _ in 0..if cfg!(miri) { 200 } else { 100_000 } {
            let mut long = pin!(sleep(seconds(3600)));
            let mut context = Context::from_waker(Waker::noop());
            assert!(long.as_mut().poll(&mut context).is_pending());
        }
        sleep(SECOND).await;
        assert_eq!(now(), SECOND);
    });
}

#[test]
fn a_sleep_that_changes_hands_wakes_its_last_owner() {
    run_virtual(async {
        let mut long = Box::pin(sleep(seconds(3)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(long.as_mut().poll(&mut context).is_pending());
        spawn(long).await.unwrap();
        assert_eq!(now(), seconds(3));
    });
}

#[test]
fn a_sleep_that_is_over_may_be_dropped_late() {
    run_virtual(async {
        let mut over = Box::pin(sleep(SECOND));
        over.as_mut().await;
        // This timer takes the place of the first in the heap.
        let other = spawn(sleep(SECOND));
        yield_now().await;
        drop(over);
        other.await.unwrap();
        assert_eq!(now(), seconds(2));
    });
}

#[test]
fn many_sleepers_wake_in_order_of_time() {
    let count = if cfg!(miri) { 50 } else { 10_000 };
    run_virtual(async {
        // 7919 and the count have no common divisor, so every delay is there once.
        let delays = (0..count).map(|number| number * 7919 % count);
        let ends = gather(delays.clone().map(|delay| async move {
            sleep(Duration::from_millis(delay)).await;
            now()
        }));
        assert!(ends.await.into_iter().eq(delays.map(Duration::from_millis)));
    });
}

#[test]
fn a_sleep_polled_after_its_loop_has_ended_says_so() {
    let mut left = Box::pin(sleep(SECOND));
    run_with(virtual_config(), async {
        let mut context = Context::from_waker(Waker::noop());
        assert!(left.as_mut().poll(&mut context).is_pending());
    })
    .unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run_virtual(left.as_mut());
    }));
    let message = panic.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(*message, "the event loop of this sleep has ended");
}
