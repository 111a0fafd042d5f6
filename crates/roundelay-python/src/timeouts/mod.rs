//! Waiting with a deadline: asyncio's `timeouts` module and `wait_for`, native.
//!
//! [`timeout`] is the class, [`context_manager`] what `async with` does with it, and [`timer`] how a
//! deadline gets into the loop's timers and what happens when it has come. [`functions`] are the functions
//! that make one. [`wait_for`] uses a timeout; up to 3.11 it is made differently ([`wait_for_waiter`]).
//! [`cancel_and_wait`] is what both do when there is no time at all.

mod cancel_and_wait;
mod context_manager;
mod functions;
mod state;
mod timeout;
pub mod timer;
mod wait_for;
mod wait_for_waiter;

use crate::compat::behaviour;
use crate::coroutine::function;
use crate::native::{Ref, Result};
use crate::sync::derived::base;

/// Makes the class and the functions; returns them with their names.
pub fn make_types() -> Result<Vec<(&'static std::ffi::CStr, Ref)>> {
    let class = timeout::make_type()?;
    let mut all = vec![(c"Timeout", class)];
    all.extend(functions::make()?);
    let definition = if behaviour::wait_for_is_a_timeout() {
        &wait_for::WAIT_FOR
    } else {
        &wait_for_waiter::WAIT_FOR
    };
    let stock = base(c"asyncio.tasks", "wait_for")?;
    all.push((c"wait_for", function::make(definition, stock)?));
    Ok(all)
}
