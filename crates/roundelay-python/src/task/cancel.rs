//! Cancelling a task, whatever it is doing.

use pyo3::ffi;

use crate::combinators::gather::{self, GATHERING};
use crate::eventloop::{self, Word};
use crate::future::{FUTURE, outcome};
use crate::imports::names;
use crate::native::{Raised, Ref, Result, none};

use super::body::{Sleeping, body};
use super::object::TASK;

/// `Task.cancel(msg)`
pub fn cancel(task: &Ref, message: Option<&Ref>) -> Result<bool> {
    let fields = body(task);
    outcome::ensure_alive(&fields.future)?;
    fields.future.log_traceback.set(false);
    if !fields.future.is_pending() {
        return Ok(false);
    }
    fields
        .cancel_requests
        .set(fields.cancel_requests.get().wrapping_add(1));
    match eventloop::sleeps::look(task) {
        Sleeping::No => {}
        sleeping => return cancel_sleep(task, sleeping, message),
    }
    if let Some(waited) = fields.waiting_on.get()
        && cancel_any(&waited, message)?
    {
        // The task is told through what it waits for.
        return Ok(true);
    }
    fields.flags().must_cancel.set(true);
    fields
        .future
        .set_cancel_message(Some(message.cloned().unwrap_or_else(none)));
    Ok(true)
}

/// Cancels a native sleep: what the sleep's future would do in asyncio, namely queue one step that
/// throws.
fn cancel_sleep(task: &Ref, sleeping: Sleeping, message: Option<&Ref>) -> Result<bool> {
    let fields = body(task);
    let error = outcome::cancelled_error(message)?;
    let event_loop = fields
        .future
        .event_loop
        .get()
        .expect("a sleeping task has a loop");
    fields.flags().sleeping.set(Sleeping::No);
    let owner = if sleeping == Sleeping::Timer {
        let word = eventloop::data(&event_loop).cancel_timer(fields.timer.get());
        word.map_or_else(|| task.clone(), Word::into_object)
    } else {
        fields
            .flags()
            .stale_wakeups
            .set(fields.flags().stale_wakeups.get() + 1);
        task.clone()
    };
    fields.future.rare_mut().throw_next.set(error);
    eventloop::push(&fields.future, Word::step(owner))?;
    Ok(true)
}

/// `object.cancel(msg=message)` of any future-like object, directly where it is one of ours. Tasks that
/// wait for tasks make this recurse, to the depth that the interpreter allows.
pub fn cancel_any(object: &Ref, message: Option<&Ref>) -> Result<bool> {
    // SAFETY: attached; left again below if entered.
    if unsafe { ffi::Py_EnterRecursiveCall(c" while calling a Python object".as_ptr()) } != 0 {
        return Err(Raised);
    }
    let outcome = cancel_one(object, message);
    // SAFETY: entered above.
    unsafe { ffi::Py_LeaveRecursiveCall() };
    outcome
}

fn cancel_one(object: &Ref, message: Option<&Ref>) -> Result<bool> {
    let ty = object.type_ptr();
    if ty == TASK.get() {
        cancel(object, message)
    } else if ty == FUTURE.get() {
        outcome::cancel(object, message.cloned())
    } else if ty == GATHERING.get() {
        gather::cancel(object, message)
    } else {
        let message = message.cloned().unwrap_or_else(none);
        object
            .getattr(&names().cancel)?
            .call_kw([], &names().kw_msg, &message)?
            .truthy()
    }
}
