//! What crosses threads, under a model checker that tries every interleaving.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --test loom_inbox`. It takes seconds.

#![cfg(loom)]

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use roundelay::{Inbox, Woken};

/// Tries every interleaving with at most three preemptions, which is where such bugs are; all of them would take hours.
fn model(scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(scenario);
}

/// A model of the descriptor that ends a reactor's wait: a count of notifications that a wait consumes.
struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
}

struct Rung {
    /// Not consumed yet.
    pending: u32,
    /// In all.
    total: u32,
}

/// A loop as other threads see it, with the order of steps that `Wakeup::wake` and `Reactor::wait` keep.
struct Loop {
    inbox: Inbox<u32>,
    woken: Woken,
    bell: Bell,
}

impl Loop {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::new(),
            woken: Woken::new(),
            bell: Bell {
                rung: Mutex::new(Rung {
                    pending: 0,
                    total: 0,
                }),
                changed: Condvar::new(),
            },
        })
    }

    /// Any thread: hand over a message.
    fn send(&self, message: u32) -> Result<(), u32> {
        self.inbox.push(message)?;
        if self.woken.raise() {
            let mut rung = self.bell.rung.lock().unwrap();
            rung.pending += 1;
            rung.total += 1;
            self.bell.changed.notify_one();
        }
        Ok(())
    }

    /// The loop's thread: sleep until there is something. A lost wakeup is a deadlock, which loom reports.
    fn wait(&self) {
        let mut rung = self.bell.rung.lock().unwrap();
        while rung.pending == 0 {
            rung = self.bell.changed.wait(rung).unwrap();
        }
        rung.pending = 0;
        drop(rung);
        self.woken.lower();
    }

    /// The loop's thread: wait and read until `count` messages are there.
    fn receive(&self, count: usize) -> Vec<u32> {
        let mut received = Vec::new();
        while received.len() < count {
            if self.inbox.is_empty() {
                self.wait();
            }
            if !self.inbox.is_empty() {
                self.inbox.take_all(&mut received);
            }
        }
        received
    }
}

#[test]
fn no_message_and_no_wakeup_is_lost() {
    model(|| {
        let shared = Loop::new();
        let senders: Vec<_> = [1, 2]
            .map(|message| {
                let shared = shared.clone();
                thread::spawn(move || shared.send(message).unwrap())
            })
            .into_iter()
            .collect();
        let mut received = shared.receive(2);
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        // Each sender rings at most once, and the first one always has to.
        let rings = shared.bell.rung.lock().unwrap().total;
        assert!((1..=2).contains(&rings), "{rings}");
    });
}

#[test]
fn messages_of_one_thread_keep_their_order() {
    model(|| {
        let shared = Loop::new();
        let sender = {
            let shared = shared.clone();
            thread::spawn(move || (1..=2).for_each(|message| shared.send(message).unwrap()))
        };
        assert_eq!(shared.receive(2), [1, 2]);
        sender.join().unwrap();
    });
}

#[test]
fn a_message_is_either_left_in_the_closed_inbox_or_handed_back() {
    model(|| {
        let inbox = Arc::new(Inbox::new());
        let sender = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.push(7).is_err())
        };
        let left = inbox.close();
        let handed_back = sender.join().unwrap();
        assert_eq!(left.len() + usize::from(handed_back), 1);
        assert!(inbox.is_empty());
    });
}

#[test]
fn what_was_written_before_a_skipped_notification_is_seen_after_the_wait() {
    // The message here is a plain flag: nothing but `Woken` orders it.
    model(|| {
        let woken = Arc::new(Woken::new());
        let written = Arc::new(AtomicUsize::new(0));
        // The flag is up already, because somebody else has asked.
        assert!(woken.raise());
        let writer = {
            let (woken, written) = (woken.clone(), written.clone());
            thread::spawn(move || {
                written.store(1, Ordering::Relaxed);
                woken.raise()
            })
        };
        woken.lower();
        let seen = written.load(Ordering::Relaxed);
        let notified = writer.join().unwrap();
        assert!(
            seen == 1 || notified,
            "the write was neither seen nor announced"
        );
    });
}
