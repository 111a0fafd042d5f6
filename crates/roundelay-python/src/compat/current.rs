//! Which task is current on a loop, for `asyncio.current_task()`.
//!
//! Up to 3.13 that is the dict `_asyncio._current_tasks`; the scheduler writes it directly, with the
//! loop's hash computed once. From 3.14 on it is a word of the thread state.

use pyo3::ffi;

use crate::imports::imports;
use crate::native::{Ref, Result};
#[cfg(not(Py_3_14))]
use crate::native::{check, import, string};
#[cfg(not(Py_3_14))]
use crate::statics::Once;

#[cfg(not(Py_3_14))]
static CURRENT: Once<Ref> = Once::new();

#[cfg(not(Py_3_14))]
unsafe extern "C" {
    // Private, but exported by every version this file is compiled for.
    fn _PyDict_SetItem_KnownHash(
        dict: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
        value: *mut ffi::PyObject,
        hash: ffi::Py_hash_t,
    ) -> std::ffi::c_int;
}

/// Finds what this version of CPython offers.
#[cfg(not(Py_3_14))]
pub fn probe() -> Result<()> {
    CURRENT.set(import(c"_asyncio")?.getattr(&string("_current_tasks")?)?);
    Ok(())
}

/// What a new loop needs: nothing, the dict is filled when a task runs.
#[cfg(not(Py_3_14))]
pub fn prepare(_event_loop: &Ref) -> Result<()> {
    Ok(())
}

/// Makes `task` the current one of `looop`, whatever was current before.
#[cfg(not(Py_3_14))]
#[inline]
pub fn publish(looop: *mut ffi::PyObject, hash: ffi::Py_hash_t, task: &Ref) -> Result<()> {
    // SAFETY: `looop` is live and `hash` its hash; the dict takes its own references.
    check(unsafe { _PyDict_SetItem_KnownHash(CURRENT.get().as_ptr(), looop, task.as_ptr(), hash) })
}

/// Makes no task current.
#[cfg(not(Py_3_14))]
pub fn withdraw(looop: &Ref) {
    crate::native::aside(|| {
        // SAFETY: both live. A missing key is an exception that means nothing here.
        unsafe {
            if ffi::PyDict_DelItem(CURRENT.get().as_ptr(), looop.as_ptr()) < 0 {
                ffi::PyErr_Clear();
            }
        }
    });
}

/// Makes `task` (or nothing) current and returns what was.
#[cfg(not(Py_3_14))]
pub fn swap(looop: &Ref, task: Option<&Ref>) -> Result<Option<Ref>> {
    let dict = CURRENT.get().as_ptr();
    // SAFETY: all live; what the dict returns is borrowed and counted at once.
    unsafe {
        let previous = ffi::PyDict_GetItemWithError(dict, looop.as_ptr());
        if previous.is_null() && crate::native::raised() {
            return Err(crate::native::Raised);
        }
        let previous = (!previous.is_null()).then(|| Ref::borrowed(previous));
        match task {
            Some(task) => check(ffi::PyDict_SetItem(dict, looop.as_ptr(), task.as_ptr()))?,
            None if previous.is_some() => check(ffi::PyDict_DelItem(dict, looop.as_ptr()))?,
            None => {}
        }
        Ok(previous)
    }
}

/// `_enter_task(loop, task)`, with its checks and errors.
pub fn enter(looop: &Ref, task: &Ref) -> Result<()> {
    imports().enter_task.call([looop, task]).map(drop)
}

/// `_leave_task(loop, task)`, with its checks and errors.
pub fn leave(looop: &Ref, task: &Ref) -> Result<()> {
    imports().leave_task.call([looop, task]).map(drop)
}
