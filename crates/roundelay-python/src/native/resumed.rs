//! What resuming something awaitable gives, in the forms in which the interpreter wants to hear of it.

use pyo3::ffi;

use crate::compat::{kept_stop, stop_iteration};

use super::refs::{Raised, Ref, Result};

/// What a resumption gives.
pub enum Resumed {
    /// Suspend, and hand this to whoever drives.
    Yielded(Ref),
    /// It is over, with this result.
    Returned(Ref),
}

impl Resumed {
    /// As `tp_iternext` gives it. Null without an exception is `StopIteration` with `None`: the cheap way
    /// to return `None`.
    #[inline]
    pub fn into_next(self) -> Result<*mut ffi::PyObject> {
        match self {
            Resumed::Yielded(value) => Ok(value.into_ptr()),
            Resumed::Returned(value) => {
                if value.is_none() {
                    return Err(Raised);
                }
                stop_iteration::raise_value(&value)
            }
        }
    }

    /// As [`Resumed::into_next`], for an iterator that calls `kept_stop::take_back` when it dies.
    #[inline]
    pub fn into_next_of(self, iterator: &Ref) -> Result<*mut ffi::PyObject> {
        match self {
            Resumed::Returned(value) if !value.is_none() && iterator.count() == 1 => {
                kept_stop::raise_value(&value)
            }
            resumed => resumed.into_next(),
        }
    }

    /// As `send()` gives it: a value, or `StopIteration`.
    pub fn into_send(self) -> Result<Ref> {
        match self {
            Resumed::Yielded(value) => Ok(value),
            Resumed::Returned(value) => stop_iteration::raise_value(&value),
        }
    }

    /// As `am_send` gives it: a status, and the value in `place`.
    ///
    /// # Safety
    /// `place` is where the caller of `am_send` wants the value.
    #[inline]
    pub unsafe fn into_am_send(self, place: *mut *mut ffi::PyObject) -> ffi::PySendResult {
        let (status, value) = match self {
            Resumed::Yielded(value) => (ffi::PySendResult::PYGEN_NEXT, value),
            Resumed::Returned(value) => (ffi::PySendResult::PYGEN_RETURN, value),
        };
        // SAFETY: by the caller's contract.
        unsafe { *place = value.into_ptr() };
        status
    }

    /// Sends into anything that can be awaited, as `yield from` does.
    #[inline]
    pub fn send(iterator: &Ref, value: &Ref) -> Result<Self> {
        // SAFETY: live objects.
        unsafe { Self::send_pointer(iterator, value.as_ptr()) }
    }

    /// The same with `None`, which is not counted for it.
    #[inline(always)]
    pub fn send_none(iterator: &Ref) -> Result<Self> {
        // SAFETY: a static of the interpreter.
        unsafe { Self::send_pointer(iterator, ffi::Py_None()) }
    }

    /// # Safety
    /// `value` is a live object.
    #[inline(always)]
    unsafe fn send_pointer(iterator: &Ref, value: *mut ffi::PyObject) -> Result<Self> {
        let mut given = std::ptr::null_mut();
        // SAFETY: live objects; `given` receives a new reference unless the status is an error.
        unsafe {
            match iter_send(iterator.as_ptr(), value, &mut given) {
                ffi::PySendResult::PYGEN_NEXT => Ok(Resumed::Yielded(Ref::owned(given))),
                ffi::PySendResult::PYGEN_RETURN => Ok(Resumed::Returned(Ref::owned(given))),
                ffi::PySendResult::PYGEN_ERROR => Err(Raised),
            }
        }
    }

    /// The result carried by the `StopIteration` that is set, which is then cleared; any other exception
    /// stays set.
    pub fn from_stop_iteration() -> Result<Self> {
        // SAFETY: an exception is set; static classes.
        if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) } == 0 {
            return Err(Raised);
        }
        let stop = super::take_raised().ok_or(Raised)?;
        stop.getattr(&super::string("value")?)
            .map(Resumed::Returned)
    }
}

/// `PyIter_Send`, whose first case is all that coroutines need, and is made here without the call.
///
/// # Safety
/// As for `PyIter_Send`.
#[inline(always)]
unsafe fn iter_send(
    iterator: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: by the caller's contract; a live object has a type, which outlives the call.
    unsafe {
        let methods = (*ffi::Py_TYPE(iterator)).tp_as_async;
        if !methods.is_null()
            && let Some(am_send) = (*methods).am_send
        {
            return am_send(iterator, value, result);
        }
        ffi::PyIter_Send(iterator, value, result)
    }
}
