//! Locks and what else tasks wait at for each other: asyncio's `locks` module, native.
//!
//! Every class derives from asyncio's own of the same name, so that `isinstance` and whatever is not
//! native (representations, for one) are as they ever were; [`derived`] says how.

pub mod copying;
pub mod derived;
pub mod event;
pub mod lock;
pub mod loop_bound;
pub mod stock_call;
pub mod waiter_queue;

use crate::native::{Ref, Result};

/// Makes all classes; returns them with their names.
pub fn make_types() -> Result<Vec<(&'static std::ffi::CStr, Ref)>> {
    waiter_queue::make_type()?;
    Ok(vec![
        (c"Lock", lock::make_type()?),
        (c"Event", event::make_type()?),
    ])
}
