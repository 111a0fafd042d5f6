//! One step of a task: resume the coroutine, and act on what it yields, returns or raises.
//! Follows `task_step_impl` of CPython's `_asynciomodule.c`, in its order.

use std::cell::Cell;

use pyo3::ffi;

use crate::compat::{awaited_by, context, current, registry};
use crate::eventloop::{self, LoopData, Word, handle, handle_run};
use crate::future::{self, State, Waiter, outcome};
use crate::imports::{imports, names};
use crate::native::gc::track;
use crate::native::{
    Raised, Ref, Result, Resumed, none, raise_object, raise_text, repr, take_raised,
};

use super::body::{Sleeping, body};
use super::cancel::cancel_any;
use super::object::schedule_step;
use super::wakeup;
use super::yielded::yielded;

/// What is to become of a task after a step.
pub enum Then {
    /// Step again in the next turn.
    Again,
    /// Wait for the native future.
    Park(Ref),
    /// Sleep until the loop's clock shows this (seconds).
    Sleep(f64),
    /// Nothing: it is done, or a foreign future will call back.
    Nothing,
}

/// Runs the entry of the ring that owns `task`.
#[inline]
pub fn run(task: Ref, event_loop: &Ref, looop: &LoopData) -> Result<()> {
    let fields = body(&task);
    let mut thrown = fields.future.rare().and_then(|rare| rare.throw_next.take());
    if let Some(waited) = fields.waiting_on.take() {
        awaited_by::discard(&waited, &task)?;
        if thrown.is_none()
            && let Some(fut) = future::native(&waited)
            && fut.state.get() != State::Finished
        {
            thrown = wakeup::outcome_to_throw(&waited, fut);
        }
    }
    current::publish(event_loop.as_ptr(), looop.hash.get(), &task)?;
    let context = match looop.contexts.enter(&fields.context) {
        Ok(Some(context)) => context,
        Ok(None) => return Ok(()),
        Err(_) => return report(&task, event_loop),
    };
    let then = step(&task, thrown);
    looop.contexts.end(context, &fields.context, then.is_err());
    let then = match then {
        Ok(then) => then,
        Err(_) => return report(&task, event_loop),
    };
    match then {
        Then::Again => {
            looop.push(Word::step(task));
            Ok(())
        }
        Then::Nothing => {
            if task.count() > 1 {
                // Someone else holds it, so that from now on only the collector can find its cycles.
                track(&task);
            }
            Ok(())
        }
        Then::Sleep(when) => {
            fields.flags().sleeping.set(Sleeping::Timer);
            let timer = &fields.timer as *const Cell<u32>;
            let id = looop.add_timer(when, Word::sleep(task));
            // SAFETY: the timers own the task now, so its fields live on.
            unsafe { (*timer).set(id) };
            Ok(())
        }
        Then::Park(waited) => park(task, waited),
    }
}

/// What a step raises into the loop ends the loop's run, or is reported as a failing callback is.
#[cold]
fn report(task: &Ref, event_loop: &Ref) -> Result<()> {
    track(task);
    let (callable, handle) = crate::native::aside(|| {
        let callable = wakeup::step(task)?;
        let handle = handle::make(event_loop, &callable, handle::Arguments::None, None)?;
        Ok((callable, handle))
    })?;
    handle_run::report(&callable, None, Some(&handle), Some(event_loop))
}

/// Parks a task of a native loop on a native future.
#[inline]
fn park(task: Ref, waited: Ref) -> Result<()> {
    let fut = future::body(&waited);
    if !fut.is_pending() {
        // Finished between the yield and here: the wakeup is queued, as `add_done_callback` does.
        body(&task).waiting_on.set(waited.clone());
        return eventloop::push(fut, Word::step(task));
    }
    track(&task);
    track(&waited);
    let fields = body(&task);
    fields.waiting_on.set(waited.clone());
    let cancelled = fields.flags().must_cancel.get();
    if !cancelled {
        fut.waiters.add(Waiter::Task(task));
        return Ok(());
    }
    fut.waiters.add(Waiter::Task(task.clone()));
    cancel_now(&task, &waited)
}

/// The task was cancelled during the step that ended in this wait.
pub fn cancel_now(task: &Ref, waited: &Ref) -> Result<()> {
    let fields = body(task);
    if fields.flags().must_cancel.get()
        && cancel_any(waited, fields.future.cancel_message().as_ref())?
    {
        fields.flags().must_cancel.set(false);
    }
    Ok(())
}

/// Acts on a step's end for a task whose loop, or whose stepping, is not the ring's.
pub fn resume_elsewhere(task: &Ref, then: Then) -> Result<()> {
    match then {
        Then::Nothing => {
            track(task);
            Ok(())
        }
        Then::Again => schedule_step(task),
        Then::Park(waited) if body(task).future.native_loop.get() => park(task.clone(), waited),
        Then::Park(waited) => {
            let context = context::own(&body(task).context, &body(task).future.event_loop)?
                .unwrap_or_else(none);
            body(task).waiting_on.set(waited.clone());
            track(task);
            let waiter = Waiter::Call(wakeup::wakeup(task)?, context);
            if future::body(&waited).is_pending() {
                track(&waited);
                future::body(&waited).waiters.add(waiter);
            } else {
                outcome::schedule(&waited, waiter)?;
            }
            cancel_now(task, &waited)
        }
        Then::Sleep(when) => {
            let event_loop = body(task)
                .future
                .event_loop
                .get()
                .expect("a stepped task has a loop");
            let timer = eventloop::data(&event_loop).add_timer(when, Word::sleep(task.clone()));
            body(task).timer.set(timer);
            body(task).flags().sleeping.set(Sleeping::Timer);
            Ok(())
        }
    }
}

/// Resumes the coroutine once. The context is entered, the task published, and it waits for nothing.
#[inline(always)]
pub fn step(task: &Ref, mut thrown: Option<Ref>) -> Result<Then> {
    let fields = body(task);
    if !fields.future.is_pending() {
        let thrown = thrown.unwrap_or_else(none);
        return raise_text(
            imports().invalid_state_error.as_ptr(),
            &format!("__step(): already done: {} {}", repr(task)?, repr(&thrown)?),
        );
    }
    if fields.flags().must_cancel.get() {
        let cancelled = imports().cancelled_error.as_ptr();
        if !thrown
            .as_ref()
            .is_some_and(|thrown| thrown.is_exception_of(cancelled))
        {
            thrown = Some(outcome::make_cancelled_error(task)?);
        }
        fields.flags().must_cancel.set(false);
    }
    fields.flags().sleeping.set(Sleeping::No);
    let Some(coro) = fields.coro.get() else {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_RuntimeError },
            "uninitialized Task object",
        );
    };
    match resume(&coro, thrown) {
        Ok(Resumed::Yielded(value)) => yielded(task, value),
        Ok(Resumed::Returned(value)) => returned(task, value),
        Err(Raised) => failed(task),
    }
}

#[inline(always)]
fn resume(coro: &Ref, thrown: Option<Ref>) -> Result<Resumed> {
    match thrown {
        None => Resumed::send_none(coro),
        Some(thrown) => resume_with(coro, &thrown),
    }
}

#[cold]
fn resume_with(coro: &Ref, thrown: &Ref) -> Result<Resumed> {
    match coro.call_method(&names().throw, [thrown]) {
        Ok(value) => Ok(Resumed::Yielded(value)),
        Err(Raised) => Resumed::from_stop_iteration(),
    }
}

/// The coroutine returned.
#[inline]
fn returned(task: &Ref, value: Ref) -> Result<Then> {
    let fields = body(task);
    if fields.flags().must_cancel.get() {
        // Cancelled right before the coroutine ended.
        fields.flags().must_cancel.set(false);
        let message = fields.future.cancel_message();
        outcome::cancel(task, message)?;
    } else {
        outcome::set_result(task, value)?;
    }
    registry::unregister(task);
    Ok(Then::Nothing)
}

/// The coroutine raised.
#[cold]
fn failed(task: &Ref) -> Result<Then> {
    let Some(exception) = take_raised() else {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_SystemError },
            "a coroutine failed without an exception",
        );
    };
    let fields = body(task);
    if exception.is_exception_of(imports().cancelled_error.as_ptr()) {
        fields.future.rare_mut().cancelled_error.set(exception);
        outcome::cancel(task, None)?;
        registry::unregister(task);
        return Ok(Then::Nothing);
    }
    outcome::set_exception(task, &exception)?;
    registry::unregister(task);
    // SAFETY: static exception classes.
    let fatal = unsafe {
        exception.is_exception_of(ffi::PyExc_KeyboardInterrupt)
            || exception.is_exception_of(ffi::PyExc_SystemExit)
    };
    if fatal {
        return raise_object(exception);
    }
    Ok(Then::Nothing)
}
