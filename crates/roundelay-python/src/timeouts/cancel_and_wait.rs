//! Cancelling something and waiting for its end, however it ends.

use crate::compat::{awaited_by, behaviour};
use crate::coroutine::{AsyncDef, Flow, Frame, Sent, object};
use crate::eventloop;
use crate::future::{self, any};
use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, aside, none, raise_object, take_raised};
use crate::task::cancel::cancel_any;
use crate::waiting::wait::release_function;

static CANCEL_AND_WAIT: AsyncDef = AsyncDef {
    name: "_cancel_and_wait",
    qualname: "_cancel_and_wait",
    parameters: &["fut"],
    positional: 1,
    required: 1,
    resume: run,
};

const FUTURE: usize = 0;
/// Where the frame keeps the callback that ends the wait.
const CALLBACK: usize = 1;
/// Where it keeps the waiting task, for call graphs.
const CALLER: usize = 2;

/// `_cancel_and_wait(future)`: a coroutine that has not begun.
pub fn cancel_and_wait(future: Ref) -> Result<Ref> {
    let coroutine = object::make(&CANCEL_AND_WAIT)?;
    crate::coroutine::Frame(&coroutine).slot(FUTURE).set(future);
    Ok(coroutine)
}

/// `functools.partial(_release_waiter, waiter)`
pub fn release_callback(waiter: &Ref) -> Result<Ref> {
    imports().partial.call([release_function(), waiter])
}

fn run(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match sent {
        Sent::Start => begin(frame),
        Sent::Value(_) => {
            leave(frame)?;
            Ok(Flow::Return(none()))
        }
        Sent::Raised(exception) => {
            leave(frame)?;
            raise_object(exception)
        }
    }
}

fn begin(frame: Frame<'_>) -> Result<Flow> {
    let future = frame.argument(FUTURE);
    let event_loop = eventloop::running_or_error()?;
    let waiter = any::create(&event_loop)?;
    let callback = release_callback(&waiter)?;
    future.call_method(&names().add_done_callback, [&callback])?;
    frame.slot(CALLBACK).set(callback);
    if behaviour::cancel_and_wait_is_an_edge()
        && let Some(caller) = awaited_by::caller(&event_loop)?
    {
        awaited_by::add(&future, &caller)?;
        frame.slot(CALLER).set(caller);
    }
    // The task is not awaited itself, so that a cancellation of the one who waits is not passed on to it.
    match cancel(&future) {
        Ok(()) => Ok(Flow::Await(waiter)),
        Err(Raised) => {
            let raised = take_raised();
            aside(|| leave(frame))?;
            raised.map_or(Err(Raised), raise_object)
        }
    }
}

/// `future.cancel()`
pub fn cancel(future: &Ref) -> Result<()> {
    if future::native(future).is_some() {
        return cancel_any(future, None).map(drop);
    }
    future.call_method(&names().cancel, []).map(drop)
}

fn leave(frame: Frame<'_>) -> Result<()> {
    let future = frame.argument(FUTURE);
    if let Some(callback) = frame.slot(CALLBACK).take() {
        future.call_method(&names().remove_done_callback, [&callback])?;
    }
    match frame.slot(CALLER).take() {
        Some(caller) => awaited_by::discard(&future, &caller),
        None => Ok(()),
    }
}
