//! Signals and forks: what a reactor does in processes that use them.
//!
//! One test alone, so that the process that forks has no other test's thread in it.

#![cfg(all(target_os = "linux", not(loom), not(miri)))]

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use roundelay::{Interest, Reactor, Readiness};

/// Ends a wait that should have ended by itself.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// Ends the test program if it is still there after two minutes, many times what it needs.
fn watchdog() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(120));
            eprintln!("a test hangs");
            std::process::exit(101);
        });
    });
}

#[test]
fn reactors_meet_signals_and_forks() {
    watchdog();
    a_signal_ends_the_wait_with_an_error_and_nothing_ready();
    a_child_that_drops_its_copy_leaves_the_parents_reactor_working();
}

fn a_signal_ends_the_wait_with_an_error_and_nothing_ready() {
    extern "C" fn ignore(_signal: libc::c_int) {}
    // SAFETY: `sigaction` is plain data for which zeroes mean no flags and an empty mask, and the handler does nothing at all, which sigaction(2) allows in every place.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()), 0);
    }
    let reactor = Reactor::new().unwrap();
    let mut readiness = Readiness::new();
    // SAFETY: pthread_self(3) always succeeds.
    let waiter = unsafe { libc::pthread_self() };
    for timeout in [PATIENCE, None] {
        let heard = AtomicBool::new(false);
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                // A signal that comes before the wait ends nothing, so go on until one has.
                while !heard.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                    // SAFETY: the waiting thread lives until the scope ends, which waits for this one.
                    unsafe { libc::pthread_kill(waiter, libc::SIGALRM) };
                }
            });
            let outcome = reactor.wait(&mut readiness, timeout);
            heard.store(true, Ordering::Relaxed);
            outcome.expect_err("the signal ends the wait")
        });
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(readiness.is_empty());
    }
    // The reactor is whole afterwards.
    reactor.wakeup().wake();
    reactor.wait(&mut readiness, None).unwrap();
}

fn a_child_that_drops_its_copy_leaves_the_parents_reactor_working() {
    let (mut near, far) = UnixStream::pair().unwrap();
    let reactor = Reactor::new().unwrap();
    reactor.add(far.as_raw_fd(), Interest::READABLE).unwrap();
    assert!(!reactor.is_forked());

    // SAFETY: after fork(2) the child of a process with threads may only do what is async-signal-safe. Dropping a reactor closes descriptors and frees memory of this thread; `_exit` runs no handlers.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let forked = reactor.is_forked();
        drop(reactor);
        // SAFETY: _exit(2) takes any status and never returns.
        unsafe { libc::_exit(if forked { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: waitpid(2) writes to the status, which lives until it returns.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child knows that it was forked");

    let mut readiness = Readiness::new();
    near.write_all(b"x").unwrap();
    reactor.wait(&mut readiness, PATIENCE).unwrap();
    let ready: Vec<_> = readiness.iter().collect();
    assert_eq!(ready, [(far.as_raw_fd(), Interest::READABLE)]);
    reactor.remove(far.as_raw_fd()).unwrap();
    reactor.wakeup().wake();
    reactor.wait(&mut readiness, None).unwrap();
}
