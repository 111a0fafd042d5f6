//! What a caller may give for a descriptor.

use std::os::fd::RawFd;

use pyo3::ffi;

use crate::imports::names;
use crate::native::{Raised, Ref, Result, raise_text};

/// A descriptor given as a number or as an object with `fileno()`, as `selectors` takes it.
pub fn descriptor(object: &Ref) -> Result<RawFd> {
    // SAFETY: live.
    let is_int = |object: &Ref| unsafe { ffi::PyLong_Check(object.as_ptr()) != 0 };
    let number = if is_int(object) {
        object.clone()
    } else {
        let number = object
            .getattr(&names().fileno)
            .and_then(|fileno| fileno.call([]));
        match number {
            Ok(number) if is_int(&number) => number,
            _ => {
                drop(crate::native::take_raised());
                return invalid(format!(
                    "Invalid file object: {}",
                    crate::native::repr(object)?
                ));
            }
        }
    };
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

/// Raises `ValueError`.
pub fn invalid<T>(text: String) -> Result<T> {
    // SAFETY: a static exception class.
    raise_text(unsafe { ffi::PyExc_ValueError }, &text)
}
