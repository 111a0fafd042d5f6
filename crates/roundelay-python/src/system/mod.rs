//! System calls. None of them blocks, so none lets go of the GIL.
//!
//! They are made for a `socket.socket`, whose methods are known. What somebody else puts in its place has its
//! methods called.
//!
//! A descriptor has one owner: the Python socket. Each call asks it for the number and uses it at once, so a
//! socket that was closed or detached meanwhile gives "Bad file descriptor", never somebody else's file.
//!
//! [`stream`] reads and writes connections, [`landing`] is where they read to; [`datagram`] has datagrams, [`pipe`]
//! pipes and what else a file object may stand for; [`process`] has descriptors of child processes,
//! [`address`] is how Python shows an address, and [`known_addresses`] remembers that.

pub mod address;
pub mod connection;
pub mod datagram;
pub mod known_addresses;
pub mod landing;
pub mod pipe;
pub mod process;
pub mod stream;

use std::os::fd::{BorrowedFd, RawFd};

use pyo3::ffi;
use rustix::io::Errno;

use crate::compat::set_raised;
use crate::compat::socket_descriptor::descriptor;
use crate::error::raise_io;
use crate::native::{Raised, Ref, Result, is_os_error, string, take_raised};

/// What a call that does not wait comes back with: a result, or nothing because it would have to wait.
pub type Now<T> = Option<T>;

/// Makes one call on the socket's descriptor. One that a signal interrupts counts as one that would have to
/// wait: the loop comes back to it, and the interpreter runs the signal's handlers before.
fn call<T>(
    socket: &Ref,
    operation: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> Result<Now<T>> {
    match lend(descriptor(socket)?, operation)? {
        Ok(value) => Ok(Some(value)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => raise_io(error.into()),
    }
}

/// Makes one call that never waits, whatever the descriptor is: each of its errors is one.
fn call_at_once<T>(
    socket: &Ref,
    operation: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> Result<T> {
    lend(descriptor(socket)?, operation)?.or_else(|error| raise_io(error.into()))
}

/// Lends the descriptor that an object has said is its own just now. A negative one is that of an object that is
/// closed.
fn lend<T>(
    fd: RawFd,
    operation: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> Result<rustix::io::Result<T>> {
    if fd < 0 {
        return raise_io(Errno::BADF.into());
    }
    // SAFETY: the object owns the descriptor and has it open now; no Python code runs during the call that
    // could close it.
    Ok(operation(unsafe { BorrowedFd::borrow_raw(fd) }))
}

/// Whether this is the number of an error that goes away when descriptors or memory are given back, or when
/// fewer descriptors are watched (`ENOSPC`).
pub fn is_lack_of_resources(number: i32) -> bool {
    [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::NOSPC,
    ]
    .iter()
    .any(|known| known.raw_os_error() == number)
}

/// Whether what was raised is such an error. It stays raised.
pub fn lacks_resources() -> Result<bool> {
    if !is_os_error() {
        return Ok(false);
    }
    let Some(exception) = take_raised() else {
        return Ok(false);
    };
    let number = exception.getattr(&string("errno")?)?;
    let number = address::integer_of(&number).and_then(|number| i32::try_from(number).ok());
    set_raised(exception);
    Ok(number.is_some_and(is_lack_of_resources))
}

/// What a method of somebody else's socket came back with.
#[cold]
pub fn unless_it_waits(outcome: Result<Ref>) -> Result<Now<Ref>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Raised) => {
            // SAFETY: static exception classes; an exception is set.
            let would_wait = unsafe {
                ffi::PyErr_ExceptionMatches(ffi::PyExc_BlockingIOError) != 0
                    || ffi::PyErr_ExceptionMatches(ffi::PyExc_InterruptedError) != 0
            };
            if !would_wait {
                return Err(Raised);
            }
            drop(take_raised());
            Ok(None)
        }
    }
}
