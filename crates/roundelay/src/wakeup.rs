//! Waking a loop from another thread, with at most one notification on its way.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sys;

/// The 'already woken' flag: whether somebody has asked for attention that has not been paid yet.
///
/// A sender first makes its message visible (in a queue of its own), then calls [`raise`](Self::raise), and notifies the sleeper only if that returned `true`.
/// The sleeper, awake, first takes the notification off its descriptor, then calls [`lower`](Self::lower), and only then reads the messages.
///
/// In that order nothing is lost. A sender that finds the flag raised may skip the notification because `lower` comes later and, being a read-modify-write that meets the sender's own, makes the message visible to the sleeper.
/// A sender that comes after `lower` finds the flag down and notifies.
///
/// ```
/// use roundelay::Woken;
///
/// let woken = Woken::new();
/// assert!(woken.raise(), "the first to ask notifies");
/// assert!(!woken.raise(), "the others need not");
/// woken.lower();
/// assert!(woken.raise());
/// ```
#[derive(Debug)]
pub struct Woken {
    raised: AtomicBool,
}

impl Woken {
    /// A flag that is down.
    #[must_use]
    pub fn new() -> Self {
        Self {
            raised: AtomicBool::new(false),
        }
    }

    /// Raises the flag. `true` means that it was down and the caller has to notify.
    #[inline]
    #[must_use = "whoever finds the flag down has to notify"]
    pub fn raise(&self) -> bool {
        !self.raised.swap(true, Ordering::AcqRel)
    }

    /// Takes the flag down, after the notification was taken off its descriptor and before the messages are read.
    #[inline]
    pub fn lower(&self) {
        // A plain store would not synchronise with a sender that found the flag raised.
        self.raised.swap(false, Ordering::AcqRel);
    }

    /// Whether the flag is up. A hint: it may change before the caller acts on it.
    #[inline]
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}

impl Default for Woken {
    fn default() -> Self {
        Self::new()
    }
}

/// A handle with which any thread wakes a [`Reactor`](crate::Reactor) out of its wait.
///
/// Clones wake the same reactor. A handle may outlive its reactor; then it wakes nobody.
///
/// ```
/// use roundelay::{Reactor, Readiness};
///
/// # if cfg!(miri) { return Ok(()) }
/// let reactor = Reactor::new()?;
/// let wakeup = reactor.wakeup();
/// std::thread::spawn(move || wakeup.wake());
/// reactor.wait(&mut Readiness::new(), None)?; // returns once the thread has woken it
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Wakeup {
    shared: Arc<Shared>,
}

struct Shared {
    /// Raised from the first `wake` until the reactor's wait has taken the notification.
    woken: Woken,
    bell: sys::Bell,
}

impl Wakeup {
    pub(crate) fn new(bell: sys::Bell) -> Self {
        let woken = Woken::new();
        Self {
            shared: Arc::new(Shared { woken, bell }),
        }
    }

    /// Makes the current or the next wait of the reactor return.
    ///
    /// Whatever the caller wrote before is visible to the loop's thread once that wait has returned.
    /// Until then further calls cost one atomic operation and no system call.
    #[inline]
    pub fn wake(&self) {
        if self.shared.woken.raise() {
            self.shared.bell.ring();
        }
    }

    /// Whether a wake is waiting to be noticed. A loop that skips polls looks here to end the skipping.
    #[inline]
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.shared.woken.is_raised()
    }

    pub(crate) fn lower(&self) {
        self.shared.woken.lower();
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeup")
            .field("woken", &self.is_woken())
            .finish()
    }
}
