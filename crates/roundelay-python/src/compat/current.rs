//! Which task is current on a loop, for `asyncio.current_task()`.
//!
//! Up to 3.13 that is the dict `_asyncio._current_tasks`; the scheduler writes it directly, with the
//! loop's hash computed once. From 3.14 on it is a word of the thread state.

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::{Ref, Result};
use crate::statics::GilCell;

#[cfg(not(Py_3_14))]
pub use dict::*;
#[cfg(Py_3_14)]
pub use thread_word::*;

#[cfg(not(Py_3_14))]
mod dict {
    use super::*;
    use crate::compat::dict_entry::{self, Place};
    use crate::native::{check, import, string};
    use crate::statics::Once;

    static CURRENT: Once<Ref> = Once::new();

    /// Where in it the loop is that ran last.
    static PLACE: Place = Place::unknown();

    unsafe extern "C" {
        // Private, but exported by every version this file is compiled for.
        fn _PyDict_SetItem_KnownHash(
            dict: *mut ffi::PyObject,
            key: *mut ffi::PyObject,
            value: *mut ffi::PyObject,
            hash: ffi::Py_hash_t,
        ) -> std::ffi::c_int;
        fn _PyDict_GetItem_KnownHash(
            dict: *mut ffi::PyObject,
            key: *mut ffi::PyObject,
            hash: ffi::Py_hash_t,
        ) -> *mut ffi::PyObject;
    }

    /// Finds what this version of CPython offers.
    pub fn probe() -> Result<()> {
        CURRENT.set(import(c"_asyncio")?.getattr(&string("_current_tasks")?)?);
        dict_entry::probe()
    }

    /// What a new loop needs: nothing, the dict is filled when a task runs.
    pub fn prepare(_event_loop: &Ref) -> Result<()> {
        Ok(())
    }

    /// Makes `task` the current one of `looop`, whatever was current before.
    #[inline]
    pub fn publish(looop: *mut ffi::PyObject, hash: ffi::Py_hash_t, task: &Ref) -> Result<()> {
        let dict = CURRENT.get().as_ptr();
        // SAFETY: `looop` is live and `hash` its hash; the dict takes its own references. Its keys are loops.
        unsafe {
            if let Some(previous) = PLACE.replace(dict, looop, task) {
                drop(previous);
                return Ok(());
            }
            check(_PyDict_SetItem_KnownHash(dict, looop, task.as_ptr(), hash))?;
            PLACE.find(dict, looop);
        }
        Ok(())
    }

    /// The current task of a native loop, of which `hash` is the hash.
    #[inline]
    pub fn running(looop: &Ref, hash: ffi::Py_hash_t) -> Result<Option<Ref>> {
        let dict = CURRENT.get().as_ptr();
        // SAFETY: both live; what the dict returns is borrowed and counted at once. Its keys are loops.
        unsafe {
            if let Some(task) = PLACE.get(dict, looop.as_ptr()) {
                return Ok(Some(task));
            }
            let task = _PyDict_GetItem_KnownHash(dict, looop.as_ptr(), hash);
            if task.is_null() && crate::native::raised() {
                return Err(crate::native::Raised);
            }
            Ok((!task.is_null()).then(|| Ref::borrowed(task)))
        }
    }

    /// Makes no task current.
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
}

#[cfg(Py_3_14)]
mod thread_word {
    use super::*;
    use crate::compat::thread_state;
    use crate::native::{check, import, none, string};
    use crate::statics::Once;

    /// `_asyncio._swap_current_task`, used where the word was not found.
    static SWAP: Once<Ref> = Once::new();

    /// Index of the word of the thread state that owns the running task, zero if it was not found.
    static WORD: GilCell<usize> = GilCell::new(0);

    /// Finds the word: `_set_running_loop` writes the word before it, `_swap_current_task` the word itself.
    pub fn probe() -> Result<()> {
        let swap = import(c"_asyncio")?.getattr(&string("_swap_current_task")?)?;
        let set = &imports().set_running_loop;
        let before = imports().get_running_loop.call([])?;
        let task_before = if before.is_none() {
            none()
        } else {
            swap.call([&before, &none()])?
        };
        let (event_loop, task) = (crate::native::list(vec![])?, crate::native::list(vec![])?);
        set.call([&event_loop])?;
        swap.call([&event_loop, &task])?;
        let place = thread_state::find(|words, at| {
            words[at] == task.as_ptr() && words[at - 1] == event_loop.as_ptr()
        });
        WORD.set(place.unwrap_or(0));
        swap.call([&event_loop, &none()])?;
        set.call([&before])?;
        if !before.is_none() {
            swap.call([&before, &task_before])?;
        }
        SWAP.set(swap);
        check(0)
    }

    /// What a new loop needs: nothing.
    pub fn prepare(_event_loop: &Ref) -> Result<()> {
        Ok(())
    }

    /// Writes the word of this thread and returns what it owned.
    #[inline]
    fn exchange(task: *mut ffi::PyObject) -> Option<Ref> {
        // SAFETY: attached; the word was found in this structure, and owns what it points to.
        unsafe {
            let word = ffi::PyThreadState_Get()
                .cast::<*mut ffi::PyObject>()
                .add(WORD.get());
            let previous = std::mem::replace(&mut *word, task);
            (!previous.is_null()).then(|| Ref::owned(previous))
        }
    }

    /// Makes `task` the current one of the running loop, whatever was current before.
    #[inline]
    pub fn publish(
        event_loop: *mut ffi::PyObject,
        _hash: ffi::Py_hash_t,
        task: &Ref,
    ) -> Result<()> {
        if WORD.get() != 0 {
            drop(exchange(task.clone().into_ptr()));
            return Ok(());
        }
        // SAFETY: the caller's loop is live.
        SWAP.get()
            .call([unsafe { Ref::view(&event_loop) }, task])
            .map(drop)
    }

    /// The current task of the native loop that runs on this thread.
    #[inline]
    pub fn running(event_loop: &Ref, _hash: ffi::Py_hash_t) -> Result<Option<Ref>> {
        if WORD.get() == 0 {
            return ask(event_loop);
        }
        // SAFETY: attached; the word was found in this structure, and owns what it points to.
        unsafe {
            let task = *ffi::PyThreadState_Get()
                .cast::<*mut ffi::PyObject>()
                .add(WORD.get());
            Ok((!task.is_null()).then(|| Ref::borrowed(task)))
        }
    }

    /// Makes no task current.
    pub fn withdraw(event_loop: &Ref) {
        if WORD.get() != 0 {
            let previous = exchange(std::ptr::null_mut());
            if previous.is_some() {
                crate::native::aside(|| drop(previous));
            }
            return;
        }
        crate::native::aside(|| {
            if SWAP.get().call([event_loop, &none()]).is_err() {
                drop(crate::native::take_raised());
            }
        });
    }

    /// Makes `task` (or nothing) current and returns what was.
    pub fn swap(event_loop: &Ref, task: Option<&Ref>) -> Result<Option<Ref>> {
        let nothing = none();
        let previous = SWAP.get().call([event_loop, task.unwrap_or(&nothing)])?;
        Ok((!previous.is_none()).then_some(previous))
    }
}

/// The C function behind `asyncio._get_running_loop`, which takes its module and no arguments.
#[derive(Clone, Copy)]
struct RunningLoop {
    function: ffi::PyCFunction,
    module: *mut ffi::PyObject,
}

static RUNNING_LOOP: GilCell<Option<RunningLoop>> = GilCell::new(None);

/// Looks behind `asyncio._get_running_loop`.
pub fn probe_running_loop() {
    let callable = imports().get_running_loop.as_ptr();
    // SAFETY: live; a builtin function and its module live as long as the interpreter.
    unsafe {
        if ffi::PyCFunction_CheckExact(callable) != 0
            && ffi::PyCFunction_GetFlags(callable) == ffi::METH_NOARGS
            && let Some(function) = ffi::PyCFunction_GetFunction(callable)
        {
            let module = ffi::PyCFunction_GetSelf(callable);
            RUNNING_LOOP.set(Some(RunningLoop { function, module }));
        }
    }
}

/// `asyncio._get_running_loop()`: the loop, or `None`.
#[inline]
pub fn running_loop() -> Result<Ref> {
    match RUNNING_LOOP.get() {
        // SAFETY: called as the interpreter calls it; a new reference or null.
        Some(it) => unsafe { Ref::owned_or_raised((it.function)(it.module, std::ptr::null_mut())) },
        None => imports().get_running_loop.call([]),
    }
}

/// `asyncio.current_task(loop)` of the running loop.
#[inline]
pub fn current_task(looop: &Ref) -> Result<Option<Ref>> {
    if let Some(state) = crate::eventloop::native(looop)
        && let Some(task) = running(looop, state.hash.get())?
    {
        return Ok(Some(task));
    }
    ask(looop)
}

/// What `asyncio.tasks.current_task` says, whatever stands there now: programs that run asyncio's pure-Python
/// tasks put the function there that knows of them (from 3.14 on the interpreter does not).
#[cold]
fn ask(looop: &Ref) -> Result<Option<Ref>> {
    let task = (imports().tasks).call_method(&names().current_task, [looop])?;
    Ok((!task.is_none()).then_some(task))
}

/// `_enter_task(loop, task)`, with its checks and errors.
pub fn enter(looop: &Ref, task: &Ref) -> Result<()> {
    imports().enter_task.call([looop, task]).map(drop)
}

/// `_leave_task(loop, task)`, with its checks and errors.
pub fn leave(looop: &Ref, task: &Ref) -> Result<()> {
    imports().leave_task.call([looop, task]).map(drop)
}
