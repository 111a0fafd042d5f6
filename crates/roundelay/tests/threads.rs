//! Which types may cross threads. This is checked by the compiler.

#![cfg(not(loom))]

use roundelay::{
    Clock, Config, Elapsed, Inbox, Panic, Reactor, Readiness, Ready, RunError, TaskError, Timers,
    VirtualClock, Wakeup, Woken,
};

fn is_shared_between_threads<T: Send + Sync>() {}
fn is_sent_to_threads<T: Send>() {}

#[test]
fn what_other_threads_use_may_be_shared() {
    is_shared_between_threads::<Reactor>();
    is_shared_between_threads::<Wakeup>();
    is_shared_between_threads::<Woken>();
    is_shared_between_threads::<Inbox<u8>>();
    is_shared_between_threads::<Clock>();
    is_shared_between_threads::<VirtualClock>();
    is_shared_between_threads::<Config>();
}

#[test]
fn errors_may_be_sent_and_shared() {
    is_shared_between_threads::<RunError>();
    is_shared_between_threads::<TaskError>();
    is_shared_between_threads::<Panic>();
    is_shared_between_threads::<Elapsed>();
}

#[test]
fn the_buffer_of_a_wait_may_move_with_its_loop() {
    is_sent_to_threads::<Readiness>();
    is_sent_to_threads::<Ready<u8>>();
    is_sent_to_threads::<Timers<u8, u8>>();
}
