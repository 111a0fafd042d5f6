//! The outcome of a future: setting it, reading it, and telling those who wait.

use pyo3::ffi;

use crate::eventloop::{self, Word};
use crate::imports::{imports, names};
use crate::native::{Ref, Result, aside, raise, raise_chained, raise_text, string};

use super::body::{FutureBody, State, body};
use super::waiters::{Waiter, Waiters};

fn invalid_state<T>(text: &std::ffi::CStr) -> Result<T> {
    raise(imports().invalid_state_error.as_ptr(), text)
}

/// Fails unless `__init__` has run.
#[inline]
pub fn ensure_alive(fut: &FutureBody) -> Result<()> {
    if fut.event_loop.is_some() {
        return Ok(());
    }
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_RuntimeError },
        c"Future object is not initialized.",
    )
}

/// `Future.set_result`
#[inline]
pub fn set_result(future: &Ref, value: Ref) -> Result<()> {
    let fut = body(future);
    ensure_alive(fut)?;
    if !fut.is_pending() {
        return invalid_state(c"invalid state");
    }
    fut.value.set(value);
    fut.state.set(State::Finished);
    schedule_callbacks(future)
}

/// `Future.set_exception`, also used for what a coroutine raised.
pub fn set_exception(future: &Ref, exception: &Ref) -> Result<()> {
    let fut = body(future);
    ensure_alive(fut)?;
    if !fut.is_pending() {
        return invalid_state(c"invalid state");
    }
    // SAFETY: live.
    let exception = if unsafe { ffi::PyExceptionClass_Check(exception.as_ptr()) != 0 } {
        let made = exception.call([])?;
        if !fut.is_pending() {
            return invalid_state(c"invalid state");
        }
        made
    } else {
        exception.clone()
    };
    if !exception.is_exception() {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_TypeError }, c"invalid exception object");
    }
    let exception = refuse_stop_iteration(exception)?;
    // SAFETY: a live exception; the result is a new reference or null.
    let traceback = unsafe {
        let traceback = ffi::PyException_GetTraceback(exception.as_ptr());
        (!traceback.is_null()).then(|| Ref::owned(traceback))
    };
    if let Some(traceback) = traceback {
        fut.rare_mut().traceback.set(traceback);
    }
    fut.value.set(exception);
    fut.state.set(State::Failed);
    // Before the callbacks: one of them may be run by a loop that looks at the future at once.
    fut.log_traceback.set(true);
    schedule_callbacks(future)
}

/// A `StopIteration` cannot travel through a generator: older CPythons refuse it, newer ones wrap it.
fn refuse_stop_iteration(exception: Ref) -> Result<Ref> {
    // SAFETY: a static exception class.
    let stop_iteration: *mut ffi::PyTypeObject = unsafe { ffi::PyExc_StopIteration.cast() };
    let text = "StopIteration interacts badly with generators and cannot be raised into a Future";
    if !crate::compat::stop_iteration::is_wrapped() {
        if exception.is_exact(stop_iteration) {
            // SAFETY: a static exception class.
            return raise_text(unsafe { ffi::PyExc_TypeError }, text);
        }
        return Ok(exception);
    }
    if !exception.is_instance(stop_iteration) {
        return Ok(exception);
    }
    // SAFETY: live objects; cause and context each steal one reference.
    unsafe {
        let class = Ref::borrowed(ffi::PyExc_RuntimeError);
        let wrapped = class.call([&string(text)?])?;
        ffi::PyException_SetCause(wrapped.as_ptr(), exception.clone().into_ptr());
        ffi::PyException_SetContext(wrapped.as_ptr(), exception.into_ptr());
        Ok(wrapped)
    }
}

/// `Future.cancel` of a plain future: tells everyone at once.
pub fn cancel(future: &Ref, message: Option<Ref>) -> Result<bool> {
    let fut = body(future);
    ensure_alive(fut)?;
    fut.log_traceback.set(false);
    if !fut.is_pending() {
        return Ok(false);
    }
    fut.state.set(State::Cancelled);
    fut.set_cancel_message(message);
    schedule_callbacks(future)?;
    Ok(true)
}

/// The outcome of a future whose `__init__` has not run is a matter of state, says asyncio.
#[inline]
fn ensure_alive_for_reading(fut: &FutureBody) -> Result<()> {
    if fut.event_loop.is_some() {
        Ok(())
    } else {
        invalid_state(c"Future object is not initialized.")
    }
}

/// `Future.result`. What it raises is raised anew each time: whatever is being handled becomes its context.
pub fn result(future: &Ref) -> Result<Ref> {
    let fut = body(future);
    ensure_alive_for_reading(fut)?;
    match fut.state.get() {
        State::Pending => invalid_state(c"Result is not set."),
        State::Cancelled => raise_chained(make_cancelled_error(future)?),
        State::Finished => {
            fut.log_traceback.set(false);
            Ok(fut.value.get().expect("a finished future has a result"))
        }
        State::Failed => raise_chained(failure(fut)),
    }
}

/// The exception of a failed future with the traceback it came with, marked as retrieved.
pub fn failure(fut: &FutureBody) -> Ref {
    fut.log_traceback.set(false);
    let exception = fut.value.get().expect("a failed future has an exception");
    let traceback = fut.rare().and_then(|rare| rare.traceback.take());
    // SAFETY: a live exception; the traceback is one, or `None`.
    unsafe {
        let traceback = traceback.as_ref().map_or(ffi::Py_None(), Ref::as_ptr);
        ffi::PyException_SetTraceback(exception.as_ptr(), traceback);
    }
    exception
}

/// `Future.exception`
pub fn exception(future: &Ref) -> Result<Option<Ref>> {
    let fut = body(future);
    ensure_alive_for_reading(fut)?;
    match fut.state.get() {
        State::Pending => invalid_state(c"Exception is not set."),
        State::Cancelled => raise_chained(make_cancelled_error(future)?),
        State::Finished => {
            fut.log_traceback.set(false);
            Ok(None)
        }
        State::Failed => {
            fut.log_traceback.set(false);
            Ok(fut.value.get())
        }
    }
}

/// The `CancelledError` of a cancelled future: the one that ended the task, given out once, or a new one
/// with the message of `cancel()`.
pub fn make_cancelled_error(future: &Ref) -> Result<Ref> {
    let fut = body(future);
    if let Some(error) = fut.rare().and_then(|rare| rare.cancelled_error.take()) {
        return Ok(error);
    }
    cancelled_error(fut.cancel_message().as_ref())
}

/// `CancelledError(message)`, or `CancelledError()`.
pub fn cancelled_error(message: Option<&Ref>) -> Result<Ref> {
    match message.filter(|message| !message.is_none()) {
        Some(message) => imports().cancelled_error.call([message]),
        None => imports().cancelled_error.call([]),
    }
}

/// Puts everyone who waits into the loop's queue, in order. They run an iteration later, never here.
#[inline]
pub fn schedule_callbacks(future: &Ref) -> Result<()> {
    let fut = body(future);
    if fut.waiters.is_empty() {
        return Ok(());
    }
    if fut.waiters.is_collector() && fut.native_loop.get() {
        // The collector stays in the slot until the ring gets to the child.
        return eventloop::push(fut, Word::child(future.clone()));
    }
    match fut.waiters.take() {
        Waiters::None => Ok(()),
        Waiters::Task(task) => eventloop::push(fut, Word::step(task)),
        Waiters::Collector(collector) => schedule(future, Waiter::Collector(collector)),
        Waiters::List(list) => {
            // If scheduling one fails, the rest is dropped, as asyncio does.
            for waiter in *list {
                schedule(future, waiter)?;
            }
            Ok(())
        }
    }
}

/// Puts one waiter of a future that is done into the loop's queue.
pub fn schedule(future: &Ref, waiter: Waiter) -> Result<()> {
    let fut = body(future);
    match waiter {
        Waiter::Task(task) => eventloop::push(fut, Word::step(task)),
        Waiter::Collector(collector) if fut.native_loop.get() => {
            // One entry of the ring for each collector in the slot, in the same order.
            fut.waiters.add(Waiter::Collector(collector));
            eventloop::push(fut, Word::child(future.clone()))
        }
        Waiter::Collector(collector) => {
            let callback = super::collector::callback(&collector)?;
            let context = Ref::copied_context()?;
            schedule(future, Waiter::Call(callback, context))
        }
        Waiter::Call(callback, context) => {
            let event_loop = fut.event_loop.get().expect("checked by the callers");
            eventloop::call_soon(
                &event_loop,
                fut.native_loop.get(),
                &callback,
                Some(future),
                &context,
            )
        }
    }
}

/// `tp_finalize` of a future: an exception that nobody looked at is reported.
pub fn report_unretrieved(future: &Ref) {
    let fut = body(future);
    if !fut.log_traceback.replace(false) {
        return;
    }
    let Some(exception) = fut.value.get() else {
        return;
    };
    aside(|| {
        let report = || -> Result<()> {
            // SAFETY: a type's name lives as long as the type.
            let class = unsafe { std::ffi::CStr::from_ptr((*future.type_ptr()).tp_name) };
            let class = class.to_string_lossy();
            let class = class.rsplit('.').next().unwrap_or_default();
            let message = string(&format!("{class} exception was never retrieved"))?;
            let context = crate::native::dict(&[
                (c"message", &message),
                (c"exception", &exception),
                (c"future", future),
            ])?;
            call_exception_handler(future, &context)
        };
        if report().is_err() {
            crate::native::write_unraisable(future);
        }
    });
}

/// Hands a report about a future to its loop's exception handler, with where the future was made.
pub fn call_exception_handler(future: &Ref, context: &Ref) -> Result<()> {
    let fut = body(future);
    if let Some(source) = fut.rare().and_then(|rare| rare.source_traceback.get()) {
        // SAFETY: a live dict.
        crate::native::check(unsafe {
            ffi::PyDict_SetItem(
                context.as_ptr(),
                names().source_traceback.as_ptr(),
                source.as_ptr(),
            )
        })?;
    }
    let event_loop = fut.event_loop.get();
    match event_loop {
        Some(event_loop) => event_loop
            .call_method(&names().call_exception_handler, [context])
            .map(drop),
        None => Ok(()),
    }
}
