//! Whether the next turn could only do again what this entry does.
//!
//! A loop that has nothing but one descriptor to look at would end its turn, poll, find the descriptor again,
//! and come back to the very callback that it left. Whoever reads from the descriptor may as well read again:
//! the callbacks come in the same order, without the turns between them.

use crate::native::{Ref, Result};

use super::data::LoopData;
use super::time::now;

/// How often in a row somebody may read again. Other threads wake the loop by a descriptor of its own, which
/// is looked at when it polls.
pub const MOST: usize = 32;

/// Whether nothing else can happen on the loop, which runs an entry for the only descriptor that it watches.
pub fn is_alone(event_loop: &Ref, state: &LoopData) -> Result<bool> {
    if state.watched.borrow().len() != state.internal.get() + 1
        || !state.ready.borrow().is_empty()
        || state.holding.has_writer()
        || state.stopping.get()
        || state.debug.get()
        || state.own_time.get()
        || state.outside.get() > 0
    {
        return Ok(false);
    }
    let next = state.timers.borrow_mut().next_deadline();
    Ok(match next {
        Some(next) => next.0 > now(event_loop, state)? + state.resolution,
        None => true,
    })
}
