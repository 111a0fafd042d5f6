//! What a task is called: its name, or the number that a name is made from when somebody asks.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::native::Ref;

/// One word: an odd number is twice the task's number and one, anything else a pointer to an object that it
/// owns. All zero bytes are a task that was given neither.
///
/// The object is a `str`; from 3.14 on also the `int` that external readers want to see as long as there is no
/// name (see `compat::registry`).
#[repr(transparent)]
pub struct Label(Cell<usize>);

impl Label {
    /// The name, if there is one already.
    pub fn name(&self) -> Option<Ref> {
        self.object().filter(is_text)
    }

    /// The number, if there is no name.
    pub fn number(&self) -> Option<u64> {
        if self.0.get() & 1 == 1 {
            return Some((self.0.get() >> 1) as u64);
        }
        let number = self.object().filter(|object| !is_text(object))?;
        // SAFETY: an `int` that `set_object` was given, made from a number of 64 bits.
        Some(unsafe { ffi::PyLong_AsUnsignedLongLong(number.as_ptr()) })
    }

    /// Gives a number; that of a task which has a name is forgotten.
    #[inline]
    pub fn set_number(&self, number: u64) {
        self.replace((number as usize) << 1 | 1);
    }

    /// Gives a name.
    pub fn set_name(&self, name: Ref) {
        self.set_object(name);
    }

    /// Gives a name, or a number as an object.
    pub fn set_object(&self, object: Ref) {
        self.replace(object.into_ptr() as usize);
    }

    /// Forgets both.
    pub fn clear(&self) {
        self.replace(0);
    }

    #[inline]
    fn replace(&self, word: usize) {
        let old = self.0.replace(word);
        if old & 1 == 0 && old != 0 {
            // SAFETY: the word owned the object and no longer does.
            drop(unsafe { Ref::owned(old as *mut ffi::PyObject) });
        }
    }

    fn pointer(&self) -> Option<*mut ffi::PyObject> {
        let word = self.0.get();
        (word & 1 == 0 && word != 0).then_some(word as *mut ffi::PyObject)
    }

    fn object(&self) -> Option<Ref> {
        // SAFETY: the word owns the object it points to.
        self.pointer()
            .map(|object| unsafe { Ref::borrowed(object) })
    }

    /// Visits the object.
    ///
    /// # Safety
    /// Called from `tp_traverse` with the collector's arguments.
    pub unsafe fn traverse(&self, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
        match self.pointer() {
            // SAFETY: by the caller's contract.
            Some(object) => unsafe { visit(object, arg) },
            None => 0,
        }
    }
}

fn is_text(object: &Ref) -> bool {
    // SAFETY: live.
    unsafe { ffi::PyUnicode_Check(object.as_ptr()) != 0 }
}
