//! `asyncio.wait_for`, which is `async with timeout(...)` around one `await`.

use pyo3::ffi;

use crate::combinators::create::ensure_future;
use crate::combinators::sleep_delay::is_not_positive;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::future::any;
use crate::imports::imports;
use crate::native::{
    Raised, Ref, Result, none, raise_from, raise_object, take_raised, while_handling,
};

use super::cancel_and_wait::cancel_and_wait;
use super::{context_manager, functions};

/// `asyncio.wait_for`
pub static WAIT_FOR: AsyncDef = AsyncDef {
    name: "wait_for",
    qualname: "wait_for",
    parameters: &["fut", "timeout"],
    positional: 2,
    required: 2,
    resume: wait_for,
};

/// Where the frame keeps what is awaited.
pub const AWAITED: usize = 0;
/// Where it keeps how long that may take.
pub const TIMEOUT: usize = 1;
/// Where it keeps the context manager.
const MANAGER: usize = 2;

/// Stages of the body.
const START: u8 = 0;
/// Awaits inside of `async with`.
const INSIDE: u8 = 1;
/// There was no time at all: waits for the end of what it cancelled.
const CANCELLED: u8 = 2;

fn wait_for(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match frame.stage().get() {
        START => begin(frame),
        INSIDE => end(frame, sent),
        _ => end_of_cancelled(frame, sent),
    }
}

fn begin(frame: Frame<'_>) -> Result<Flow> {
    let timeout = frame.argument(TIMEOUT);
    if !timeout.is_none() && is_not_positive(&timeout)? {
        let future = ensure_future(&frame.argument(AWAITED), None)?;
        frame.stage().set(CANCELLED);
        return without_time(frame, future);
    }
    let manager = functions::after(&timeout)?;
    context_manager::enter(&manager)?;
    frame.slot(MANAGER).set(manager);
    frame.stage().set(INSIDE);
    Ok(Flow::Await(frame.argument(AWAITED)))
}

fn end(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let manager = frame.slot(MANAGER).take().unwrap_or_else(none);
    match sent {
        Sent::Raised(exception) => {
            // SAFETY: a live type.
            let class = unsafe { Ref::borrowed(exception.type_ptr().cast()) };
            context_manager::exit(&manager, &class, &exception)?;
            raise_object(exception)
        }
        sent => {
            let value = sent.value()?;
            context_manager::exit(&manager, &none(), &none())?;
            Ok(Flow::Return(value))
        }
    }
}

/// What is done already gives its outcome; what is not is cancelled.
pub fn without_time(frame: Frame<'_>, future: Ref) -> Result<Flow> {
    if any::is_done(&future)? {
        return any::result(&future).map(Flow::Return);
    }
    frame.slot(AWAITED).set(future.clone());
    cancel_and_wait(future).map(Flow::Await)
}

/// The cancelled future is done. What it says counts, unless that is that it was cancelled.
pub fn end_of_cancelled(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    drop(sent.value()?);
    match any::result(&frame.argument(AWAITED)) {
        Ok(value) => Ok(Flow::Return(value)),
        Err(Raised) => {
            let exception = take_raised().ok_or(Raised)?;
            if !exception.is_exception_of(imports().cancelled_error.as_ptr()) {
                return raise_object(exception);
            }
            // SAFETY: a static exception class.
            let class = unsafe { Ref::borrowed(ffi::PyExc_TimeoutError) };
            let timeout_error = class.call([])?;
            while_handling(&exception, || raise_from(timeout_error, &exception))
        }
    }
}
