//! `Future.__await__`: yields the future once, then gives its outcome.

use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::ffi;

use crate::compat::{kept_stop, stop_iteration};

use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Raised, Ref, Result, Slot, none, raise, raise_object};
use crate::statics::{TypeCell, unset};
use crate::{method, method0, method1};

use super::body::body;
use super::outcome;

/// The type of the iterator.
pub static ITERATOR: TypeCell = unset();

static FREE: FreeList = FreeList::new(1024);

#[repr(C)]
struct FutureIterator {
    head: ffi::PyObject,
    /// The future; empty once its outcome was given, or after `throw` or `close`.
    future: Slot,
}

fn fields(iterator: &Ref) -> &FutureIterator {
    // SAFETY: only called for instances of `ITERATOR`, which cannot be subclassed.
    unsafe { &*iterator.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let class = TypeBuilder::new(c"roundelay.FutureIter", size_of::<FutureIterator>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot((ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void))
        .slot((ffi::Py_tp_iternext, next as *mut c_void))
        .slot((ffi::Py_am_send, am_send as *mut c_void))
        .methods([
            method1!(c"send", send, c"send($self, value, /)\n--\n\n"),
            method!(
                c"throw",
                throw,
                c"throw($self, type, value=None, traceback=None, /)\n--\n\n"
            ),
            method0!(c"close", close, c"close($self, /)\n--\n\n"),
        ])
        .build(None)?;
    ITERATOR.set(type_of_class(&class));
    Ok(class)
}

/// `future.__await__()`
#[inline]
pub fn iterate(future: &Ref) -> Result<Ref> {
    outcome::ensure_alive(body(future))?;
    // SAFETY: the type is made and this is its size.
    let iterator = unsafe { FREE.allocate(ITERATOR.get(), size_of::<FutureIterator>()) }?;
    fields(&iterator).future.set(future.clone());
    Ok(iterator)
}

/// What one resumption gives.
enum Next {
    /// Suspend on the future.
    Yield(Ref),
    /// The future is done.
    Return(Ref),
    /// The iterator had ended before.
    Exhausted,
}

#[inline]
fn resume(iterator: &Ref) -> Result<Next> {
    let slot = &fields(iterator).future;
    let Some(future) = slot.get() else {
        return Ok(Next::Exhausted);
    };
    let fut = body(&future);
    if fut.is_pending() {
        if fut.blocking.replace(true) {
            fut.blocking.set(true);
            // SAFETY: a static exception class.
            return raise(
                unsafe { ffi::PyExc_RuntimeError },
                c"await wasn't used with future",
            );
        }
        track(iterator);
        return Ok(Next::Yield(future));
    }
    drop(slot.take());
    outcome::result(&future).map(Next::Return)
}

unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guard(ptr::null_mut(), || {
        // SAFETY: the interpreter passes a live iterator.
        match resume(unsafe { Ref::view(&slf) })? {
            Next::Yield(future) => Ok(future.into_ptr()),
            Next::Return(value) => {
                // Null without an exception is StopIteration with None: the cheap way to return None.
                if value.is_none() {
                    return Err(Raised);
                }
                // SAFETY: the interpreter passes a live iterator.
                if unsafe { Ref::view(&slf) }.count() == 1 {
                    kept_stop::raise_value(&value)
                } else {
                    stop_iteration::raise_value(&value)
                }
            }
            Next::Exhausted => Err(Raised),
        }
    })
}

unsafe extern "C" fn am_send(
    slf: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    let outcome = guard(None, || {
        // SAFETY: the interpreter passes a live iterator.
        Ok(Some(match resume(unsafe { Ref::view(&slf) })? {
            Next::Yield(future) => (ffi::PySendResult::PYGEN_NEXT, future),
            Next::Return(value) => (ffi::PySendResult::PYGEN_RETURN, value),
            Next::Exhausted => (ffi::PySendResult::PYGEN_RETURN, none()),
        }))
    });
    match outcome {
        Some((status, value)) => {
            // SAFETY: `result` is where the caller wants the value.
            unsafe { *result = value.into_ptr() };
            status
        }
        None => ffi::PySendResult::PYGEN_ERROR,
    }
}

fn send(iterator: &Ref, _value: &Ref) -> Result<Ref> {
    match resume(iterator)? {
        Next::Yield(future) => Ok(future),
        Next::Return(value) => stop_iteration::raise_value(&value),
        Next::Exhausted => {
            // SAFETY: a static exception class.
            unsafe { ffi::PyErr_SetNone(ffi::PyExc_StopIteration) };
            Err(Raised)
        }
    }
}

/// `throw(exc)`, or the old form `throw(type, value, traceback)`: ends the wait and raises.
fn throw(iterator: &Ref, args: Args<'_>) -> Result<Ref> {
    let [class, value, traceback] = args.bind("throw", ["type", "value", "traceback"], 3, 1)?;
    let exception = thrown_exception(class.expect("required"), value, traceback)?;
    drop(fields(iterator).future.take());
    raise_object(exception)
}

/// The exception meant by the arguments of a generator's `throw`.
pub fn thrown_exception(class: &Ref, value: Option<&Ref>, traceback: Option<&Ref>) -> Result<Ref> {
    #[cfg(Py_3_12)]
    if value.is_some() || traceback.is_some() {
        // SAFETY: a static warning class and a text that ends with a null byte.
        crate::native::check(unsafe {
            ffi::PyErr_WarnEx(
                ffi::PyExc_DeprecationWarning,
                c"the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead."
                    .as_ptr(),
                1,
            )
        })?;
    }
    let value = value.filter(|value| !value.is_none());
    let traceback = traceback.filter(|traceback| !traceback.is_none());
    // SAFETY: live objects; static exception classes.
    unsafe {
        if traceback.is_some_and(|traceback| ffi::PyTraceBack_Check(traceback.as_ptr()) == 0) {
            return raise(
                ffi::PyExc_TypeError,
                c"throw() third argument must be a traceback",
            );
        }
        let exception = if ffi::PyExceptionClass_Check(class.as_ptr()) != 0 {
            match value {
                Some(value) if value.is_exception() => value.clone(),
                Some(value) => class.call([value])?,
                None => class.call([])?,
            }
        } else if class.is_exception() {
            if value.is_some() {
                return raise(
                    ffi::PyExc_TypeError,
                    c"instance exception may not have a separate value",
                );
            }
            class.clone()
        } else {
            return raise(
                ffi::PyExc_TypeError,
                c"exceptions must be classes deriving BaseException or instances of such a class",
            );
        };
        if let Some(traceback) = traceback {
            ffi::PyException_SetTraceback(exception.as_ptr(), traceback.as_ptr());
        }
        Ok(exception)
    }
}

fn close(iterator: &Ref) -> Result<Ref> {
    drop(fields(iterator).future.take());
    Ok(none())
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live iterator.
    unsafe {
        let iterator = Ref::view(&slf);
        let status = visit(iterator.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        fields(iterator).future.traverse(visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live iterator.
        drop(fields(unsafe { Ref::view(&slf) }).future.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            kept_stop::take_back();
            crate::native::gc::untrack(Ref::view(&slf));
            drop(fields(Ref::view(&slf)).future.take());
            FREE.recycle(slf);
        }
        Ok(())
    });
}
