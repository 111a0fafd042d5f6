//! Eager start (3.12 and newer): the first step of a task runs inside its creation.

use pyo3::ffi;

use crate::compat::{context, current, registry};
use crate::eventloop;
use crate::imports::names;
use crate::native::{Ref, Result, aside, leave_context};

use super::body::body;
use super::step::{resume_elsewhere, step};

/// Whether the task's loop runs; only then can a task start eagerly.
pub fn loop_is_running(task: &Ref) -> Result<bool> {
    let event_loop = body(task).future.event_loop.get().expect("set by __init__");
    match eventloop::native(&event_loop) {
        Some(native) => Ok(native.is_running()),
        None => event_loop.call_method(&names().is_running, [])?.truthy(),
    }
}

/// Runs the first step now, with the task as the current one, and puts the creator back afterwards.
pub fn start(task: &Ref) -> Result<()> {
    let fields = body(task);
    let event_loop = fields.future.event_loop.get().expect("set by __init__");
    let creator = current::swap(&event_loop, Some(task))?;
    let outcome = registered_step(task);
    let restored = aside(|| current::swap(&event_loop, creator.as_ref()));
    outcome?;
    restored?;
    if fields.future.is_pending() {
        registry::register(task)
    } else {
        // Nobody needs the coroutine any more, and letting it go now is cheap.
        crate::native::gc::track(task);
        super::body::drop_coro(task);
        Ok(())
    }
}

fn registered_step(task: &Ref) -> Result<()> {
    registry::register(task)?;
    let context =
        context::own(&body(task).context, &body(task).future.event_loop)?.expect("set by __init__");
    // SAFETY: a live context.
    crate::native::check(unsafe { ffi::PyContext_Enter(context.as_ptr()) })?;
    let outcome = step(task, None).and_then(|then| resume_elsewhere(task, then));
    leave_context(&context, outcome.is_err());
    outcome
}
