//! What a caller may give for a descriptor.

use std::os::fd::RawFd;

use pyo3::ffi;

use crate::native::{Raised, Ref, Result, raise_text};

use super::transport_table;

/// A descriptor given as a number or as an object with `fileno()`, as `selectors` takes it.
pub fn descriptor(object: &Ref) -> Result<RawFd> {
    let number = transport_table::number_of(object)?;
    let mut overflow = 0;
    // SAFETY: a live int.
    let fd = unsafe { ffi::PyLong_AsLongLongAndOverflow(number.as_ptr(), &mut overflow) };
    if overflow < 0 || (fd < 0 && overflow == 0) {
        return invalid(format!(
            "Invalid file descriptor: {}",
            crate::native::repr(&number)?
        ));
    }
    match RawFd::try_from(fd) {
        Ok(fd) if overflow == 0 => Ok(fd),
        _ => {
            // SAFETY: a live int; raises that it is too large, as for every descriptor.
            unsafe { ffi::PyObject_AsFileDescriptor(number.as_ptr()) };
            Err(Raised)
        }
    }
}

/// Refuses what a closed socket says of its descriptor.
pub fn check_number(fd: RawFd) -> Result<()> {
    if fd < 0 {
        return invalid(format!("Invalid file descriptor: {fd}"));
    }
    Ok(())
}

fn invalid<T>(text: String) -> Result<T> {
    // SAFETY: a static exception class.
    raise_text(unsafe { ffi::PyExc_ValueError }, &text)
}
