//! Waiting for several futures at once: `asyncio.wait` and `asyncio.as_completed`.
//!
//! Both are told of their futures as a gather is (see `future::collector`).

pub mod as_completed;
pub mod completed_iterator;
pub mod wait;
pub mod wait_collector;

use crate::compat::completion_behaviour::completion;
use crate::native::{self, Ref, Result, string};

/// Makes types and functions; returns the functions with their names. `module` has the helpers.
pub fn make(module: &Ref) -> Result<Vec<(&'static std::ffi::CStr, Ref)>> {
    wait_collector::make_type()?;
    completed_iterator::make_type()?;
    let mut functions = vec![(c"wait", wait::make(module)?)];
    if completion().iterates_both_ways {
        // Before, it is a generator, which only Python code can make.
        let stock = crate::imports::module(c"asyncio.tasks")?.getattr(&string("as_completed")?)?;
        let native = native::function::make(as_completed::as_completed, stock)?;
        functions.push((c"as_completed", native));
    }
    Ok(functions)
}
