//! Futures of any kind, native or not, for code that makes, asks and finishes futures of a loop it was
//! given. A native one is asked directly; for any other its own methods are called.

use crate::eventloop;
use crate::imports::names;
use crate::native::{Ref, Result};

use super::{State, native, new_pending, outcome};

/// `loop.create_future()`
#[inline]
pub fn create(event_loop: &Ref) -> Result<Ref> {
    if eventloop::is_plain(event_loop) {
        return new_pending(event_loop);
    }
    event_loop.call_method(&names().create_future, [])
}

/// `future.done()`
#[inline]
pub fn is_done(future: &Ref) -> Result<bool> {
    match native(future) {
        Some(fut) => Ok(!fut.is_pending()),
        None => future.call_method(&names().done, [])?.truthy(),
    }
}

/// `future.cancelled()`
#[inline]
pub fn is_cancelled(future: &Ref) -> Result<bool> {
    match native(future) {
        Some(fut) => Ok(fut.state.get() == State::Cancelled),
        None => future.call_method(&names().cancelled, [])?.truthy(),
    }
}

/// `future.result()`
#[inline]
pub fn result(future: &Ref) -> Result<Ref> {
    match native(future) {
        Some(_) => outcome::result(future),
        None => future.call_method(&names().result, []),
    }
}

/// `future.set_exception(exception)`
pub fn set_exception(future: &Ref, exception: Ref) -> Result<()> {
    match native(future) {
        Some(_) if !future.is_exact(crate::task::TASK.get()) => {
            outcome::set_exception(future, &exception)
        }
        _ => future
            .call_method(&names().set_exception, [&exception])
            .map(drop),
    }
}

/// `future.set_result(value)`
#[inline]
pub fn set_result(future: &Ref, value: Ref) -> Result<()> {
    match native(future) {
        Some(_) if !future.is_exact(crate::task::TASK.get()) => outcome::set_result(future, value),
        _ => future.call_method(&names().set_result, [&value]).map(drop),
    }
}
