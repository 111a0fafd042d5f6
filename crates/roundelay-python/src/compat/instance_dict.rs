//! The instance dict and weak references of native futures, which they inherit from the base: fields of
//! the base object up to 3.12, managed by the interpreter in front of the object from 3.13 on.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

#[cfg(Py_3_13)]
unsafe extern "C" {
    fn PyObject_VisitManagedDict(
        object: *mut ffi::PyObject,
        visit: ffi::visitproc,
        arg: *mut c_void,
    ) -> c_int;
    fn PyObject_ClearManagedDict(object: *mut ffi::PyObject);
}

/// Visits the dict.
///
/// # Safety
/// Called from `tp_traverse` of a native future.
pub unsafe fn traverse(
    object: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    #[cfg(Py_3_13)]
    // SAFETY: by the caller's contract; the types have a managed dict.
    unsafe {
        PyObject_VisitManagedDict(object, visit, arg)
    }
    #[cfg(not(Py_3_13))]
    // SAFETY: by the caller's contract; `dict_slot` points into the object.
    unsafe {
        let dict = *dict_slot(object);
        if dict.is_null() { 0 } else { visit(dict, arg) }
    }
}

/// Drops the dict.
///
/// # Safety
/// `object` is a native future, being cleared or destroyed.
pub unsafe fn clear(object: *mut ffi::PyObject) {
    #[cfg(Py_3_13)]
    // SAFETY: by the caller's contract; the types have a managed dict.
    unsafe {
        PyObject_ClearManagedDict(object);
    }
    #[cfg(not(Py_3_13))]
    // SAFETY: by the caller's contract; the slot is emptied before the dict is dropped.
    unsafe {
        let dict = std::mem::replace(&mut *dict_slot(object), std::ptr::null_mut());
        ffi::Py_XDECREF(dict);
    }
}

/// Where the base object keeps its dict.
#[cfg(not(Py_3_13))]
unsafe fn dict_slot(object: *mut ffi::PyObject) -> *mut *mut ffi::PyObject {
    // SAFETY: the base classes of 3.11 and 3.12 have a positive offset, which our types inherit.
    unsafe {
        let base = crate::imports::imports()
            .task_class
            .as_ptr()
            .cast::<ffi::PyTypeObject>();
        let future = crate::imports::imports()
            .future_class
            .as_ptr()
            .cast::<ffi::PyTypeObject>();
        debug_assert_eq!((*base).tp_dictoffset, (*future).tp_dictoffset);
        object.cast::<u8>().offset((*base).tp_dictoffset).cast()
    }
}

/// Tells weak references that the object is gone.
///
/// # Safety
/// Called from `tp_dealloc` of a native future.
pub unsafe fn clear_weakrefs(object: *mut ffi::PyObject) {
    // SAFETY: by the caller's contract; the types support weak references, whose list is at an offset of
    // the type (negative where the interpreter manages it).
    unsafe {
        let offset = (*ffi::Py_TYPE(object)).tp_weaklistoffset;
        let list = object
            .cast::<u8>()
            .offset(offset)
            .cast::<*mut ffi::PyObject>();
        if offset == 0 || !(*list).is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
    }
}
