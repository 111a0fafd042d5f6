//! Native sleeps on their way from the timers through the ring to their tasks' steps.
//!
//! A wide program has sleepers in the hundreds of thousands, and none of them is in a cache when its time
//! comes. So neither a timer that is due nor its entry of the ring looks at the task; the word moves on, and
//! only the step touches the task. How far a sleep has come is found out when somebody asks, which is when
//! the task is cancelled or shown.

use roundelay::TimerId;

use crate::native::Ref;
use crate::task::{Sleeping, body};

use super::data::LoopData;
use super::object::data;
use super::word::{Kind, Word};

/// How far the native sleep of `task` has come, if it is in one.
pub fn look(task: &Ref) -> Sleeping {
    let fields = body(task);
    if fields.flags().sleeping.get() != Sleeping::Timer {
        return fields.flags().sleeping.get();
    }
    let Some(event_loop) = fields.future.event_loop.get() else {
        return Sleeping::No;
    };
    let state = data(&event_loop);
    let timer = TimerId(fields.timer.get());
    let in_timers = state
        .timers
        .borrow()
        .get(timer)
        .is_some_and(|word| word.kind() == Kind::Sleep && word.peek() == task.as_ptr());
    if in_timers || state.closed.get() {
        // A closed loop has let its timers go, and their tasks as they were.
        return Sleeping::Timer;
    }
    if state.due_sleeps.get() > 0 && !state.sleeps_marked.replace(true) {
        mark(state);
    }
    if fields.flags().sleeping.get() == Sleeping::Timer {
        // Not in the timers, nor on its way: the step is queued.
        fields.flags().sleeping.set(Sleeping::No);
    }
    fields.flags().sleeping.get()
}

/// Notes at every task whose sleep is on its way through the ring that it is.
fn mark(state: &LoopData) {
    for word in state.ready.borrow().iter() {
        if word.kind() == Kind::Sleep {
            let task = word.peek();
            // SAFETY: the word owns the task.
            body(unsafe { Ref::view(&task) })
                .flags()
                .sleeping
                .set(Sleeping::Due);
        }
    }
}

/// A timer with a sleep is due and goes into the ring.
#[inline]
pub fn due(state: &LoopData) {
    state.due_sleeps.set(state.due_sleeps.get() + 1);
}

/// The ring has come to a sleep that is over: queues the task's step, as the callback of asyncio's future
/// would.
#[inline]
pub fn end(state: &LoopData, word: Word) {
    let left = state.due_sleeps.get().saturating_sub(1);
    state.due_sleeps.set(left);
    let task = word.into_object();
    if state.sleeps_marked.get() {
        if left == 0 {
            state.sleeps_marked.set(false);
        }
        return end_marked(state, task);
    }
    state.push(Word::step(task));
}

/// The same in a turn in which somebody has looked, and may have cancelled.
#[cold]
fn end_marked(state: &LoopData, task: Ref) {
    let fields = body(&task);
    if fields.flags().stale_wakeups.get() > 0 {
        fields
            .flags()
            .stale_wakeups
            .set(fields.flags().stale_wakeups.get() - 1);
    } else if fields.flags().sleeping.get() == Sleeping::Due {
        fields.flags().sleeping.set(Sleeping::No);
        state.push(Word::step(task));
    }
}
