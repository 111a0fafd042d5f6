//! The descriptor of a Python socket.
//!
//! The socket object owns its descriptor and says -1 once it is closed or detached, so it is asked before each
//! system call and the number is never kept. The word in which a `socket.socket` has it is found by behaviour
//! when the module is imported; where it is not found, and for every other kind of socket, `fileno()` is
//! called.

use std::ffi::c_int;
use std::os::fd::RawFd;

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, items, raised, string, take_raised};
use crate::statics::GilCell;

/// Offset of the descriptor in a `socket.socket`, zero if it was not found.
static OFFSET: GilCell<usize> = GilCell::new(0);

/// Finds the word: it has the descriptor's number in two sockets, and -1 in one that is closed.
pub fn probe() -> Result<()> {
    if let Err(Raised) = search() {
        // No descriptors left, or a sandbox without sockets: `fileno()` will be called.
        drop(take_raised());
    }
    Ok(())
}

fn search() -> Result<()> {
    let pair = imports().socketpair.call([])?;
    let pair = items(&pair);
    let numbers = (fileno(&pair[0])?, fileno(&pair[1])?);
    // SAFETY: a class is a type object.
    let size = unsafe { (*pair[0].type_ptr()).tp_basicsize } as usize;
    let mut candidates: Vec<usize> = (size_of::<ffi::PyObject>()..size)
        .step_by(size_of::<c_int>())
        .filter(|at| read(&pair[0], *at) == numbers.0 && read(&pair[1], *at) == numbers.1)
        .collect();
    for socket in &pair {
        socket.call_method(&names().close, [])?;
        candidates.retain(|at| read(socket, *at) == -1);
    }
    if let ([at], true) = (&candidates[..], is_socket(&pair[0])) {
        OFFSET.set(*at);
    }
    Ok(())
}

fn read(socket: &Ref, at: usize) -> c_int {
    // SAFETY: `at` lies inside the object, which is aligned for every word.
    unsafe { socket.as_ptr().cast::<u8>().add(at).cast::<c_int>().read() }
}

/// Whether this is exactly a `socket.socket`, whose methods are known.
#[inline]
pub fn is_socket(object: &Ref) -> bool {
    object.is_exact(imports().socket_class.as_ptr().cast())
}

/// The descriptor that the socket has now; -1 once it is closed.
#[inline]
pub fn descriptor(socket: &Ref) -> Result<RawFd> {
    if OFFSET.get() != 0 && is_socket(socket) {
        return Ok(read(socket, OFFSET.get()));
    }
    fileno(socket)
}

#[cold]
fn fileno(socket: &Ref) -> Result<RawFd> {
    let number = socket.call_method(&names().fileno, [])?;
    // SAFETY: live.
    let number = unsafe { ffi::PyLong_AsLong(number.as_ptr()) };
    if number == -1 && raised() {
        return Err(Raised);
    }
    match RawFd::try_from(number) {
        Ok(number) => Ok(number),
        // SAFETY: a static exception class.
        Err(_) => crate::native::raise_text(
            unsafe { ffi::PyExc_OverflowError },
            &format!("{number} is no descriptor"),
        ),
    }
}

/// `socket.shutdown(SHUT_WR)`
pub fn shut_writing(socket: &Ref) -> Result<()> {
    let how = crate::native::integer(SHUT_WR)?;
    socket.call_method(&string("shutdown")?, [&how]).map(drop)
}

/// `socket.SHUT_WR`, the same everywhere.
const SHUT_WR: u64 = 1;
