//! What asyncio builds on tasks and futures: sleeping, gathering, shielding, creating and ensuring tasks, and
//! going to other threads and back.

pub mod create;
pub mod gather;
mod gather_outcome;
mod gather_seen;
mod pointer_set;
pub mod shield;
pub mod shield_link;
pub mod sleep;
pub mod sleep_course;
pub mod sleep_delay;
pub mod sleep_function;
pub mod sleep_future;
mod threadsafe;
mod to_thread;

use crate::native::{Ref, Result};

/// Makes the functions that stand for Python functions of asyncio; returns them with their names.
pub fn make_functions() -> Result<Vec<(&'static std::ffi::CStr, Ref)>> {
    Ok(vec![
        (c"shield", shield::make()?),
        (c"to_thread", to_thread::make()?),
        (c"run_coroutine_threadsafe", threadsafe::make()?),
    ])
}
