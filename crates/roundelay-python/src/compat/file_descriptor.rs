//! The descriptor of a Python file object; see [`super::descriptor_word`].
//!
//! Files without a buffer, such as `subprocess.Popen` makes for its pipes, are of a C class of which the word is
//! known. Others are asked for the number.

use std::os::fd::RawFd;

use pyo3::ffi;

use crate::imports::imports;
use crate::native::{Raised, Ref, Result, items, take_raised};

use super::descriptor_word::DescriptorWord;
pub use super::descriptor_word::fileno;
use super::socket_descriptor;

/// Where an `io.FileIO` has it.
static WORD: DescriptorWord = DescriptorWord::new();

/// Finds the word.
pub fn probe() -> Result<()> {
    if let Err(Raised) = search() {
        // No descriptors left: `fileno()` will be called.
        drop(take_raised());
    }
    Ok(())
}

fn search() -> Result<()> {
    let numbers = imports().os_pipe.call([])?;
    let mode = crate::native::string("rb")?;
    let mut files = Vec::new();
    for number in items(&numbers) {
        // Both ends may be opened for reading: nothing is read.
        files.push(imports().file_class.call([&number, &mode])?);
    }
    match <[Ref; 2]>::try_from(files) {
        Ok(pair) => WORD.search(&pair),
        Err(_) => Ok(()),
    }
}

/// The descriptor that the file has now; -1 once it is closed.
#[inline]
pub fn descriptor(file: &Ref) -> Result<RawFd> {
    if file.is_exact(imports().file_class.as_ptr().cast())
        && let Some(fd) = WORD.of(file)
    {
        return Ok(fd);
    }
    if socket_descriptor::is_socket(file) {
        return socket_descriptor::descriptor(file);
    }
    fileno(file).or_else(|raised| {
        // SAFETY: static exception classes; an exception is set.
        let is_closed = unsafe {
            ffi::PyErr_ExceptionMatches(ffi::PyExc_ValueError) != 0
                || ffi::PyErr_ExceptionMatches(ffi::PyExc_OSError) != 0
        };
        if !is_closed {
            return Err(raised);
        }
        drop(take_raised());
        Ok(-1)
    })
}
