//! Readiness on Linux: epoll, asked directly.
//!
//! A wait is one system call, or two or three when it sleeps until a deadline and nothing happens.
//! An interrupted wait is reported, so that a loop can look at its signals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, retry_on_intr};

use crate::reactor::Interest;

/// The key of the bell. Descriptors are not negative, so none has it.
const BELL: u64 = u64::MAX;

/// The buffer for events starts with this many places and doubles whenever a wait has filled it.
const FIRST_EVENTS: usize = 64;
const MOST_EVENTS: usize = 4096;

pub(crate) struct Poller {
    /// Closing it is all that dropping does, so a forked child takes nothing from its parent.
    epoll: OwnedFd,
    bell: Bell,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = Bell::new()?;
        epoll::add(
            &epoll,
            &*bell.eventfd,
            EventData::new_u64(BELL),
            EventFlags::IN,
        )?;
        Ok(Self { epoll, bell })
    }

    pub(crate) fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        let (data, flags) = (EventData::new_u64(fd as u64), flags_for(interest));
        Ok(epoll::add(&self.epoll, borrow(fd)?, data, flags)?)
    }

    pub(crate) fn modify(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        let (data, flags) = (EventData::new_u64(fd as u64), flags_for(interest));
        Ok(epoll::modify(&self.epoll, borrow(fd)?, data, flags)?)
    }

    pub(crate) fn arm(&self, fd: RawFd, interest: Interest, known: bool) -> io::Result<()> {
        let data = EventData::new_u64(fd as u64);
        let flags = flags_for(interest) | EventFlags::ONESHOT;
        let add = || epoll::add(&self.epoll, borrow(fd)?, data, flags);
        let modify = || epoll::modify(&self.epoll, borrow(fd)?, data, flags);
        // The number may stand for another file than when it was last watched, or for the same.
        let done = match known {
            true => match modify() {
                Err(Errno::NOENT) => add(),
                done => done,
            },
            false => match add() {
                Err(Errno::EXIST) => modify(),
                done => done,
            },
        };
        Ok(done?)
    }

    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, borrow(fd)?)?)
    }

    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    pub(crate) fn wait(&self, out: &mut Events, timeout: Option<Duration>) -> io::Result<bool> {
        out.make_room();
        match timeout {
            None => self.collect(out, None)?,
            Some(timeout) => self.collect_until(out, timeout)?,
        }
        let rang = out.list.iter().any(|event| event.data.u64() == BELL);
        if rang {
            self.bell.silence();
        }
        Ok(rang)
    }

    /// Sleeps through whole milliseconds in epoll_wait(2), which counts in them, and through the rest in ppoll(2).
    ///
    /// So a wait that finds something costs one system call, a timeout keeps the precision of the clock, and epoll_pwait2(2), which not every kernel and sandbox has, is not needed.
    fn collect_until(&self, out: &mut Events, timeout: Duration) -> io::Result<()> {
        let whole = Duration::from_millis(timeout.as_millis().min(MOST_MILLIS) as u64);
        self.collect(out, Some(&timespec(whole)))?;
        let rest = timeout - whole;
        if out.list.is_empty() && !rest.is_zero() {
            let mut sleeper = [PollFd::new(&self.epoll, PollFlags::IN)];
            if poll(&mut sleeper, Some(&timespec(rest)))? > 0 {
                self.collect(out, Some(&timespec(Duration::ZERO)))?;
            }
        }
        Ok(())
    }

    fn collect(&self, out: &mut Events, timeout: Option<&Timespec>) -> io::Result<()> {
        epoll::wait(&self.epoll, spare_capacity(&mut out.list), timeout)?;
        Ok(())
    }
}

/// The longest timeout of epoll_wait(2). What lies beyond these 24 days is left to ppoll(2).
const MOST_MILLIS: u128 = i32::MAX as u128;

fn timespec(timeout: Duration) -> Timespec {
    // What no `timespec` can hold lasts longer than any machine; no loop asks for more than a day.
    Timespec::try_from(timeout).unwrap_or(Timespec {
        tv_sec: i32::MAX as _,
        tv_nsec: 0,
    })
}

fn flags_for(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, interest.readable);
    flags.set(EventFlags::OUT, interest.writable);
    flags
}

/// Lends a descriptor to one system call.
fn borrow<'call>(fd: RawFd) -> Result<BorrowedFd<'call>, Errno> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, and it is handed to epoll_ctl(2) alone, which answers EBADF for a number that names no open file and touches no memory through it.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// An eventfd. Its count is what has been rung and not silenced.
#[derive(Clone)]
pub(crate) struct Bell {
    eventfd: Arc<OwnedFd>,
}

impl Bell {
    fn new() -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            eventfd: Arc::new(eventfd),
        })
    }

    pub(crate) fn ring(&self) {
        // A ring that got lost would be a poller that sleeps on. The only failure is EAGAIN of a full counter, and a full counter wakes the poller as well as one; nothing here sleeps that a signal could interrupt, but asking again costs nothing.
        let _ = retry_on_intr(|| rustix::io::write(self.eventfd.as_fd(), &1_u64.to_ne_bytes()));
    }

    fn silence(&self) {
        // The only failure is EAGAIN of an empty counter, which is as silent as it can be.
        let _ = rustix::io::read(self.eventfd.as_fd(), &mut [0; 8]);
    }
}

pub(crate) struct Events {
    list: Vec<epoll::Event>,
}

// SAFETY: the data of an event is a union of a number and a pointer, which is why the compiler hesitates. Only `EventData::new_u64` makes data here, so it is a number, which any thread may have and read.
unsafe impl Send for Events {}
// SAFETY: as above.
unsafe impl Sync for Events {}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            list: Vec::with_capacity(FIRST_EVENTS),
        }
    }

    /// Empties the list, and doubles it if it was too short last time.
    fn make_room(&mut self) {
        let was_full = self.list.len() == self.list.capacity();
        self.list.clear();
        if was_full && self.list.capacity() < MOST_EVENTS {
            self.list.reserve_exact(self.list.capacity().max(1) * 2);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RawFd, Interest)> {
        // An error or a hang-up wakes both directions: it is neither IN nor OUT, and whoever reads or writes next is told.
        self.list
            .iter()
            .filter(|event| event.data.u64() != BELL)
            .map(|event| {
                let (key, flags) = (event.data.u64(), event.flags);
                let interest = Interest {
                    readable: flags.intersects(!EventFlags::OUT),
                    writable: flags.intersects(!EventFlags::IN),
                };
                (key as RawFd, interest)
            })
    }
}
