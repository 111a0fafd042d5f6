//! What a coroutine may yield, and what each means for its task. In the order in which CPython's
//! `task_step_handle_result_impl` looks.

use pyo3::ffi;

use crate::combinators::sleep_course;
use crate::compat::{awaited_by, context};
use crate::future::{self, members, outcome};
use crate::imports::names;
use crate::native::gc::track;
use crate::native::{Ref, Result, none, repr, string};

use super::body::body;
use super::step::{Then, cancel_now};
use super::wakeup;

/// The coroutine yielded: decide what it wants.
#[inline(always)]
pub fn yielded(task: &Ref, value: Ref) -> Result<Then> {
    if value.is_none() {
        return Ok(Then::Again);
    }
    yielded_something(task, value)
}

fn yielded_something(task: &Ref, value: Ref) -> Result<Then> {
    let fields = body(task);
    if fields.future.native_loop.get()
        && let Some(deadline) = sleep_course::yielded_deadline(&value)
    {
        return begin_sleep(task, deadline);
    }
    if value.is(task) {
        return fail_soon(
            task,
            &format!("Task cannot await on itself: {}", repr(task)?),
        );
    }
    let Some(fut) = future::native(&value) else {
        return yielded_foreign(task, &value);
    };
    if fut.event_loop.peek() != fields.future.event_loop.peek() {
        return fail_soon(
            task,
            &format!(
                "Task {} got Future {} attached to a different loop",
                repr(task)?,
                repr(&value)?
            ),
        );
    }
    if !fut.blocking.replace(false) {
        return fail_soon(
            task,
            &format!(
                "yield was used instead of yield from in task {} with {}",
                repr(task)?,
                repr(&value)?
            ),
        );
    }
    awaited_by::add(&value, task)?;
    Ok(Then::Park(value))
}

fn begin_sleep(task: &Ref, deadline: f64) -> Result<Then> {
    let fields = body(task);
    if fields.flags().must_cancel.get() {
        // The sleep's future would be cancelled at once, which queues a step that throws.
        fields.flags().must_cancel.set(false);
        let error = outcome::cancelled_error(fields.future.cancel_message().as_ref())?;
        fields.future.rare_mut().throw_next.set(error);
        return Ok(Then::Again);
    }
    Ok(Then::Sleep(deadline))
}

/// Anything that is not exactly one of ours: the documented `_asyncio_future_blocking` protocol.
fn yielded_foreign(task: &Ref, value: &Ref) -> Result<Then> {
    let blocking = match value.getattr_opt(&names().asyncio_future_blocking)? {
        Some(blocking) if !blocking.is_none() => blocking,
        _ => return yielded_nonsense(task, value),
    };
    let blocking = blocking.truthy()?;
    let fields = body(task);
    let event_loop = members::loop_of(value)?;
    if !event_loop.is_ptr(fields.future.event_loop.peek()) {
        return fail_soon(
            task,
            &format!(
                "Task {} got Future {} attached to a different loop",
                repr(task)?,
                repr(value)?
            ),
        );
    }
    if !blocking {
        return fail_soon(
            task,
            &format!(
                "yield was used instead of yield from in task {} with {}",
                repr(task)?,
                repr(value)?
            ),
        );
    }
    awaited_by::add(value, task)?;
    value.setattr(
        &names().asyncio_future_blocking,
        &crate::native::boolean(false),
    )?;
    let wakeup = wakeup::wakeup(task)?;
    let context = context::own(&fields.context, &fields.future.event_loop)?.unwrap_or_else(none);
    value
        .getattr(&names().add_done_callback)?
        .call_kw([&wakeup], &names().kw_context, &context)?;
    fields.waiting_on.set(value.clone());
    track(task);
    cancel_now(task, value)?;
    Ok(Then::Nothing)
}

fn yielded_nonsense(task: &Ref, value: &Ref) -> Result<Then> {
    // SAFETY: live.
    let generator = unsafe { ffi::PyGen_CheckExact(value.as_ptr()) != 0 };
    if generator {
        return fail_soon(
            task,
            &format!(
                "yield was used instead of yield from for generator in task {} with {}",
                repr(task)?,
                repr(value)?
            ),
        );
    }
    fail_soon(task, &format!("Task got bad yield: {}", repr(value)?))
}

/// Throws `RuntimeError(text)` into the coroutine in the next turn.
fn fail_soon(task: &Ref, text: &str) -> Result<Then> {
    // SAFETY: a static exception class.
    let class = unsafe { Ref::borrowed(ffi::PyExc_RuntimeError) };
    let error = class.call([&string(text)?])?;
    body(task).future.rare_mut().throw_next.set(error);
    Ok(Then::Again)
}
