//! Python source that a probe runs.

use std::ffi::CStr;

use pyo3::ffi;

use crate::native::{Ref, Result, check};

/// Runs `source` in a namespace of its own, and gives that. `name` stands where a file's name would.
pub fn run(source: &CStr, name: &CStr) -> Result<Ref> {
    // SAFETY: a fresh namespace, texts that end with a null byte; new references, or null.
    unsafe {
        let globals = Ref::owned_or_raised(ffi::PyDict_New())?;
        let builtins = Ref::borrowed(ffi::PyEval_GetBuiltins());
        check(ffi::PyDict_SetItemString(
            globals.as_ptr(),
            c"__builtins__".as_ptr(),
            builtins.as_ptr(),
        ))?;
        let code = Ref::owned_or_raised(ffi::Py_CompileString(
            source.as_ptr(),
            name.as_ptr(),
            ffi::Py_file_input,
        ))?;
        drop(Ref::owned_or_raised(ffi::PyEval_EvalCode(
            code.as_ptr(),
            globals.as_ptr(),
            globals.as_ptr(),
        ))?);
        Ok(globals)
    }
}

/// What a namespace has under this name.
pub fn item(globals: &Ref, name: &CStr) -> Ref {
    // SAFETY: a live dict that has the name, for the source that was run defines it.
    unsafe { Ref::borrowed(ffi::PyDict_GetItemString(globals.as_ptr(), name.as_ptr())) }
}
