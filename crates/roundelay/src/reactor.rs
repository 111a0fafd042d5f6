//! Waiting for descriptors to become readable or writable.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::Wakeup;
use crate::sys;

/// What a descriptor is watched for, or found ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// There is something to read, or the end of it.
    pub readable: bool,
    /// There is room to write, or writing would fail at once.
    pub writable: bool,
}

impl Interest {
    /// Reading alone.
    pub const READABLE: Self = Self {
        readable: true,
        writable: false,
    };
    /// Writing alone.
    pub const WRITABLE: Self = Self {
        readable: false,
        writable: true,
    };
    /// Reading and writing.
    pub const BOTH: Self = Self {
        readable: true,
        writable: true,
    };
}

/// Tells which descriptors are ready, and can be woken by other threads.
///
/// Watching is level-triggered: a descriptor is reported by every wait until it has been read, written or removed.
/// A descriptor is known by its number. It is removed before it is closed; closing removes it from the kernel's list as well, but not if a duplicate stays open.
///
/// All methods take `&self`, and a reactor may be shared between threads. One thread at a time waits.
///
/// # Forking
///
/// A forked child shares the kernel's list with its parent: what it adds or removes there, it adds or removes for both.
/// [`is_forked`](Self::is_forked) tells whether this happened. Dropping the reactor in the child leaves the parent's as it was.
///
/// ```
/// use std::io::Write;
/// use std::os::fd::AsRawFd;
/// use std::os::unix::net::UnixStream;
/// use roundelay::{Interest, Reactor, Readiness};
///
/// # if cfg!(miri) { return Ok(()) }
/// let (mut near, far) = UnixStream::pair()?;
/// let reactor = Reactor::new()?;
/// reactor.add(far.as_raw_fd(), Interest::READABLE)?;
///
/// near.write_all(b"hello")?;
/// let mut readiness = Readiness::new();
/// reactor.wait(&mut readiness, None)?;
/// let ready: Vec<_> = readiness.iter().collect();
/// assert_eq!(ready, [(far.as_raw_fd(), Interest::READABLE)]);
///
/// reactor.remove(far.as_raw_fd())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reactor {
    poller: sys::Poller,
    wakeup: Wakeup,
    /// The process that made the reactor.
    creator: u32,
}

impl Reactor {
    /// A reactor that watches nothing yet.
    ///
    /// # Errors
    ///
    /// When the process or the system has no descriptors or memory left.
    pub fn new() -> io::Result<Self> {
        let poller = sys::Poller::new()?;
        let wakeup = Wakeup::new(poller.bell());
        let creator = std::process::id();
        Ok(Self {
            poller,
            wakeup,
            creator,
        })
    }

    /// Starts to watch a descriptor.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if it is watched already, `PermissionDenied` if its kind cannot be waited for (a regular file, on Linux), or what else the system has to say about the number.
    pub fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.poller.add(fd, interest)
    }

    /// Changes what a descriptor is watched for.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not watched, or what else the system has to say about the number.
    pub fn modify(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.poller.modify(fd, interest)
    }

    /// Watches a descriptor until it is found ready once; then it is not reported again before it is armed or modified anew.
    ///
    /// It does not matter whether the descriptor is watched already. One that was reported is asleep and costs nothing, so it need not be removed before it is closed.
    /// `known` says that the descriptor probably was watched before; that saves a system call if it is true, and costs one if it is not.
    ///
    /// # Errors
    ///
    /// What the system has to say about the number.
    pub fn arm(&self, fd: RawFd, interest: Interest, known: bool) -> io::Result<()> {
        self.poller.arm(fd, interest, known)
    }

    /// Stops watching a descriptor.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not watched, or what else the system has to say about the number. A descriptor that was closed first gives such an error, and is no longer watched all the same.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.poller.remove(fd)
    }

    /// Waits until a descriptor is ready, a [`Wakeup`] is used or the timeout is over. `None` waits for ever.
    ///
    /// `out` then holds the descriptors that are ready; it is empty after a wakeup or a timeout.
    /// A wait never ends before its timeout without one of the other reasons.
    /// Ready descriptors that do not fit into the buffer are reported by the next wait, for which it has grown.
    ///
    /// # Errors
    ///
    /// `Interrupted` if a signal handler ran, with `out` empty: the caller looks at its signals and waits again for what is left.
    /// This is so on Linux. Elsewhere the wait goes on, and signals reach a waiting loop through a descriptor or a wakeup.
    pub fn wait(&self, out: &mut Readiness, timeout: Option<Duration>) -> io::Result<()> {
        match self.poller.wait(&mut out.events, timeout) {
            Ok(woken) => {
                if woken {
                    // The back end has taken the notification already; the flag comes down after it.
                    self.wakeup.lower();
                }
                Ok(())
            }
            Err(error) => {
                out.events.clear();
                Err(error)
            }
        }
    }

    /// A handle with which any thread ends the current or the next wait.
    #[must_use]
    pub fn wakeup(&self) -> Wakeup {
        self.wakeup.clone()
    }

    /// Whether this process is a forked child of the one that made the reactor.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.creator != std::process::id()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

/// A buffer for what a wait found, to be used again for the next.
///
/// An error or a hang-up counts as ready in both directions, whatever the descriptor is watched for, because whoever reads or writes next has to be told.
/// A loop runs those of its callbacks that it has.
pub struct Readiness {
    events: sys::Events,
}

impl Readiness {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            events: sys::Events::new(),
        }
    }

    /// The descriptors that the last wait found ready, each once.
    pub fn iter(&self) -> impl Iterator<Item = (RawFd, Interest)> {
        self.events.iter()
    }

    /// Whether the last wait found no descriptor ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
