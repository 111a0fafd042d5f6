//! The loop that a lock or a queue belongs to: the first one that runs while somebody has to wait at it.
//! Follows `asyncio.mixins._LoopBoundMixin`.

use pyo3::ffi;

use crate::eventloop;
use crate::native::{Ref, Result, Slot, none, raise_text, repr};

/// `self._get_loop()`, for an object that keeps its loop in `slot`. `None` if no loop runs.
#[inline]
pub fn get_loop(object: &Ref, slot: &Slot) -> Result<Ref> {
    let running = eventloop::running()?.unwrap_or_else(none);
    if slot.peek() == running.as_ptr() {
        return Ok(running);
    }
    bind(object, slot, running)
}

fn bind(object: &Ref, slot: &Slot, running: Ref) -> Result<Ref> {
    if slot.is_some() {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_RuntimeError },
            &format!("{} is bound to a different event loop", repr(object)?),
        );
    }
    if !running.is_none() {
        slot.set(running.clone());
    }
    Ok(running)
}

/// The attribute `_loop`.
pub fn get(slot: &Slot) -> Ref {
    slot.get().unwrap_or_else(none)
}

/// Sets the attribute `_loop`; `None` and deleting forget the loop.
pub fn set(slot: &Slot, value: Option<&Ref>) {
    slot.put(value.filter(|value| !value.is_none()).cloned());
}
