//! The tasks behind the present entry of the ring, fetched while this one runs; see `native::prefetch`.
//!
//! (Handles are not: what a callback needs is not at hand from here, and a thousand connections were no faster
//! for it.)

use crate::native::Ref;
use crate::native::prefetch::{MANY, prefetch};
use crate::task::{self, coroutine_of};

use super::data::LoopData;
use super::word::Kind;

/// How far ahead tasks are fetched, and their coroutines, for which they must be there.
const TASKS: usize = 12;
const COROUTINES: usize = 6;

/// A coroutine with a small frame.
const SIZE_OF_COROUTINE: usize = 256;

/// Called before each entry of a turn of `batch`.
#[inline(always)]
pub fn look_ahead(state: &LoopData, batch: usize) {
    if batch > MANY {
        fetch(state);
    }
}

fn fetch(state: &LoopData) {
    let ready = state.ready.borrow();
    // (A sleep that is over is passed on without a look at its task.)
    if let Some(word) = ready.ahead(TASKS)
        && matches!(word.kind(), Kind::Step | Kind::Child)
    {
        prefetch(word.peek(), task::SIZE);
    }
    if let Some(word) = ready.ahead(COROUTINES)
        && word.kind() == Kind::Step
    {
        let task = word.peek();
        // SAFETY: the word owns the task.
        let coroutine = coroutine_of(unsafe { Ref::view(&task) });
        prefetch(coroutine, SIZE_OF_COROUTINE);
    }
}
