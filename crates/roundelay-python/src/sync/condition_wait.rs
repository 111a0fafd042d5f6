//! `Condition.wait` and `Condition.wait_for`.

use pyo3::ffi;

use crate::compat::behaviour;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::{
    Raised, Ref, Result, boolean, raise, raise_chained, raise_object, string, take_raised,
    while_handling,
};

use super::condition::{ConditionFields, fields, is_locked, wake};
use super::loop_bound;
use super::waiter_queue::{self, WaiterQueue};

pub static WAIT: AsyncDef = AsyncDef {
    name: "wait",
    qualname: "Condition.wait",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: wait,
};

pub static WAIT_FOR: AsyncDef = AsyncDef {
    name: "wait_for",
    qualname: "Condition.wait_for",
    parameters: &["predicate"],
    positional: 1,
    required: 1,
    resume: wait_for,
};

/// Stages of `wait`.
const WAITING: u8 = 1;
const TAKING_THE_LOCK_BACK: u8 = 2;

/// Slots of `wait`, behind the condition.
const FUTURE: usize = 1;
/// What ended the wait, if it was an exception.
const FAILURE: usize = 2;
/// The last cancellation that came while the lock was taken back.
const CANCELLED: usize = 3;

/// `wait()`: gives the lock back, waits, and takes the lock again whatever happens.
fn wait(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let condition = frame.argument(0);
    let own = fields(&condition);
    match frame.stage().get() {
        WAITING => {
            waiter_queue::leave(&own.waiters, frame.slot(FUTURE));
            if let Sent::Raised(exception) = sent {
                frame.slot(FAILURE).set(exception);
            }
        }
        TAKING_THE_LOCK_BACK => match sent {
            Sent::Raised(exception) => not_taken(frame, &condition, exception)?,
            _ => return end(frame, &condition),
        },
        _ => {
            if let Some(future) = begin(frame, &condition, own)? {
                return Ok(Flow::Await(future));
            }
        }
    }
    frame.stage().set(TAKING_THE_LOCK_BACK);
    loop {
        match condition.call_method(&names().acquire, []) {
            Ok(acquiring) => return Ok(Flow::Await(acquiring)),
            Err(Raised) => {
                let exception = take_raised().expect("an error has an exception");
                not_taken(frame, &condition, exception)?;
            }
        }
    }
}

/// Gives the lock back; the future to wait for, or nothing if there is none and the lock is to be taken
/// again.
fn begin(frame: Frame<'_>, condition: &Ref, own: &ConditionFields) -> Result<Option<Ref>> {
    if !is_locked(condition)? {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_RuntimeError },
            c"cannot wait on un-acquired lock",
        );
    }
    let create = || any::create(&loop_bound::get_loop(condition, &own.event_loop)?);
    let future = if behaviour::condition_passes_on() {
        let future = create()?;
        condition.call_method(&names().release, [])?;
        future
    } else {
        condition.call_method(&names().release, [])?;
        match create() {
            Ok(future) => future,
            Err(Raised) => {
                frame.slot(FAILURE).put(take_raised());
                return Ok(None);
            }
        }
    };
    WaiterQueue::of_or_new(&own.waiters)?.push(future.clone());
    frame.slot(FUTURE).set(future.clone());
    frame.stage().set(WAITING);
    Ok(Some(future))
}

/// The lock could not be taken back: a cancellation is put off, anything else ends the wait.
fn not_taken(frame: Frame<'_>, condition: &Ref, exception: Ref) -> Result<()> {
    let context = exception.getattr(&string("__context__")?)?;
    if let Some(failure) = frame.slot(FAILURE).get()
        && context.is_none()
    {
        // It came while this one was on its way out.
        let raise = || -> Result<()> { raise_chained(exception.clone()) };
        drop(while_handling(&failure, raise));
        drop(take_raised());
    }
    if exception.is_exception_of(imports().cancelled_error.as_ptr()) {
        frame.slot(CANCELLED).set(exception);
        return Ok(());
    }
    pass_on(condition, exception).map(drop)
}

/// The lock is taken: the wait is over.
fn end(frame: Frame<'_>, condition: &Ref) -> Result<Flow> {
    let failure = frame.slot(FAILURE).take();
    let exception = match (frame.slot(CANCELLED).take(), failure) {
        (None, None) => return Ok(Flow::Return(boolean(true))),
        (None, Some(failure)) => failure,
        (Some(cancelled), failure) => {
            let cancelled = if behaviour::condition_passes_on() {
                cancelled
            } else {
                imports().cancelled_error.call([])?
            };
            let raise = || -> Result<()> { raise_chained(cancelled) };
            drop(match &failure {
                Some(failure) => while_handling(failure, raise),
                None => raise(),
            });
            take_raised().expect("it was just raised")
        }
    };
    pass_on(condition, exception)
}

/// Raises what ends the wait. The condition may have been notified of this one, who does not act on it: so
/// that the news is not lost, another is told.
#[cold]
fn pass_on(condition: &Ref, exception: Ref) -> Result<Flow> {
    if behaviour::condition_passes_on() {
        while_handling(&exception, || wake(condition, 1))?;
    }
    raise_object(exception)
}

/// `wait_for(predicate)`. Slot 0 is the condition, slot 1 the predicate.
fn wait_for(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    sent.value()?;
    let predicate = frame.slot(1).get().expect("an argument that is required");
    let answer = predicate.call([])?;
    if answer.truthy()? {
        return Ok(Flow::Return(answer));
    }
    let waiting = frame.argument(0).call_method(&names().wait, [])?;
    Ok(Flow::Await(waiting))
}
