//! Descriptors of child processes.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

#[cfg(target_os = "linux")]
use rustix::process::{self, Pid, PidfdFlags};

/// A descriptor that stands for a child process and is readable when that has ended. Closed when it is dropped.
pub struct ProcessFd(OwnedFd);

impl ProcessFd {
    /// The descriptor of a child; nothing if there is none to be had: the system has no such descriptors, or lets
    /// this program have none, or none any more.
    #[cfg(target_os = "linux")]
    pub fn open(pid: i32) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        process::pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    /// There is none to be had on this system.
    #[cfg(not(target_os = "linux"))]
    pub fn open(_pid: i32) -> Option<Self> {
        None
    }

    /// The number, for the loop's table.
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
