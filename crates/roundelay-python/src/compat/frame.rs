//! Frames for native code that stands where asyncio has a Python function.
//!
//! `Task.get_stack()`, call graphs and representations of tasks look at a coroutine's frame to say where it
//! is. A native coroutine has no line of its own to show. It shows where asyncio's function begins, by a
//! frame that was never run, such as Cython makes for tracebacks.

use pyo3::ffi;

use crate::native::{Ref, Result};

/// Where a Python function is written. (`install()` gives such functions other code later.)
#[derive(Clone)]
pub struct Origin {
    code: Ref,
    globals: Ref,
}

impl Origin {
    /// That of a Python function; nothing for any other object.
    pub fn of(function: &Ref) -> Option<Self> {
        // SAFETY: a live object. Code and globals of a Python function are borrowed, and counted at once.
        unsafe {
            (ffi::PyFunction_Check(function.as_ptr()) != 0).then(|| Self {
                code: Ref::borrowed(ffi::PyFunction_GetCode(function.as_ptr())),
                globals: Ref::borrowed(ffi::PyFunction_GetGlobals(function.as_ptr())),
            })
        }
    }

    /// The code object.
    pub fn code(&self) -> Ref {
        self.code.clone()
    }

    /// A frame in front of the first statement.
    pub fn frame(&self) -> Result<Ref> {
        // SAFETY: attached; code and globals of one function, both alive. A new reference or null.
        unsafe {
            Ref::owned_or_raised(
                ffi::PyFrame_New(
                    ffi::PyThreadState_Get(),
                    self.code.as_ptr().cast(),
                    self.globals.as_ptr(),
                    std::ptr::null_mut(),
                )
                .cast(),
            )
        }
    }
}
