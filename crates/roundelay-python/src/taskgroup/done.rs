//! What becomes of a group when one of its tasks is done, and when all are to end.

use pyo3::ffi;

use crate::compat::awaited_by;
use crate::compat::group_behaviour::group as behaviour;
use crate::future::{self, State, any};
use crate::imports::names;
use crate::native::{Ref, Result, boolean, check, dict, items, none, repr, string};
use crate::task::{TASK, cancel};

use super::object::{GroupFields, fields, is_plain};

/// A task of a group of exactly the native class is done.
#[inline]
pub fn child_done(group: &Ref, task: &Ref) -> Result<()> {
    let own = fields(group);
    if behaviour().records_awaiting
        && let Some(parent) = own.parent.get()
    {
        awaited_by::discard(task, &parent)?;
    }
    forget(own, task)?;
    if own.on_completed.is_some() && own.task_count()? == 0 {
        complete(own)?;
    }
    match exception_of(task)? {
        Some(exception) => failed(group, own, task, exception),
        None => Ok(()),
    }
}

/// `self._on_task_done(task)`, which a subclass may have as its own.
pub fn tell(group: &Ref, task: &Ref) -> Result<()> {
    if is_plain(group) {
        return child_done(group, task);
    }
    group.call_method(&names().on_task_done, [task]).map(drop)
}

/// `_on_task_done(task)`
pub fn on_task_done(group: &Ref, task: &Ref) -> Result<Ref> {
    child_done(group, task).map(|()| none())
}

#[inline]
fn forget(own: &GroupFields, task: &Ref) -> Result<()> {
    let tasks = own.task_set()?;
    // SAFETY: live objects; anything but a set is refused.
    check(unsafe { ffi::PySet_Discard(tasks.as_ptr(), task.as_ptr()) })
}

/// Lets `__aexit__` go on.
fn complete(own: &GroupFields) -> Result<()> {
    match own.on_completed.get() {
        Some(future) if !any::is_done(&future)? => any::set_result(&future, boolean(true)),
        _ => Ok(()),
    }
}

/// What the task raised, now marked as retrieved; nothing if it was cancelled.
#[inline]
fn exception_of(task: &Ref) -> Result<Option<Ref>> {
    if let Some(fut) = future::native(task) {
        fut.log_traceback.set(false);
        return Ok(match fut.state.get() {
            State::Failed => fut.value.get(),
            _ => None,
        });
    }
    if task.call_method(&names().cancelled, [])?.truthy()? {
        return Ok(None);
    }
    let exception = task.call_method(&names().exception, [])?;
    Ok((!exception.is_none()).then_some(exception))
}

/// A task has failed: the others are cancelled, and so is the parent if it is still inside.
#[cold]
fn failed(group: &Ref, own: &GroupFields, task: &Ref, exception: Ref) -> Result<()> {
    append(&own.error_list()?, &exception)?;
    if !own.base_error.is_some() && is_base_error(group, &exception)? {
        own.base_error.set(exception.clone());
    }
    let parent = own.parent.get().unwrap_or_else(none);
    if any::is_done(&parent)? {
        return report(own, task, &parent, &exception);
    }
    if !own.aborting.get() && !own.parent_cancel_requested.get() {
        abort(group)?;
        own.parent_cancel_requested.set(true);
        cancel_one(&parent)?;
    }
    Ok(())
}

/// Adds an error to what is a list unless somebody has put something else there.
pub fn append(errors: &Ref, exception: &Ref) -> Result<()> {
    // SAFETY: live objects.
    unsafe {
        if ffi::PyList_CheckExact(errors.as_ptr()) != 0 {
            return check(ffi::PyList_Append(errors.as_ptr(), exception.as_ptr()));
        }
    }
    errors
        .call_method(&string("append")?, [exception])
        .map(drop)
}

/// The parent is over, so that nobody will raise what the task raised.
#[cold]
fn report(own: &GroupFields, task: &Ref, parent: &Ref, exception: &Ref) -> Result<()> {
    let message = string(&format!(
        "Task {} has errored out but its parent task {} is already completed",
        repr(task)?,
        repr(parent)?
    ))?;
    let context = dict(&[
        (c"message", &message),
        (c"exception", exception),
        (c"task", task),
    ])?;
    let event_loop = own.event_loop.get().unwrap_or_else(none);
    event_loop
        .call_method(&names().call_exception_handler, [&context])
        .map(drop)
}

/// `self._is_base_error(exc)`
pub fn is_base_error(group: &Ref, exception: &Ref) -> Result<bool> {
    if is_plain(group) {
        return Ok(ends_everything(exception));
    }
    group
        .call_method(&names().is_base_error, [exception])?
        .truthy()
}

fn ends_everything(exception: &Ref) -> bool {
    // SAFETY: static exception classes.
    unsafe {
        exception.is_exception_of(ffi::PyExc_SystemExit)
            || exception.is_exception_of(ffi::PyExc_KeyboardInterrupt)
    }
}

/// `_is_base_error(exc)`
pub fn is_base_error_method(_group: &Ref, exception: &Ref) -> Result<Ref> {
    Ok(boolean(ends_everything(exception)))
}

/// `self._abort()`
pub fn abort(group: &Ref) -> Result<()> {
    if is_plain(group) {
        return cancel_all(fields(group));
    }
    group.call_method(&names().abort, []).map(drop)
}

/// `_abort()`
pub fn abort_method(group: &Ref) -> Result<Ref> {
    cancel_all(fields(group)).map(|()| none())
}

/// Cancels every task that is not done. Cancelling may run anything, so it goes through a copy.
fn cancel_all(own: &GroupFields) -> Result<()> {
    own.aborting.set(true);
    let tasks = own.task_set()?;
    // SAFETY: a live iterable; a new reference or null.
    let copy = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(tasks.as_ptr())) }?;
    for task in items(&copy) {
        if !any::is_done(&task)? {
            cancel_one(&task)?;
        }
    }
    Ok(())
}

/// `task.cancel()`
pub fn cancel_one(task: &Ref) -> Result<()> {
    if task.is_exact(TASK.get()) {
        return cancel::cancel(task, None).map(drop);
    }
    task.call_method(&names().cancel, []).map(drop)
}
