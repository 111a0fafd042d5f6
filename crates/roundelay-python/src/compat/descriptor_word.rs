//! The descriptor of a Python object that owns one.
//!
//! A socket or a file says -1 once it is closed or detached, so it is asked before each system call and the
//! number is never kept. The word in which an object of a C class has it is found by behaviour when the module
//! is imported; where it is not found, and for objects of every other class, `fileno()` is called.

use std::ffi::c_int;
use std::os::fd::RawFd;

use pyo3::ffi;

use crate::imports::names;
use crate::native::{Raised, Ref, Result, raised};
use crate::statics::GilCell;

/// Where the objects of one class have their descriptor; zero if that was not found.
pub struct DescriptorWord(GilCell<usize>);

impl DescriptorWord {
    /// Not found yet.
    pub const fn new() -> Self {
        Self(GilCell::new(0))
    }

    /// Looks for the word in two objects of the class, which are closed: it has the descriptor's number in
    /// both, and then -1.
    pub fn search(&self, pair: &[Ref; 2]) -> Result<()> {
        let numbers = (fileno(&pair[0])?, fileno(&pair[1])?);
        // SAFETY: a class is a type object.
        let size = unsafe { (*pair[0].type_ptr()).tp_basicsize } as usize;
        let mut candidates: Vec<usize> = (size_of::<ffi::PyObject>()..size)
            .step_by(size_of::<c_int>())
            .filter(|at| read(&pair[0], *at) == numbers.0 && read(&pair[1], *at) == numbers.1)
            .collect();
        for object in pair {
            object.call_method(&names().close, [])?;
            candidates.retain(|at| read(object, *at) == -1);
        }
        if let [at] = candidates[..] {
            self.0.set(at);
        }
        Ok(())
    }

    /// What an object of exactly this class has there now, if the word was found.
    #[inline]
    pub fn of(&self, object: &Ref) -> Option<RawFd> {
        match self.0.get() {
            0 => None,
            at => Some(read(object, at)),
        }
    }
}

fn read(object: &Ref, at: usize) -> c_int {
    // SAFETY: `at` lies inside the object, which is aligned for every word.
    unsafe { object.as_ptr().cast::<u8>().add(at).cast::<c_int>().read() }
}

/// `object.fileno()`
#[cold]
pub fn fileno(object: &Ref) -> Result<RawFd> {
    let number = object.call_method(&names().fileno, [])?;
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
