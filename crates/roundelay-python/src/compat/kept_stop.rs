//! One `StopIteration` for all results that native coroutines return to `await`.
//!
//! Where bytecode awaits a native object, a result that is not `None` has to come in a `StopIteration`, out
//! of which the interpreter takes it at once. Making and unmaking one costs more than a whole `Queue.get`.
//! So one is kept: [`raise_value`] lends it out with the result in it, and [`take_back`], called when the
//! object that was awaited dies (the next thing that happens), takes the result out of it again. If
//! anybody has kept it, it is theirs from then on, and another is made.

use std::ptr;

use pyo3::ffi;

use crate::native::{Raised, Ref, Result, none};
use crate::statics::GilCell;

use super::stop_iteration;

/// The exception that is kept, owned; null before there is one.
static KEPT: GilCell<*mut ffi::PyObject> = GilCell::new(ptr::null_mut());

/// Whether there is a result in the one that is kept.
static LENT: GilCell<bool> = GilCell::new(false);

/// Raises `StopIteration(value)` for an object that lives no longer than until the value has been taken out
/// of it: only the interpreter's stack holds it, and its end calls [`take_back`].
#[inline]
pub fn raise_value<T>(value: &Ref) -> Result<T> {
    // SAFETY: live.
    if unsafe { ffi::PyTuple_Check(value.as_ptr()) } != 0 || value.is_exception() {
        return stop_iteration::raise_value(value);
    }
    let Some(stop) = free_one() else {
        return keep_another(value);
    };
    // SAFETY: `free_one` says that the object and its tuple are ours alone, that the former has no value
    // and that there is nothing but `None` in the latter.
    unsafe {
        let fields = stop.as_ptr().cast::<ffi::PyStopIterationObject>();
        let nothing = ffi::PyTuple_GET_ITEM((*fields).args, 0);
        ffi::PyTuple_SET_ITEM((*fields).args, 0, value.clone().into_ptr());
        (*fields).value = value.clone().into_ptr();
        drop(Ref::owned(nothing));
    }
    LENT.set(true);
    crate::compat::set_raised(stop);
    Err(Raised)
}

/// The exception that is kept, if nobody else has it or has left anything in it.
#[inline]
fn free_one() -> Option<Ref> {
    let kept = KEPT.get();
    if kept.is_null() || LENT.get() {
        return None;
    }
    // SAFETY: `KEPT` owns an exception whose layout is known, with a tuple in `args` unless it was changed.
    unsafe {
        let fields = kept.cast::<ffi::PyStopIterationObject>();
        let untouched = ffi::Py_REFCNT(kept) == 1
            && (*fields).dict.is_null()
            && (*fields).notes.is_null()
            && (*fields).traceback.is_null()
            && (*fields).context.is_null()
            && (*fields).cause.is_null()
            && ffi::Py_REFCNT((*fields).args) == 1;
        untouched.then(|| Ref::borrowed(kept))
    }
}

/// Raises a new one, and keeps it.
#[cold]
fn keep_another<T>(value: &Ref) -> Result<T> {
    let failed: Result<T> = stop_iteration::raise_value(value);
    if stop_iteration::has_known_layout()
        && let Some(stop) = crate::native::take_raised()
    {
        let old = KEPT.get();
        KEPT.set(stop.clone().into_ptr());
        LENT.set(true);
        if !old.is_null() {
            // SAFETY: the static owned it, and has another one now.
            drop(unsafe { Ref::owned(old) });
        }
        crate::compat::set_raised(stop);
    }
    failed
}

/// Takes the result out of the exception that is kept, if there is one in it.
#[inline]
pub fn take_back() {
    if LENT.get() {
        empty();
    }
}

fn empty() {
    LENT.set(false);
    let kept = KEPT.get();
    // SAFETY: `KEPT` owns an exception whose layout is known. What is taken out is dropped after the
    // exception is whole again.
    unsafe {
        let fields = kept.cast::<ffi::PyStopIterationObject>();
        let args = (*fields).args;
        if ffi::Py_REFCNT(kept) != 1
            || args.is_null()
            || ffi::Py_REFCNT(args) != 1
            || ffi::PyTuple_CheckExact(args) == 0
            || ffi::PyTuple_GET_SIZE(args) != 1
        {
            KEPT.set(ptr::null_mut());
            drop(Ref::owned(kept));
            return;
        }
        let item = Ref::owned(ffi::PyTuple_GET_ITEM(args, 0));
        ffi::PyTuple_SET_ITEM(args, 0, none().into_ptr());
        #[cfg(Py_3_14)]
        {
            // A tuple remembers its hash.
            (*args.cast::<ffi::PyTupleObject>()).ob_hash = -1;
        }
        let value = ptr::replace(&raw mut (*fields).value, ptr::null_mut());
        drop(item);
        if !value.is_null() {
            drop(Ref::owned(value));
        }
    }
}
