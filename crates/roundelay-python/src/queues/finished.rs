//! `_finished`, the event that `join` waits for: set while there is no unfinished task.
//!
//! asyncio makes one for every queue. Most queues are never joined, so here a flag stands for it until
//! somebody asks for the event itself.

use crate::imports::names;
use crate::native::{Ref, Result};
use crate::sync::event::EVENT;

use super::fields::QueueFields;

/// The event, made if need be.
pub fn event(own: &QueueFields) -> Result<Ref> {
    if let Some(event) = own.finished.get() {
        return Ok(event);
    }
    // SAFETY: the type lives as long as the process.
    let class = unsafe { Ref::borrowed(EVENT.get().cast()) };
    let event = class.call([])?;
    if !own.busy.get() {
        event.call_method(&names().set, [])?;
    }
    own.finished.set(event.clone());
    Ok(event)
}

/// `self._finished.clear()`
#[inline(always)]
pub fn clear(own: &QueueFields) -> Result<()> {
    own.busy.set(true);
    if !own.finished.is_some() {
        return Ok(());
    }
    clear_event(own)
}

fn clear_event(own: &QueueFields) -> Result<()> {
    match own.finished.get() {
        None => Ok(()),
        Some(event) => event.call_method(&names().clear, []).map(drop),
    }
}

/// `self._finished.set()`
#[inline]
pub fn set(own: &QueueFields) -> Result<()> {
    own.busy.set(false);
    match own.finished.get() {
        None => Ok(()),
        Some(event) => event.call_method(&names().set, []).map(drop),
    }
}
