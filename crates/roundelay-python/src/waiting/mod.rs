//! Waiting for several futures at once: `asyncio.wait` and `asyncio.as_completed`.
//!
//! Both are told of their futures as a gather is (see `future::collector`).

pub mod wait;
pub mod wait_collector;

use crate::native::{Ref, Result};

/// Makes types and functions; returns the functions with their names. `module` has the helpers.
pub fn make(module: &Ref) -> Result<Vec<(&'static std::ffi::CStr, Ref)>> {
    wait_collector::make_type()?;
    Ok(vec![(c"wait", wait::make(module)?)])
}
