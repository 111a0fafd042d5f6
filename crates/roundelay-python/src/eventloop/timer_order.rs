//! How timer handles hash and compare: by their time, as `asyncio.TimerHandle` does.

use std::ffi::c_int;

use pyo3::ffi;

use crate::imports::imports;
use crate::native::trampoline::{guard, guard_object};
use crate::native::{Ref, string};

use super::handle::when;

/// `hash(handle)`: that of its time.
pub unsafe extern "C" fn hash(slf: *mut ffi::PyObject) -> ffi::Py_hash_t {
    guard(-1, || {
        // SAFETY: the interpreter passes a live handle.
        let when = when(unsafe { Ref::view(&slf) })?;
        // SAFETY: live.
        Ok(unsafe { ffi::PyObject_Hash(when.as_ptr()) })
    })
}

/// Comparisons are those of `asyncio.TimerHandle`, which look at the attributes.
pub unsafe extern "C" fn compare_by_python(
    a: *mut ffi::PyObject,
    b: *mut ffi::PyObject,
    op: c_int,
) -> *mut ffi::PyObject {
    guard_object(|| {
        let name = match op {
            ffi::Py_LT => "__lt__",
            ffi::Py_LE => "__le__",
            ffi::Py_EQ => "__eq__",
            ffi::Py_NE => "__ne__",
            ffi::Py_GT => "__gt__",
            _ => "__ge__",
        };
        // SAFETY: the interpreter passes live objects.
        let (a, b) = unsafe { (Ref::view(&a), Ref::view(&b)) };
        imports()
            .timer_handle_class
            .getattr(&string(name)?)?
            .call([a, b])
    })
}
