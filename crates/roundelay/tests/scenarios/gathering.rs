//! gather, try_gather and gather_results.

use std::future::Ready;

use roundelay::{Task, TaskError, gather, now, sleep, spawn, timeout, try_gather, yield_now};

use crate::support::{Counting, Counts, Log, NEVER, SECOND, run_virtual, seconds};

async fn after(delay: u64) -> u64 {
    sleep(seconds(delay)).await;
    delay
}

#[test]
fn results_come_in_the_order_of_the_futures_and_after_the_longest() {
    run_virtual(async {
        assert_eq!(gather([after(3), after(1), after(2)]).await, [3, 1, 2]);
        assert_eq!(now(), seconds(3));
    });
}

#[test]
fn gathering_nothing_is_done_at_once() {
    run_virtual(async {
        assert!(gather(Vec::<Counting>::new()).await.is_empty());
        assert_eq!(
            try_gather(Vec::<Ready<Result<u64, ()>>>::new()).await,
            Ok(vec![])
        );
        assert_eq!(now(), seconds(0));
    });
}

#[test]
fn the_children_begin_without_being_awaited_and_are_polled_no_more_than_needed() {
    let counts: Vec<Counts> = (0..3).map(|_| Counts::default()).collect();
    run_virtual(async {
        let gathering = gather(
            counts
                .iter()
                .map(|counts| counts.future(2))
                .collect::<Vec<_>>(),
        );
        yield_now().await;
        let polls = || counts.iter().map(Counts::both).collect::<Vec<_>>();
        assert_eq!(polls(), [(1, 0), (1, 0), (1, 0)]);
        let waker = counts[2].clone();
        spawn(async move { waker.wake() });
        counts[0].wake();
        counts[0].wake();
        counts[1].wake();
        assert_eq!(gathering.await, [2, 2, 2]);
        assert_eq!(polls(), [(2, 1), (2, 1), (2, 1)]);
    });
}

#[test]
fn the_first_error_by_time_wins_and_the_other_children_run_on() {
    let log = Log::default();
    run_virtual(async {
        let child = |delay, fails| {
            let log = log.clone();
            async move {
                sleep(seconds(delay)).await;
                log.add(format!("child {delay}"));
                if fails { Err(delay) } else { Ok(delay) }
            }
        };
        let outcome = try_gather([child(3, true), child(1, false), child(2, true)]).await;
        assert_eq!(outcome, Err(2));
        assert_eq!(now(), seconds(2));
        log.add("error seen");
        sleep(seconds(5)).await;
    });
    assert_eq!(log.take(), ["child 1", "child 2", "error seen", "child 3"]);
}

#[test]
fn errors_are_values_for_plain_gather() {
    let outcome = run_virtual(async {
        gather([Ok(1), Err("bad"), Ok(3)].map(|result| async move { result })).await
    });
    assert_eq!(outcome, [Ok(1), Err("bad"), Ok(3)]);
}

#[test]
fn cancelling_a_gathering_cancels_its_children() {
    let counts = [Counts::default(), Counts::default()];
    run_virtual(async {
        let futures = counts.each_ref().map(|counts| counts.future(NEVER));
        assert!(timeout(SECOND, gather(futures)).await.is_err());
        yield_now().await;
        assert_eq!(counts.each_ref().map(Counts::both), [(1, 1), (1, 1)]);
    });
}

#[test]
fn tasks_can_be_gathered_and_are_cancelled_with_the_gathering() {
    let counts = Counts::default();
    run_virtual(async {
        let cancelled: Task<u64> = spawn(after(9));
        cancelled.cancel();
        let results = gather([spawn(after(1)), cancelled]).await;
        assert!(matches!(results[..], [Ok(1), Err(TaskError::Cancelled)]));

        let gathering = gather([spawn(counts.future(NEVER))]);
        yield_now().await;
        yield_now().await;
        drop(gathering);
        yield_now().await;
        yield_now().await;
        assert_eq!(counts.both(), (1, 1));
    });
}

#[test]
fn a_hundred_thousand_children_are_no_trouble() {
    let count = if cfg!(miri) { 100 } else { 100_000 };
    run_virtual(async {
        let results = gather((0..count).map(|number| async move { number })).await;
        assert!(results.into_iter().eq(0..count));
    });
}
