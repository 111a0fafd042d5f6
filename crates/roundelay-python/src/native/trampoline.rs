//! The boundary between the interpreter and Rust: every function that CPython calls goes through one of
//! the macros here. No panic crosses it; a panic becomes a `SystemError` that says so.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::ffi;

use super::call::raise_text;
use super::refs::{Raised, Ref, Result};

/// Runs `body`; a panic becomes an exception and `failure`.
#[inline(always)]
pub fn guard<T>(failure: T, body: impl FnOnce() -> Result<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(Raised)) => failure,
        Err(panic) => {
            report(panic);
            failure
        }
    }
}

/// Runs `body` and gives its object to the interpreter, null meaning that an exception is set.
#[inline(always)]
pub fn guard_object(body: impl FnOnce() -> Result<Ref>) -> *mut ffi::PyObject {
    guard(std::ptr::null_mut(), || body().map(Ref::into_ptr))
}

#[cold]
fn report(panic: Box<dyn Any + Send>) {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown cause");
    // SAFETY: a static exception class.
    let _: Result<()> = raise_text(
        unsafe { ffi::PyExc_SystemError },
        &format!("internal error in roundelay, please report it: {text}"),
    );
}

/// A `METH_FASTCALL | METH_KEYWORDS` method over `fn(&Ref, Args) -> Result<Ref>`.
#[macro_export]
macro_rules! method {
    ($name:literal, $function:path, $doc:literal) => {{
        unsafe extern "C" fn wrapper(
            slf: *mut pyo3::ffi::PyObject,
            args: *const *mut pyo3::ffi::PyObject,
            count: pyo3::ffi::Py_ssize_t,
            names: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            $crate::native::trampoline::guard_object(|| {
                // SAFETY: the interpreter passes live objects for the duration of the call.
                unsafe {
                    let args = $crate::native::Args::from_fastcall(args, count as usize, names);
                    $function($crate::native::Ref::view(&slf), args)
                }
            })
        }
        pyo3::ffi::PyMethodDef {
            ml_name: $name.as_ptr(),
            ml_meth: pyo3::ffi::PyMethodDefPointer {
                PyCFunctionFastWithKeywords: wrapper,
            },
            ml_flags: pyo3::ffi::METH_FASTCALL | pyo3::ffi::METH_KEYWORDS,
            ml_doc: $doc.as_ptr(),
        }
    }};
}

/// A `METH_NOARGS` method over `fn(&Ref) -> Result<Ref>`.
#[macro_export]
macro_rules! method0 {
    ($name:literal, $function:path, $doc:literal) => {{
        unsafe extern "C" fn wrapper(
            slf: *mut pyo3::ffi::PyObject,
            _: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            $crate::native::trampoline::guard_object(|| {
                // SAFETY: the interpreter passes a live object for the duration of the call.
                let slf = unsafe { $crate::native::Ref::view(&slf) };
                $function(slf)
            })
        }
        pyo3::ffi::PyMethodDef {
            ml_name: $name.as_ptr(),
            ml_meth: pyo3::ffi::PyMethodDefPointer {
                PyCFunction: wrapper,
            },
            ml_flags: pyo3::ffi::METH_NOARGS,
            ml_doc: $doc.as_ptr(),
        }
    }};
}

/// A `METH_O` method over `fn(&Ref, &Ref) -> Result<Ref>`.
#[macro_export]
macro_rules! method1 {
    ($name:literal, $function:path, $doc:literal) => {{
        unsafe extern "C" fn wrapper(
            slf: *mut pyo3::ffi::PyObject,
            arg: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            $crate::native::trampoline::guard_object(|| {
                // SAFETY: the interpreter passes live objects for the duration of the call.
                unsafe {
                    $function(
                        $crate::native::Ref::view(&slf),
                        $crate::native::Ref::view(&arg),
                    )
                }
            })
        }
        pyo3::ffi::PyMethodDef {
            ml_name: $name.as_ptr(),
            ml_meth: pyo3::ffi::PyMethodDefPointer {
                PyCFunction: wrapper,
            },
            ml_flags: pyo3::ffi::METH_O,
            ml_doc: $doc.as_ptr(),
        }
    }};
}

/// A class method over `fn(&Ref, &Ref) -> Result<Ref>` with one argument.
#[macro_export]
macro_rules! classmethod1 {
    ($name:literal, $function:path, $doc:literal) => {{
        let mut def = $crate::method1!($name, $function, $doc);
        def.ml_flags |= pyo3::ffi::METH_CLASS;
        def
    }};
}

/// A read-only or writable attribute over `fn(&Ref) -> Result<Ref>` and `fn(&Ref, Option<&Ref>) -> Result<()>`.
#[macro_export]
macro_rules! attribute {
    ($name:literal, $get:path) => {
        $crate::attribute!(@def $name, $get, None)
    };
    ($name:literal, $get:path, $set:path) => {{
        unsafe extern "C" fn setter(
            slf: *mut pyo3::ffi::PyObject,
            value: *mut pyo3::ffi::PyObject,
            _: *mut std::ffi::c_void,
        ) -> std::ffi::c_int {
            $crate::native::trampoline::guard(-1, || {
                // SAFETY: the interpreter passes live objects; null means that the attribute is deleted.
                unsafe {
                    let value = (!value.is_null()).then(|| $crate::native::Ref::view(&value));
                    $set($crate::native::Ref::view(&slf), value).map(|()| 0)
                }
            })
        }
        $crate::attribute!(@def $name, $get, Some(setter))
    }};
    (@def $name:literal, $get:path, $setter:expr) => {{
        unsafe extern "C" fn getter(
            slf: *mut pyo3::ffi::PyObject,
            _: *mut std::ffi::c_void,
        ) -> *mut pyo3::ffi::PyObject {
            $crate::native::trampoline::guard_object(|| {
                // SAFETY: the interpreter passes a live object for the duration of the call.
                let slf = unsafe { $crate::native::Ref::view(&slf) };
                $get(slf)
            })
        }
        pyo3::ffi::PyGetSetDef {
            name: $name.as_ptr(),
            get: Some(getter),
            set: $setter,
            doc: std::ptr::null(),
            closure: std::ptr::null_mut(),
        }
    }};
}

/// A slot of the form `PyObject *slot(PyObject *self)` over `fn(&Ref) -> Result<Ref>`.
#[macro_export]
macro_rules! unary_slot {
    ($slot:ident, $function:path) => {{
        unsafe extern "C" fn wrapper(slf: *mut pyo3::ffi::PyObject) -> *mut pyo3::ffi::PyObject {
            $crate::native::trampoline::guard_object(|| {
                // SAFETY: the interpreter passes a live object for the duration of the call.
                let slf = unsafe { $crate::native::Ref::view(&slf) };
                $function(slf)
            })
        }
        (pyo3::ffi::$slot, wrapper as *mut std::ffi::c_void)
    }};
}

/// `tp_init` over `fn(&Ref, Args) -> Result<()>`.
#[macro_export]
macro_rules! init_slot {
    ($function:path) => {{
        unsafe extern "C" fn wrapper(
            slf: *mut pyo3::ffi::PyObject,
            args: *mut pyo3::ffi::PyObject,
            kwargs: *mut pyo3::ffi::PyObject,
        ) -> std::ffi::c_int {
            $crate::native::trampoline::guard(-1, || {
                $crate::native::args::from_tuple(args, kwargs, |args| {
                    // SAFETY: the interpreter passes a live object for the duration of the call.
                    let slf = unsafe { $crate::native::Ref::view(&slf) };
                    $function(slf, args)
                })
                .map(|()| 0)
            })
        }
        (pyo3::ffi::Py_tp_init, wrapper as *mut std::ffi::c_void)
    }};
}

/// `tp_call` over `fn(&Ref, Args) -> Result<Ref>`.
#[macro_export]
macro_rules! call_slot {
    ($function:path) => {{
        unsafe extern "C" fn wrapper(
            slf: *mut pyo3::ffi::PyObject,
            args: *mut pyo3::ffi::PyObject,
            kwargs: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            $crate::native::trampoline::guard_object(|| {
                $crate::native::args::from_tuple(args, kwargs, |args| {
                    // SAFETY: the interpreter passes a live object for the duration of the call.
                    let slf = unsafe { $crate::native::Ref::view(&slf) };
                    $function(slf, args)
                })
            })
        }
        (pyo3::ffi::Py_tp_call, wrapper as *mut std::ffi::c_void)
    }};
}
