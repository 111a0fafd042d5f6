//! Locks and what else tasks wait at for each other: asyncio's `locks` module, native.
//!
//! Every class derives from asyncio's own of the same name, so that `isinstance` and whatever is not
//! native (representations, for one) are as they ever were; [`derived`] says how.

pub mod barrier;
pub mod barrier_wait;
pub mod bounded_semaphore;
pub mod condition;
pub mod condition_wait;
pub mod copying;
pub mod count;
pub mod derived;
pub mod event;
pub mod lock;
pub mod loop_bound;
pub mod semaphore;
pub mod stock_call;
pub mod waiter_queue;

use crate::native::{Ref, Result};

/// Makes all classes; returns them with their names.
pub fn make_types() -> Result<Vec<(&'static std::ffi::CStr, Ref)>> {
    waiter_queue::make_type()?;
    let semaphore = semaphore::make_type()?;
    let bounded_semaphore = bounded_semaphore::make_type(&semaphore)?;
    Ok(vec![
        (c"Lock", lock::make_type()?),
        (c"Event", event::make_type()?),
        (c"Condition", condition::make_type()?),
        (c"Semaphore", semaphore),
        (c"BoundedSemaphore", bounded_semaphore),
        (c"Barrier", barrier::make_type()?),
    ])
}
