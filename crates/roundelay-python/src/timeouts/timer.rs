//! The deadline of a timeout in the loop's timers.
//!
//! On a native loop the timers hold the timeout itself, as a word of its own kind: no handle, no callable, no
//! arguments. On any other loop, and wherever a program could tell the difference, it is a callback of
//! `call_at`, as in asyncio.

use pyo3::ffi;

use crate::compat::context;
use crate::eventloop::{self, LoopData, Word, handle, handle_run};
use crate::imports::names;
use crate::native::{Raised, Ref, Result, none};
use crate::task::{TASK, cancel};

use super::state::State;
use super::timeout::{TimeoutFields, fields, is_plain};

/// Where a loop has a timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Armed {
    /// Nowhere, or as a handle.
    No = 0,
    /// In its timers.
    Timer = 1,
    /// In the ring, for the time has come.
    Due = 2,
}

/// Has the running loop expire the timeout at `when`, or in the next turn if that is now or past.
#[inline]
pub fn arm(timeout: &Ref, event_loop: &Ref, when: &Ref) -> Result<()> {
    if is_plain(timeout) && eventloop::is_plain(event_loop) {
        let state = eventloop::data(event_loop);
        // SAFETY: live.
        let is_float = unsafe { ffi::PyFloat_CheckExact(when.as_ptr()) != 0 };
        // In debug mode handles are shown, and know where they were made.
        if is_float && !state.debug.get() && !state.closed.get() {
            return arm_native(timeout, event_loop, state, when.to_f64()?);
        }
    }
    arm_handle(timeout, event_loop, when)
}

#[inline]
fn arm_native(timeout: &Ref, event_loop: &Ref, state: &LoopData, when: f64) -> Result<()> {
    let own = fields(timeout);
    own.context.set(context::capture()?);
    own.event_loop.set(event_loop.clone());
    let word = Word::timeout(timeout.clone());
    if when <= state.time() {
        own.armed.set(Armed::Due);
        state.push(word);
    } else {
        own.armed.set(Armed::Timer);
        own.timer.set(state.add_timer(when, word));
    }
    Ok(())
}

#[cold]
fn arm_handle(timeout: &Ref, event_loop: &Ref, when: &Ref) -> Result<()> {
    let now = event_loop.call_method(&names().time, [])?;
    // SAFETY: both live.
    let past = unsafe { ffi::PyObject_RichCompare(when.as_ptr(), now.as_ptr(), ffi::Py_LE) };
    // SAFETY: a new reference or null.
    let past = unsafe { Ref::owned_or_raised(past) }?.truthy()?;
    let callback = timeout.getattr(&names().on_timeout)?;
    let handle = if past {
        event_loop.call_method(&names().call_soon, [&callback])?
    } else {
        event_loop.call_method(&names().call_at, [when, &callback])?
    };
    fields(timeout).handle.set(handle);
    Ok(())
}

/// Takes the deadline back: nothing happens when its time comes.
#[inline]
pub fn disarm(own: &TimeoutFields) -> Result<()> {
    forget(own);
    match own.handle.take() {
        Some(handle) => handle.call_method(&names().cancel, []).map(drop),
        None => Ok(()),
    }
}

/// Takes a native timer back.
#[inline]
pub fn forget(own: &TimeoutFields) {
    match own.armed.replace(Armed::No) {
        Armed::No => return,
        Armed::Timer => {
            // The collector takes the loop away if it found the timeout to be garbage together with it.
            if let Some(event_loop) = own.event_loop.get() {
                let state = eventloop::data(&event_loop);
                // The caller holds the timeout too.
                drop(state.cancel_timer(own.timer.get()).map(Word::into_object));
            }
        }
        Armed::Due => own.stale.set(own.stale.get() + 1),
    }
    drop(own.context.take());
    drop(own.event_loop.take());
}

/// Notes that the time has come, and the loop's ring has the timeout.
#[inline]
pub fn due(timeout: &Ref) {
    fields(timeout).armed.set(Armed::Due);
}

/// The entry of the ring.
pub fn fire(timeout: &Ref, event_loop: &Ref, state: &LoopData) -> Result<()> {
    let own = fields(timeout);
    if own.stale.get() > 0 {
        own.stale.set(own.stale.get() - 1);
        return Ok(());
    }
    if own.armed.replace(Armed::No) != Armed::Due {
        return Ok(());
    }
    drop(own.event_loop.take());
    if let Some(shown) = own.handle.get()
        && handle::is_cancelled(&shown)
    {
        drop(own.context.take());
        return Ok(());
    }
    let outcome = match state.contexts.enter(&own.context) {
        Ok(Some(context)) => {
            let outcome = expire(timeout);
            state.contexts.end(context, &own.context, outcome.is_err());
            outcome
        }
        Ok(None) => Ok(()),
        Err(Raised) => Err(Raised),
    };
    drop(own.context.take());
    match outcome {
        Ok(()) => Ok(()),
        Err(Raised) => report(timeout, event_loop),
    }
}

#[cold]
fn report(timeout: &Ref, event_loop: &Ref) -> Result<()> {
    let (callback, handle) = crate::native::aside(|| {
        let callback = timeout.getattr(&names().on_timeout)?;
        let handle = handle::make(event_loop, &callback, handle::Arguments::None, None)?;
        Ok((callback, handle))
    })?;
    handle_run::report(&callback, None, Some(&handle), Some(event_loop))
}

/// `_on_timeout()`
pub fn expire(timeout: &Ref) -> Result<()> {
    let own = fields(timeout);
    if own.state.get() != State::Entered {
        return assertion_failed();
    }
    let task = own.task.get().unwrap_or_else(none);
    if task.is_exact(TASK.get()) {
        cancel::cancel(&task, None)?;
    } else {
        task.call_method(&names().cancel, [])?;
    }
    own.state.set(State::Expiring);
    // Asyncio lets go of it early.
    drop(own.handle.take());
    Ok(())
}

/// What `assert` raises.
#[cold]
pub fn assertion_failed() -> Result<()> {
    // SAFETY: a static exception class.
    unsafe { ffi::PyErr_SetNone(ffi::PyExc_AssertionError) };
    Err(Raised)
}

/// A handle that stands for a native timer: shows what it does, and cancels it.
#[cold]
pub fn shown(timeout: &Ref) -> Result<Ref> {
    let own = fields(timeout);
    if let Some(handle) = own.handle.get() {
        return Ok(handle);
    }
    let event_loop = own.event_loop.get().unwrap_or_else(none);
    let callback = timeout.getattr(&names().on_timeout)?;
    let when = own.when.get().unwrap_or_else(none);
    let arguments = handle::Arguments::None;
    let handle = if own.armed.get() == Armed::Timer {
        handle::make_timer(
            &event_loop,
            when.to_f64()?,
            None,
            &callback,
            arguments,
            None,
        )?
    } else {
        handle::make(&event_loop, &callback, arguments, None)?
    };
    if own.armed.get() != Armed::No {
        own.handle.set(handle.clone());
    }
    Ok(handle)
}
