//! `TaskGroup.__aexit__`: waits for every task, then raises what is to be raised.

use pyo3::ffi;

use crate::compat::group_behaviour::group as behaviour;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, aside, integer, none, raise_chained, raise_object, string};

use super::done::{abort, append, cancel_one, is_base_error};
use super::object::{GroupFields, fields};

static EXIT: AsyncDef = AsyncDef {
    name: "__aexit__",
    qualname: "TaskGroup.__aexit__",
    parameters: &["et", "exc", "tb"],
    positional: 3,
    required: 3,
    resume: exit,
};

/// `_aexit(et, exc)`, of releases that have it: what `__aexit__` does before it lets go of everything.
static INNER_EXIT: AsyncDef = AsyncDef {
    name: "_aexit",
    qualname: "TaskGroup._aexit",
    parameters: &["et", "exc"],
    positional: 2,
    required: 2,
    resume: inner_exit,
};

/// Where the frame keeps the class of the exception that the body of `async with` raised.
const CLASS: usize = 1;
/// Where it keeps that exception.
const EXCEPTION: usize = 2;
/// Where it keeps the `CancelledError` that is to be raised in the end, if no task failed.
const CANCELLATION: usize = 4;

/// Adds the methods to the class.
pub fn add_methods(class: &Ref) -> Result<()> {
    function::add_method(class, &EXIT)?;
    if behaviour().forgets_at_exit {
        function::add_method(class, &INNER_EXIT)?;
    }
    Ok(())
}

fn exit(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let outcome = inner_exit(frame, sent);
    if behaviour().forgets_at_exit && !matches!(outcome, Ok(Flow::Await(_) | Flow::Handled)) {
        let group = frame.argument(0);
        let own = fields(&group);
        aside(|| {
            drop(own.parent.take());
            own.errors.set(none());
            drop(own.base_error.take());
        });
    }
    outcome
}

fn inner_exit(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let group = frame.argument(0);
    let own = fields(&group);
    match sent {
        Sent::Start => begin(frame, &group, own)?,
        Sent::Value(_) => drop(own.on_completed.take()),
        Sent::Raised(error) => {
            if !is_cancellation(&error) {
                return raise_object(error);
            }
            if !own.aborting.get() {
                // The parent is cancelled while it waits for the tasks.
                frame.slot(CANCELLATION).set(error);
                abort(&group)?;
            }
            return Ok(Flow::Handled);
        }
    }
    if own.task_count()? > 0 {
        let waiter = match own.on_completed.get() {
            Some(waiter) => waiter,
            None => any::create(&own.event_loop.get().unwrap_or_else(none))?,
        };
        own.on_completed.set(waiter.clone());
        return Ok(Flow::Await(waiter));
    }
    end(frame, own)
}

fn is_cancellation(error: &Ref) -> bool {
    error.is_exception_of(imports().cancelled_error.as_ptr())
}

/// What the body of `async with` raised, unless it ended well.
fn raised_by_body(frame: Frame<'_>) -> Option<Ref> {
    frame
        .slot(EXCEPTION)
        .get()
        .filter(|exception| !exception.is_none())
}

/// Whether the body raised; asyncio looks at the class for that.
fn body_raised(frame: Frame<'_>) -> bool {
    frame
        .slot(CLASS)
        .get()
        .is_some_and(|class| !class.is_none())
}

/// Whether the body raised what this release takes for a cancellation.
fn body_was_cancelled(frame: Frame<'_>) -> Result<bool> {
    let cancelled = &imports().cancelled_error;
    let Some(class) = frame.slot(CLASS).get().filter(|class| !class.is_none()) else {
        return Ok(false);
    };
    if !behaviour().keeps_cancel_count {
        return Ok(class.is(cancelled));
    }
    // SAFETY: live objects.
    match unsafe { ffi::PyObject_IsSubclass(class.as_ptr(), cancelled.as_ptr()) } {
        -1 => Err(crate::native::Raised),
        found => Ok(found != 0),
    }
}

/// What happens at once when the body is left.
fn begin(frame: Frame<'_>, group: &Ref, own: &GroupFields) -> Result<()> {
    own.exiting.set(true);
    if let Some(exception) = raised_by_body(frame)
        && is_base_error(group, &exception)?
        && !own.base_error.is_some()
    {
        own.base_error.set(exception);
    }
    if body_was_cancelled(frame)? {
        frame.slot(CANCELLATION).put(raised_by_body(frame));
    }
    if !behaviour().keeps_cancel_count {
        take_back_cancellation(frame, own)?;
    }
    if body_raised(frame) && !own.aborting.get() {
        abort(group)?;
    }
    Ok(())
}

/// The group cancelled its parent, which is no one's business outside. If nobody else did, the parent is
/// not cancelled.
fn take_back_cancellation(frame: Frame<'_>, own: &GroupFields) -> Result<()> {
    if !own.parent_cancel_requested.get() {
        return Ok(());
    }
    let parent = own.parent.get().unwrap_or_else(none);
    let left = parent.call_method(&names().uncancel, [])?;
    if left.equals(&integer(0)?)? {
        drop(frame.slot(CANCELLATION).take());
    }
    Ok(())
}

/// Every task is done.
fn end(frame: Frame<'_>, own: &GroupFields) -> Result<Flow> {
    if let Some(error) = own.base_error.get() {
        return raise_chained(error);
    }
    if behaviour().keeps_cancel_count {
        take_back_cancellation(frame, own)?;
    }
    if let Some(cancellation) = frame.slot(CANCELLATION).take()
        && !own.has_errors()?
    {
        return raise_chained(cancellation);
    }
    if body_raised(frame) && !body_was_cancelled(frame)? {
        let exception = frame.slot(EXCEPTION).get().unwrap_or_else(none);
        append(&own.error_list()?, &exception)?;
    }
    if !own.has_errors()? {
        return Ok(Flow::Return(none()));
    }
    let outcome = raise_errors(own);
    aside(|| own.errors.set(none()));
    outcome
}

/// `raise BaseExceptionGroup(..., self._errors) from None`
#[cold]
fn raise_errors(own: &GroupFields) -> Result<Flow> {
    if behaviour().keeps_cancel_count {
        // A cancellation from outside is not lost, and its count stays the same.
        let parent = own.parent.get().unwrap_or_else(none);
        if parent.call_method(&names().cancelling, [])?.truthy()? {
            parent.call_method(&names().uncancel, [])?;
            cancel_one(&parent)?;
        }
    }
    let message = string("unhandled errors in a TaskGroup")?;
    // SAFETY: a static exception class; no cause is `from None`.
    let group = unsafe {
        let class = Ref::borrowed(ffi::PyExc_BaseExceptionGroup);
        let group = class.call([&message, &own.error_list()?])?;
        ffi::PyException_SetCause(group.as_ptr(), std::ptr::null_mut());
        group
    };
    raise_chained(group)
}
