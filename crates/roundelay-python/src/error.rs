//! The one door from a Rust error to a Python exception.

use std::io;

use pyo3::ffi;

use crate::native::{Raised, Ref, Result, integer, raise_object, string};

/// Raises the `OSError` of an I/O error, with its number, so that Python picks the subclass.
pub fn raise_io<T>(error: io::Error) -> Result<T> {
    let text = string(&plain_text(&error))?;
    // SAFETY: a static exception class.
    let class = unsafe { Ref::borrowed(ffi::PyExc_OSError) };
    let exception = match error.raw_os_error() {
        Some(number) => class.call([&integer(number.unsigned_abs().into())?, &text])?,
        None => class.call([&text])?,
    };
    let _: Result<T> = raise_object(exception);
    Err(Raised)
}

/// The system's own words, without the number that Rust adds.
fn plain_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
