//! Bound methods, taken apart. These are public functions of CPython that the bindings do not have.

use pyo3::ffi;

use crate::native::Ref;

unsafe extern "C" {
    static mut PyMethod_Type: ffi::PyTypeObject;
    /// What a method calls: a borrowed reference.
    fn PyMethod_Function(method: *mut ffi::PyObject) -> *mut ffi::PyObject;
    /// What a method is bound to: a borrowed reference.
    fn PyMethod_Self(method: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// The function of a bound method and the object to which it is bound, both borrowed from it; nothing of any
/// other object.
#[inline]
pub fn parts(object: &Ref) -> Option<(*mut ffi::PyObject, *mut ffi::PyObject)> {
    if !object.is_exact(&raw mut PyMethod_Type) {
        return None;
    }
    // SAFETY: exactly a bound method, which has both as long as it lives.
    unsafe {
        Some((
            PyMethod_Function(object.as_ptr()),
            PyMethod_Self(object.as_ptr()),
        ))
    }
}
