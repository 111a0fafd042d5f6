//! What time it is: the loop's clock, or what a `time()` of the user's own says.
//!
//! asyncio asks `self.time()` wherever it needs the time. Tests put a function of their own there, on one loop
//! or in a subclass, to let hours pass; whoever does so decides when timers are due.

use std::ptr;

use pyo3::ffi;

use crate::imports::names;
use crate::native::{Ref, Result, float, take_raised};
use crate::statics::GilCell;

use super::data::LoopData;
use super::object::data;

/// `EventLoop.time`, to see whether somebody overrides it.
static TIME: GilCell<*mut ffi::PyObject> = GilCell::new(ptr::null_mut());

/// Remembers the method of `EventLoop`, which has its methods itself.
pub fn prepare(class: &Ref) -> Result<()> {
    TIME.set(class.getattr(&names().time)?.into_ptr());
    Ok(())
}

/// `time()`
pub fn time(event_loop: &Ref) -> Result<Ref> {
    float(data(event_loop).time())
}

/// The loop's time in seconds.
#[inline]
pub fn now(event_loop: &Ref, state: &LoopData) -> Result<f64> {
    if state.own_time.get() {
        return asked(event_loop)?.to_f64();
    }
    Ok(state.time())
}

/// What the user's `time()` says.
#[cold]
fn asked(event_loop: &Ref) -> Result<Ref> {
    event_loop.call_method(&names().time, [])
}

/// `loop.time() + delay`: the number, and the object if the sum is not a plain float.
pub fn after(event_loop: &Ref, state: &LoopData, delay: &Ref) -> Result<(f64, Option<Ref>)> {
    let now = if state.own_time.get() {
        asked(event_loop)?
    } else {
        let now = state.time();
        // SAFETY: live.
        if unsafe { ffi::PyFloat_CheckExact(delay.as_ptr()) } != 0 {
            return Ok((now + delay.to_f64()?, None));
        }
        float(now)?
    };
    // SAFETY: both live; the sum is a new reference or null.
    let sum = unsafe { Ref::owned_or_raised(ffi::PyNumber_Add(now.as_ptr(), delay.as_ptr())) }?;
    Ok((sum.to_f64()?, Some(sum)))
}

/// Notes whether the loop has a `time()` of the user's own: in its class, or on itself. Called when the loop is
/// made, when it begins to run, and when the attribute is set or deleted on it.
pub fn look_for_own_time(event_loop: &Ref) {
    data(event_loop)
        .own_time
        .set(is_in_class(event_loop) || is_on_instance(event_loop));
}

fn is_in_class(event_loop: &Ref) -> bool {
    // SAFETY: a live type.
    let class = unsafe { Ref::borrowed(event_loop.type_ptr().cast()) };
    match class.getattr(&names().time) {
        Ok(method) => !method.is_ptr(TIME.get()),
        Err(_) => {
            drop(take_raised());
            true
        }
    }
}

fn is_on_instance(event_loop: &Ref) -> bool {
    // SAFETY: live; the dict is a new reference, or null where the class gives instances none.
    unsafe {
        let dict = ffi::PyObject_GenericGetDict(event_loop.as_ptr(), ptr::null_mut());
        match Ref::owned_or_raised(dict) {
            Ok(dict) => ffi::PyDict_Contains(dict.as_ptr(), names().time.as_ptr()) == 1,
            Err(_) => {
                drop(take_raised());
                false
            }
        }
    }
}
