//! How a sleep goes.
//!
//! On a native loop the object yields itself. A native task recognises it and goes into the timers without a
//! future; for everyone else (asyncio's own tasks, code that drives coroutines by hand) it is then a
//! future-like object, which makes a real future as soon as anything of one is asked for.

use pyo3::ffi;

use crate::attribute;
use crate::eventloop;
use crate::future;
use crate::imports::names;
use crate::native::gc::track;
use crate::native::trampoline::guard_object;
use crate::native::{Raised, Ref, Result, Resumed, Slot, none, raise, take_raised, tuple};

use super::sleep::{SLEEP, Sleep, Stage, already_awaited, fields};
use super::sleep_delay::{is_not_positive, refuse_nan};
use super::sleep_future::{FINISH, start_timer};

/// When the sleep ends that `object` is, if it is one under way, in seconds of the loop's clock.
#[inline]
pub fn ends_at(object: &Ref) -> Option<f64> {
    (object.is_exact(SLEEP.get()))
        .then(|| fields(object).deadline())
        .flatten()
}

/// When the sleep ends that a native task has been yielded; nothing if `object` is something else.
#[inline]
pub fn yielded_deadline(object: &Ref) -> Option<f64> {
    let deadline = ends_at(object)?;
    fields(object).blocking.set(false);
    Some(deadline)
}

/// Resumes the sleep, whoever drives it.
#[inline(always)]
pub(super) fn resume(sleep: &Ref) -> Result<Resumed> {
    let own = fields(sleep);
    match own.stage() {
        Stage::BegunPause | Stage::NewPause => {
            own.enter(Stage::Paused);
            Ok(Resumed::Yielded(none()))
        }
        Stage::Paused | Stage::Sleeping => {
            own.enter(Stage::Done);
            Ok(Resumed::Returned(own.result.take().unwrap_or_else(none)))
        }
        Stage::New | Stage::Begun => start(sleep, own),
        Stage::Delegated => resume_delegated(sleep),
        Stage::Done => already_awaited(),
    }
}

fn start(sleep: &Ref, own: &Sleep) -> Result<Resumed> {
    let delay = own.held().and_then(Slot::take).unwrap_or_else(none);
    // Whatever fails below ends the sleep.
    own.enter(Stage::Done);
    if is_not_positive(&delay)? {
        own.enter(Stage::Paused);
        return Ok(Resumed::Yielded(none()));
    }
    refuse_nan(&delay)?;
    let Some(event_loop) = eventloop::running()? else {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_RuntimeError }, c"no running event loop");
    };
    match eventloop::native(&event_loop) {
        Some(state) if eventloop::is_native(&event_loop) => {
            eventloop::check_open(state)?;
            own.sleep_until(eventloop::time::after(&event_loop, state, &delay)?.0);
            own.blocking.set(true);
            Ok(Resumed::Yielded(sleep.clone()))
        }
        _ => {
            let future = event_loop.call_method(&names().create_future, [])?;
            let result = own.result.get().unwrap_or_else(none);
            let timer = event_loop.call_method(
                &names().call_later,
                [&delay, FINISH.get(), &future, &result],
            )?;
            delegate(sleep, &future, &timer)?;
            resume_delegated(sleep)
        }
    }
}

/// Sends the rest of the sleep through a real future and its timer.
fn delegate(sleep: &Ref, future: &Ref, timer: &Ref) -> Result<()> {
    let iterator = future.call_method(&names().iter_await, [])?;
    let held = tuple(&[&iterator, timer, future])?;
    let own = fields(sleep);
    own.enter(Stage::Delegated);
    if let Some(slot) = own.held() {
        slot.set(held);
    }
    track(sleep);
    Ok(())
}

/// An item of the tuple that `delegate` keeps: 0 the iterator, 1 the timer, 2 the future.
fn delegated(sleep: &Ref, place: isize) -> Option<Ref> {
    let own = fields(sleep);
    let slot = own.held().filter(|_| own.stage() == Stage::Delegated)?;
    let held = slot.get()?;
    // SAFETY: a tuple of three, by construction.
    Some(unsafe { Ref::borrowed(ffi::PyTuple_GET_ITEM(held.as_ptr(), place)) })
}

fn resume_delegated(sleep: &Ref) -> Result<Resumed> {
    let iterator = delegated(sleep, 0).expect("in this stage");
    match iterator.call_method(&names().send, [&none()]) {
        Ok(value) => Ok(Resumed::Yielded(value)),
        Err(Raised) => {
            let raised = take_raised();
            abandon(sleep)?;
            crate::compat::set_raised(raised.expect("an error has an exception"));
            Resumed::from_stop_iteration()
        }
    }
}

/// Ends the sleep early; a timer that is left is cancelled, as the `finally` of asyncio's sleep does.
pub(super) fn abandon(sleep: &Ref) -> Result<()> {
    let timer = delegated(sleep, 1);
    let own = fields(sleep);
    own.enter(Stage::Done);
    drop(own.held().and_then(Slot::take));
    drop(own.result.take());
    match timer {
        Some(timer) => timer.call_method(&names().cancel, []).map(drop),
        None => Ok(()),
    }
}

/// A real future and its timer for a sleep that yielded itself to someone who is not a native task.
fn real_future(sleep: &Ref) -> Result<Ref> {
    if let Some(future) = delegated(sleep, 2) {
        return Ok(future);
    }
    let event_loop = eventloop::current_or_policy()?;
    let future = future::new_pending(&event_loop)?;
    let result = fields(sleep).result.get().unwrap_or_else(none);
    let deadline = fields(sleep).deadline().expect("it sleeps");
    let timer = start_timer(&event_loop, deadline, &future, &result)?;
    delegate(sleep, &future, &timer)?;
    // The yield has happened already: the iterator's next resumption asks for the outcome.
    future::body(&future).blocking.set(true);
    Ok(future)
}

/// `_asyncio_future_blocking`: true for whom it was just yielded to. Otherwise it is a coroutine, and no
/// future, which asyncio says by `None`.
pub(super) fn blocking_attribute() -> ffi::PyGetSetDef {
    fn get(sleep: &Ref) -> Result<Ref> {
        Ok(if fields(sleep).blocking.get() {
            crate::native::boolean(true)
        } else {
            none()
        })
    }
    fn set(sleep: &Ref, value: Option<&Ref>) -> Result<()> {
        let value = value.map_or(Ok(false), Ref::truthy)?;
        fields(sleep).blocking.set(value);
        Ok(())
    }
    attribute!(c"_asyncio_future_blocking", get, set)
}

/// Whatever a future has and the object has not is asked of the real future, while it stands for one.
pub(super) unsafe extern "C" fn getattro(
    slf: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes live objects.
        let (sleep, name) = unsafe { (Ref::view(&slf), Ref::view(&name)) };
        // SAFETY: as above; a new reference or null.
        let own = unsafe { Ref::owned_or_raised(ffi::PyObject_GenericGetAttr(slf, name.as_ptr())) };
        let stands_for_future = matches!(fields(sleep).stage(), Stage::Sleeping | Stage::Delegated);
        if own.is_ok() || !stands_for_future {
            return own;
        }
        // SAFETY: a static exception class.
        if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) } == 0 {
            return Err(Raised);
        }
        drop(take_raised());
        real_future(sleep)?.getattr(name)
    })
}
