//! What `async with` does with a timeout.

use pyo3::ffi;

use crate::compat::{behaviour, current};
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, items, none, raise, raise_from, string};
use crate::task::{TASK, members};

use super::state::State;
use super::timeout::{TimeoutFields, fields, is_plain, reschedule};
use super::timer;

/// `Timeout.__aenter__`
pub static ENTER: AsyncDef = AsyncDef {
    name: "__aenter__",
    qualname: "Timeout.__aenter__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: enter_method,
};

/// `Timeout.__aexit__`
pub static EXIT: AsyncDef = AsyncDef {
    name: "__aexit__",
    qualname: "Timeout.__aexit__",
    parameters: &["exc_type", "exc_val", "exc_tb"],
    positional: 3,
    required: 3,
    resume: exit_method,
};

fn enter_method(frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    let timeout = frame.argument(0);
    enter(&timeout)?;
    Ok(Flow::Return(timeout))
}

/// `__aenter__()`
#[inline]
pub fn enter(timeout: &Ref) -> Result<()> {
    let own = fields(timeout);
    // SAFETY: a static exception class.
    let runtime_error = unsafe { ffi::PyExc_RuntimeError };
    if own.state.get() != State::Created {
        return raise(runtime_error, c"Timeout has already been entered");
    }
    let event_loop = eventloop::running_or_error()?;
    let Some(task) = current::current_task(&event_loop)? else {
        return raise(runtime_error, c"Timeout should be used inside a task");
    };
    own.state.set(State::Entered);
    own.task.set(task.clone());
    if task.is_exact(TASK.get()) {
        own.cancel_requests.set(members::cancel_requests(&task));
        own.requests_noted.set(true);
    } else {
        own.cancelling
            .set(task.call_method(&names().cancelling, [])?);
    }
    let when = own.when.get();
    if is_plain(timeout) {
        return reschedule(timeout, when, Some(&event_loop));
    }
    timeout
        .call_method(&names().reschedule, [&when.unwrap_or_else(none)])
        .map(drop)
}

fn exit_method(frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    let (class, exception) = (frame.argument(1), frame.argument(2));
    exit(&frame.argument(0), &class, &exception)?;
    Ok(Flow::Return(none()))
}

/// `__aexit__(class, exception, traceback)`: raises a `TimeoutError` if the time had come and nobody else
/// wants the task cancelled.
#[inline]
pub fn exit(timeout: &Ref, class: &Ref, exception: &Ref) -> Result<()> {
    let own = fields(timeout);
    match own.state.get() {
        State::Entered => {
            timer::disarm(own)?;
            own.state.set(State::Exited);
            Ok(())
        }
        State::Expiring => {
            timer::disarm(own)?;
            own.state.set(State::Expired);
            expired(timeout, own, class, exception)
        }
        _ => timer::assertion_failed(),
    }
}

#[cold]
fn expired(timeout: &Ref, own: &TimeoutFields, class: &Ref, exception: &Ref) -> Result<()> {
    if !took_own_request_back(own)? || class.is_none() {
        return Ok(());
    }
    if is_cancellation(class)? {
        // SAFETY: a static exception class.
        let class = unsafe { Ref::borrowed(ffi::PyExc_TimeoutError) };
        return raise_from(class.call([])?, exception);
    }
    if !behaviour::timeout_explains_errors() || exception.is_none() {
        return Ok(());
    }
    explain(timeout, exception)?;
    let group = imports().exception_group.as_ptr();
    if exception.is_exception_of(group) {
        for inner in items(&exception.getattr(&string("exceptions")?)?) {
            explain(timeout, &inner)?;
        }
    }
    Ok(())
}

/// `task.uncancel() <= self._cancelling`: nobody has asked the task to cancel itself but the timeout.
fn took_own_request_back(own: &TimeoutFields) -> Result<bool> {
    let task = own.task.get().unwrap_or_else(none);
    if own.requests_noted.get() && task.is_exact(TASK.get()) {
        return Ok(members::take_cancel_request_back(&task) <= own.cancel_requests.get());
    }
    let left = task.call_method(&names().uncancel, [])?;
    let before = own.cancelling.get().unwrap_or_else(none);
    // SAFETY: both live.
    match unsafe { ffi::PyObject_RichCompareBool(left.as_ptr(), before.as_ptr(), ffi::Py_LE) } {
        -1 => Err(Raised),
        value => Ok(value != 0),
    }
}

fn is_cancellation(class: &Ref) -> Result<bool> {
    let cancelled = &imports().cancelled_error;
    if !behaviour::timeout_takes_subclasses() {
        return Ok(class.is(cancelled));
    }
    // SAFETY: both live.
    match unsafe { ffi::PyObject_IsSubclass(class.as_ptr(), cancelled.as_ptr()) } {
        -1 => Err(Raised),
        value => Ok(value != 0),
    }
}

/// An exception that took the place of the cancellation says that it came of a timeout.
fn explain(timeout: &Ref, exception: &Ref) -> Result<()> {
    if !is_plain(timeout) {
        return timeout
            .call_method(&string("_insert_timeout_error")?, [exception])
            .map(drop);
    }
    insert_timeout_error(exception)
}

/// Puts a `TimeoutError` in front of the first cancellation in the chain of contexts.
fn insert_timeout_error(exception: &Ref) -> Result<()> {
    let mut exception = exception.clone();
    // The interpreter keeps chains of contexts free of cycles.
    while let Some(context) = context_of(&exception) {
        if context.is_exception_of(imports().cancelled_error.as_ptr()) {
            // SAFETY: live exceptions; each call steals one reference.
            unsafe {
                let error = Ref::borrowed(ffi::PyExc_TimeoutError).call([])?;
                ffi::PyException_SetContext(error.as_ptr(), context.clone().into_ptr());
                ffi::PyException_SetCause(error.as_ptr(), context.into_ptr());
                ffi::PyException_SetContext(exception.as_ptr(), error.into_ptr());
            }
            return Ok(());
        }
        exception = context;
    }
    Ok(())
}

fn context_of(exception: &Ref) -> Option<Ref> {
    // SAFETY: a live exception; a new reference or null.
    unsafe {
        let context = ffi::PyException_GetContext(exception.as_ptr());
        (!context.is_null()).then(|| Ref::owned(context))
    }
}
