//! What depends on a CPython version or on a private layout. Each thing is probed when the module is
//! imported, and each has a fallback through documented calls.

pub mod awaitable;
pub mod awaited_by;
pub mod behaviour;
pub mod bound_method;
pub mod builtin_method;
pub mod completion_behaviour;
pub mod context;
pub mod current;
pub mod deque_length;
mod descriptor_word;
#[cfg(not(Py_3_14))]
mod dict_entry;
pub mod file_descriptor;
pub mod frame;
pub mod gc_list;
pub mod group_behaviour;
pub mod instance_dict;
pub mod kept_stop;
pub mod layout;
pub mod openssl;
pub mod own_attributes;
pub mod registry;
pub mod server_behaviour;
pub mod socket_descriptor;
mod source;
pub mod stop_iteration;
pub mod thread_state;
pub mod tls_behaviour;
pub mod transport_behaviour;
pub mod unchanged;

pub use awaitable::awaitable_iterator;

use pyo3::ffi;

use crate::native::Ref;

/// `PyObject_GetOptionalAttr`: 1 and a new reference, 0 and null, or -1 with an exception.
///
/// # Safety
/// Both objects are live, `found` is writable.
#[cfg(Py_3_13)]
pub unsafe fn get_optional_attr(
    object: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    found: &mut *mut ffi::PyObject,
) -> std::ffi::c_int {
    // SAFETY: by the caller's contract.
    unsafe { ffi::PyObject_GetOptionalAttr(object, name, found) }
}

/// `PyObject_GetOptionalAttr`: 1 and a new reference, 0 and null, or -1 with an exception.
///
/// # Safety
/// Both objects are live, `found` is writable.
#[cfg(not(Py_3_13))]
pub unsafe fn get_optional_attr(
    object: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    found: &mut *mut ffi::PyObject,
) -> std::ffi::c_int {
    unsafe extern "C" {
        fn _PyObject_LookupAttr(
            object: *mut ffi::PyObject,
            name: *mut ffi::PyObject,
            found: *mut *mut ffi::PyObject,
        ) -> std::ffi::c_int;
    }
    // SAFETY: by the caller's contract; the name under which 3.11 and 3.12 export the same function.
    unsafe { _PyObject_LookupAttr(object, name, found) }
}

/// Takes the current exception, normalised and with its traceback attached.
#[cfg(Py_3_12)]
pub fn take_raised() -> Option<Ref> {
    // SAFETY: callers are attached; the result is a new reference or null.
    unsafe {
        let exception = ffi::PyErr_GetRaisedException();
        (!exception.is_null()).then(|| Ref::owned(exception))
    }
}

/// Takes the current exception, normalised and with its traceback attached.
#[cfg(not(Py_3_12))]
pub fn take_raised() -> Option<Ref> {
    use std::ptr::null_mut;
    let (mut class, mut value, mut traceback) = (null_mut(), null_mut(), null_mut());
    // SAFETY: callers are attached; the three values are owned or null.
    unsafe {
        ffi::PyErr_Fetch(&mut class, &mut value, &mut traceback);
        if class.is_null() {
            return None;
        }
        ffi::PyErr_NormalizeException(&mut class, &mut value, &mut traceback);
        if !traceback.is_null() {
            ffi::PyException_SetTraceback(value, traceback);
            ffi::Py_DECREF(traceback);
        }
        ffi::Py_DECREF(class);
        Some(Ref::owned(value))
    }
}

/// Makes `exception` the current one.
#[cfg(Py_3_12)]
pub fn set_raised(exception: Ref) {
    // SAFETY: steals the reference to a live exception.
    unsafe { ffi::PyErr_SetRaisedException(exception.into_ptr()) }
}

/// Makes `exception` the current one.
#[cfg(not(Py_3_12))]
pub fn set_raised(exception: Ref) {
    // SAFETY: steals references to a live exception, its type and its traceback.
    unsafe {
        let class = exception.type_ptr().cast();
        ffi::Py_INCREF(class);
        let traceback = ffi::PyException_GetTraceback(exception.as_ptr());
        ffi::PyErr_Restore(class, exception.into_ptr(), traceback);
    }
}

/// Whether the interpreter is shutting down.
///
/// # Safety
/// Callers are attached.
pub unsafe fn is_finalizing() -> bool {
    #[cfg(Py_3_13)]
    // SAFETY: takes no arguments.
    unsafe {
        ffi::Py_IsFinalizing() != 0
    }
    #[cfg(not(Py_3_13))]
    // SAFETY: takes no arguments; the name under which 3.11 and 3.12 export it.
    unsafe {
        unsafe extern "C" {
            fn _Py_IsFinalizing() -> std::ffi::c_int;
        }
        _Py_IsFinalizing() != 0
    }
}

unsafe extern "C" {
    /// Raises `StopIteration(value)`, wrapping tuples and exceptions as a generator does.
    /// (Private, exported by every supported version; what generators themselves call.)
    pub fn _PyGen_SetStopIterationValue(value: *mut ffi::PyObject) -> std::ffi::c_int;

    /// A bound method. (Public; not among PyO3's bindings.)
    pub fn PyMethod_New(
        function: *mut ffi::PyObject,
        instance: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;

    /// Gives a `bytes` that nobody else refers to another size; null and an exception if there is no memory for
    /// it. (Public; not among PyO3's bindings.)
    pub fn _PyBytes_Resize(
        bytes: *mut *mut ffi::PyObject,
        size: ffi::Py_ssize_t,
    ) -> std::ffi::c_int;
}
