//! Readiness through the `polling` crate: kqueue on macOS and the BSDs, poll elsewhere.
//!
//! An interrupted wait is resumed by `polling` and not reported, so a loop that wants its signals at once registers a descriptor for them.

#![cfg_attr(any(target_os = "linux", target_os = "android"), allow(dead_code))]

use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use polling::PollMode;
use rustix::io::Errno;

use crate::reactor::Interest;

pub(crate) struct Poller {
    shared: Arc<Shared>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            poller: Some(polling::Poller::new()?),
            creator: std::process::id(),
        });
        Ok(Self { shared })
    }

    pub(crate) fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        let fd = check(fd)?;
        // SAFETY: a registration must not outlive its file. The number goes to the kernel alone, which forgets a file when it is closed; `polling` keeps the number in a set and dereferences nothing.
        unsafe {
            self.shared
                .poller()
                .add_with_mode(fd, event(fd, interest), PollMode::Level)
        }
    }

    pub(crate) fn modify(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        let fd = check(fd)?;
        self.shared
            .poller()
            .modify_with_mode(borrow(fd), event(fd, interest), PollMode::Level)
    }

    pub(crate) fn arm(&self, fd: RawFd, interest: Interest, known: bool) -> io::Result<()> {
        let fd = check(fd)?;
        let poller = self.shared.poller();
        let (event, once) = (event(fd, interest), PollMode::Oneshot);
        // SAFETY: as for `add`.
        let add = || unsafe { poller.add_with_mode(fd, event, once) };
        let modify = || poller.modify_with_mode(borrow(fd), event, once);
        // The number may stand for another file than when it was last watched, or for the same.
        match known {
            true => match modify() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => add(),
                done => done,
            },
            false => match add() {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => modify(),
                done => done,
            },
        }
    }

    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.shared.poller().delete(borrow(check(fd)?))
    }

    pub(crate) fn bell(&self) -> Bell {
        Bell {
            shared: Arc::clone(&self.shared),
        }
    }

    pub(crate) fn wait(&self, out: &mut Events, timeout: Option<Duration>) -> io::Result<bool> {
        out.clear();
        self.shared.poller().wait(&mut out.list, timeout)?;
        // `polling` hides its notification, so every wait may have been woken.
        Ok(true)
    }
}

struct Shared {
    /// `None` only while being dropped.
    poller: Option<polling::Poller>,
    /// The process that made the poller.
    creator: u32,
}

impl Shared {
    fn poller(&self) -> &polling::Poller {
        self.poller.as_ref().expect("present until dropped")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Dropping a poller unregisters its own descriptors. Where the kernel shares the poller between a parent and a forked child, as epoll does, that would deafen the parent; so a child keeps the descriptors until it ends.
        if self.creator != std::process::id() {
            mem::forget(self.poller.take());
        }
    }
}

fn event(fd: RawFd, interest: Interest) -> polling::Event {
    polling::Event::new(fd as usize, interest.readable, interest.writable)
}

fn check(fd: RawFd) -> io::Result<RawFd> {
    if fd < 0 {
        return Err(Errno::BADF.into());
    }
    Ok(fd)
}

/// Lends a descriptor, already checked, to one system call.
fn borrow<'call>(fd: RawFd) -> BorrowedFd<'call> {
    // SAFETY: the number is not -1, and the kernel answers EBADF for one that names no open file.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

#[derive(Clone)]
pub(crate) struct Bell {
    shared: Arc<Shared>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        // A poller that cannot be notified is out of descriptors or memory; the waker's thread is not the one to tell.
        let _ = self.shared.poller().notify();
    }
}

pub(crate) struct Events {
    list: polling::Events,
}

impl Events {
    pub(crate) fn new() -> Self {
        let capacity = NonZeroUsize::new(256).expect("not zero");
        Self {
            list: polling::Events::with_capacity(capacity),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RawFd, Interest)> {
        self.list.iter().map(|event| {
            let interest = Interest {
                readable: event.readable,
                writable: event.writable,
            };
            (event.key as RawFd, interest)
        })
    }
}
