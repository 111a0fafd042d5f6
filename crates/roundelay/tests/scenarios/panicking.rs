//! Panics stay inside of their task until somebody awaits it.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use roundelay::{TaskError, gather, gather_results, sleep, spawn, yield_now};

use crate::support::{Log, OnDrop, SECOND, run_virtual, seconds};

#[test]
fn a_panic_is_given_to_whoever_awaits_the_task() {
    run_virtual(async {
        let task = spawn(async {
            yield_now().await;
            let number = 7;
            panic!("number {number}");
        });
        sleep(SECOND).await;
        assert!(task.is_done() && !task.is_cancelled());
        assert_eq!(
            task.error().unwrap().to_string(),
            "the task panicked: number 7"
        );
        let outcome: Result<(), _> = task.await;
        let Err(TaskError::Panicked(panic)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(panic.message(), "number 7");
        assert_eq!(
            *panic.into_payload().downcast::<String>().unwrap(),
            "number 7"
        );
    });
}

#[test]
fn a_payload_of_any_type_gets_through() {
    run_virtual(async {
        let outcome = spawn(async { panic_any(5_u8) }).await;
        let Err(TaskError::Panicked(panic)) = outcome else {
            panic!("not a panic");
        };
        assert_eq!(panic.message(), "a payload that is no text");
        let resumed = catch_unwind(AssertUnwindSafe(|| panic.resume())).unwrap_err();
        assert_eq!(*resumed.downcast::<u8>().unwrap(), 5);
    });
}

#[test]
fn a_destructor_that_panics_during_cancellation_is_reported_as_a_panic() {
    run_virtual(async {
        let task = spawn(async {
            let _guard = OnDrop(|| panic!("cannot clean up"));
            sleep(SECOND).await;
        });
        yield_now().await;
        task.cancel();
        let error = task.await.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: cannot clean up");
    });
}

#[test]
fn a_destructor_that_panics_when_the_loop_ends_does_not_keep_the_others_from_ending() {
    let tasks = run_virtual(async {
        let tasks = [true, false].map(|panics| {
            spawn(async move {
                let _guard = OnDrop(move || assert!(!panics, "cannot clean up"));
                sleep(SECOND).await;
            })
        });
        yield_now().await;
        tasks
    });
    assert!(matches!(*tasks[0].error().unwrap(), TaskError::Panicked(_)));
    assert!(tasks[1].is_cancelled());
}

#[test]
fn a_panic_goes_through_gather_and_leaves_the_other_children_running() {
    let log = Log::default();
    run_virtual(async {
        let child = |delay, panics: bool| {
            let log = log.clone();
            async move {
                sleep(seconds(delay)).await;
                log.add(format!("child {delay}"));
                assert!(!panics, "child is broken");
            }
        };
        let children = [child(1, false), child(2, true), child(3, false)];
        let gathering = spawn(async move { gather(children).await });
        let error = gathering.await.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: child is broken");
        log.add("panic seen");
        sleep(seconds(5)).await;
    });
    assert_eq!(log.take(), ["child 1", "child 2", "panic seen", "child 3"]);
}

#[test]
fn gather_results_turns_panics_into_values() {
    let results = run_virtual(async {
        gather_results([1, 0, 2].map(|divisor| async move { 10 / divisor })).await
    });
    assert_eq!(*results[0].as_ref().unwrap(), 10);
    assert!(matches!(results[1], Err(TaskError::Panicked(_))));
    assert_eq!(*results[2].as_ref().unwrap(), 5);
}
