//! Waiting for child processes.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::process::{self, Pid, WaitOptions, WaitStatus};

use crate::error::raise_io;
use crate::native::Result;

/// A descriptor that stands for a child process and is readable when that has ended. Closed when it is dropped.
pub struct ProcessFd {
    fd: OwnedFd,
    pid: Pid,
}

/// How a child process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It has not.
    NotYet,
    /// With this status, or by minus this signal, as Python has it.
    With(i32),
    /// Somebody else has waited for it, and knows.
    Unknown,
}

impl ProcessFd {
    /// The descriptor of a child; nothing if there is none to be had: the system has no such descriptors, or lets
    /// this program have none, or none any more.
    #[cfg(target_os = "linux")]
    pub fn open(pid: i32) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        let fd = process::pidfd_open(pid, process::PidfdFlags::empty()).ok()?;
        Some(Self { fd, pid })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn open(_pid: i32) -> Option<Self> {
        None
    }

    /// The number, for the loop's table.
    pub fn number(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Takes down how the child ended, if it has. The process is gone then.
    pub fn reap(&self) -> Result<Ended> {
        loop {
            return match process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
                Ok(None) => Ok(Ended::NotYet),
                Ok(Some((_, status))) => Ok(how(status)),
                Err(Errno::INTR) => continue,
                Err(Errno::CHILD) => Ok(Ended::Unknown),
                Err(error) => raise_io(error.into()),
            };
        }
    }
}

/// `os.waitstatus_to_exitcode()`
fn how(status: WaitStatus) -> Ended {
    if let Some(code) = status.exit_status() {
        Ended::With(code)
    } else if let Some(signal) = status.terminating_signal() {
        Ended::With(-signal)
    } else {
        // Stopped or continued, which nobody asked for.
        Ended::NotYet
    }
}
