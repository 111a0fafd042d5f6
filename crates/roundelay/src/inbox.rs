//! The one queue through which other threads hand work to a loop.

#![forbid(unsafe_code)]

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A queue that any thread fills and the loop's thread empties.
///
/// Pushing does not wake the loop: push first, then use a [`Wakeup`](crate::Wakeup).
/// Entries of one thread come out in the order in which they went in.
///
/// ```
/// use roundelay::Inbox;
///
/// let inbox = Inbox::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| inbox.push("from another thread").unwrap());
/// });
/// assert!(!inbox.is_empty());
///
/// let mut received = Vec::new();
/// inbox.take_all(&mut received);
/// assert_eq!(received, ["from another thread"]);
///
/// assert!(inbox.close().is_empty());
/// assert_eq!(inbox.push("too late"), Err("too late"));
/// ```
#[derive(Debug)]
pub struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    /// Whether the queue holds anything. Written under the lock alone; read without it, so that a loop looks into an empty inbox for the price of one load.
    filled: AtomicBool,
}

#[derive(Debug)]
struct Queue<T> {
    entries: Vec<T>,
    /// Set once, when the loop has gone. Nothing is queued from then on.
    closed: bool,
}

impl<T> Inbox<T> {
    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        let queue = Queue {
            entries: Vec::new(),
            closed: false,
        };
        Self {
            queue: Mutex::new(queue),
            filled: AtomicBool::new(false),
        }
    }

    /// Adds an entry behind all others.
    ///
    /// # Errors
    ///
    /// Once the inbox is closed the entry is handed back.
    pub fn push(&self, what: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(what);
        }
        queue.entries.push(what);
        self.filled.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether there is nothing to take. Costs one load.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.filled.load(Ordering::Acquire)
    }

    /// Moves all entries to the end of `into`, oldest first.
    ///
    /// An empty `into` is swapped with the queue, so that two buffers take turns and neither is allocated again.
    pub fn take_all(&self, into: &mut Vec<T>) {
        let mut queue = self.lock();
        if into.is_empty() {
            std::mem::swap(&mut queue.entries, into);
        } else {
            into.append(&mut queue.entries);
        }
        self.filled.store(false, Ordering::Release);
    }

    /// Closes the inbox and returns what was still in it.
    pub fn close(&self) -> Vec<T> {
        let mut queue = self.lock();
        queue.closed = true;
        self.filled.store(false, Ordering::Release);
        std::mem::take(&mut queue.entries)
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Only an allocation can panic under the lock, and it does so before anything has changed.
        self.queue
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_in_order_and_once() {
        let inbox = Inbox::new();
        inbox.push(1).unwrap();
        inbox.push(2).unwrap();
        let mut received = vec![0];
        inbox.take_all(&mut received);
        assert_eq!(received, [0, 1, 2]);
        assert!(inbox.is_empty());
        inbox.take_all(&mut received);
        assert_eq!(received, [0, 1, 2]);
    }

    #[test]
    fn closing_hands_back_what_was_left_and_what_comes_later() {
        let inbox = Inbox::new();
        inbox.push("left").unwrap();
        assert_eq!(inbox.close(), ["left"]);
        assert_eq!(inbox.push("late"), Err("late"));
        assert!(inbox.is_empty());
    }
}
