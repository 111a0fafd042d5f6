//! `asyncio.wait_for` as it was up to 3.11: a future of its own is awaited, which either a timer or the end of
//! the other one completes.

use crate::combinators::create::ensure_future;
use crate::combinators::sleep_delay::is_not_positive;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::eventloop;
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, aside, raise_chained, raise_object, while_handling};
use crate::waiting::wait::release_function;

use super::cancel_and_wait::{cancel_and_wait, release_callback};
use super::wait_for::{AWAITED, TIMEOUT, end_of_cancelled, without_time};

/// `asyncio.wait_for`
pub static WAIT_FOR: AsyncDef = AsyncDef {
    name: "wait_for",
    qualname: "wait_for",
    parameters: &["fut", "timeout"],
    positional: 2,
    required: 2,
    resume: wait_for,
};

/// Where the frame keeps the timer's handle.
const TIMER: usize = 2;
/// Where it keeps the callback of what is awaited.
const CALLBACK: usize = 3;
/// Where it keeps the cancellation that is to be raised again.
const CANCELLATION: usize = 4;

/// Stages of the body.
const START: u8 = 0;
/// No timeout: awaits the other one itself.
const PLAIN: u8 = 1;
/// There was no time at all: waits for the end of what it cancelled.
const WITHOUT_TIME: u8 = 2;
/// Awaits its own future.
const WAITING: u8 = 3;
/// The time was over: waits for the end of what it cancelled.
const TIMED_OUT: u8 = 4;
/// It was itself cancelled: waits for the end of what it cancelled.
const CANCELLED: u8 = 5;

fn wait_for(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match frame.stage().get() {
        START => begin(frame),
        PLAIN => sent.value().map(Flow::Return),
        WITHOUT_TIME => end_of_cancelled(frame, sent),
        _ => {
            let flow = go_on(frame, sent);
            if !matches!(flow, Ok(Flow::Await(_))) {
                cancel_timer(frame, flow.is_err())?;
            }
            flow
        }
    }
}

fn begin(frame: Frame<'_>) -> Result<Flow> {
    let event_loop = eventloop::running_or_error()?;
    let (awaited, timeout) = (frame.argument(AWAITED), frame.argument(TIMEOUT));
    if timeout.is_none() {
        frame.stage().set(PLAIN);
        return Ok(Flow::Await(awaited));
    }
    if is_not_positive(&timeout)? {
        let future = ensure_future(&awaited, Some(&event_loop))?;
        frame.stage().set(WITHOUT_TIME);
        return without_time(frame, future);
    }
    let waiter = any::create(&event_loop)?;
    let timer =
        event_loop.call_method(&names().call_later, [&timeout, release_function(), &waiter])?;
    frame.slot(TIMER).set(timer);
    let callback = release_callback(&waiter)?;
    let future = ensure_future(&awaited, Some(&event_loop))?;
    future.call_method(&names().add_done_callback, [&callback])?;
    frame.slot(CALLBACK).set(callback);
    frame.slot(AWAITED).set(future);
    frame.stage().set(WAITING);
    Ok(Flow::Await(waiter))
}

fn go_on(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match (frame.stage().get(), sent) {
        (WAITING, Sent::Raised(exception)) => {
            if !exception.is_exception_of(imports().cancelled_error.as_ptr()) {
                return raise_object(exception);
            }
            frame.slot(CANCELLATION).set(exception);
            give_up(frame, CANCELLED)
        }
        (WAITING, _) => give_up(frame, TIMED_OUT),
        (CANCELLED, sent) => {
            let cancellation = frame.argument(CANCELLATION);
            if let Sent::Raised(exception) = sent {
                // It comes while the first cancellation is being handled.
                return while_handling(&cancellation, || raise_chained(exception));
            }
            raise_object(cancellation)
        }
        (_, sent) => end_of_cancelled(frame, sent),
    }
}

/// The wait is over. What is done gives its outcome; what is not must not run on, so it is cancelled.
fn give_up(frame: Frame<'_>, stage: u8) -> Result<Flow> {
    let future = frame.argument(AWAITED);
    if any::is_done(&future)? {
        return any::result(&future).map(Flow::Return);
    }
    if let Some(callback) = frame.slot(CALLBACK).take() {
        future.call_method(&names().remove_done_callback, [&callback])?;
    }
    frame.stage().set(stage);
    cancel_and_wait(future).map(Flow::Await)
}

fn cancel_timer(frame: Frame<'_>, raised: bool) -> Result<()> {
    let Some(timer) = frame.slot(TIMER).take() else {
        return Ok(());
    };
    let cancel = |timer: Ref| timer.call_method(&names().cancel, []).map(drop);
    if raised {
        aside(|| cancel(timer))
    } else {
        cancel(timer)
    }
}
