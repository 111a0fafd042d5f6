//! Native objects that collect the outcomes of many futures: a gather, a task group, a `wait`, an
//! `as_completed`. (A `shield` is told of one.)
//!
//! A native future that one of them waits for has it in its waiter slot, so that neither a callback nor a
//! handle is made. It is told in the turn, and at the place in it, in which asyncio's callback would run:
//! when the future is done, an entry for it goes into the ring and the collector stays in the slot; when
//! the ring gets to the entry, the collector is taken out and told. Futures that are not native get a
//! callback (see [`collector_callback`]), and whoever asks a future for its callbacks is shown one.

use crate::combinators::gather::{self, GATHERING};
use crate::combinators::shield;
use crate::combinators::shield_link::SHIELD_LINK;
use crate::imports::names;
use crate::native::{Ref, Result};
use crate::taskgroup::{self, TASK_GROUP};
use crate::waiting::as_completed;
use crate::waiting::completed_iterator::AS_COMPLETED;
use crate::waiting::wait_collector::{self, WAIT_COLLECTOR};

use super::collector_callback;
use super::{Waiter, native, outcome};

/// Tells `collector` that `child` is done.
#[inline]
pub fn child_done(collector: &Ref, child: &Ref) -> Result<()> {
    let class = collector.type_ptr();
    if class == TASK_GROUP.get() {
        return taskgroup::child_done(collector, child);
    }
    if class == WAIT_COLLECTOR.get() {
        return wait_collector::child_done(collector, child);
    }
    if class == AS_COMPLETED.get() {
        return as_completed::child_done(collector, child);
    }
    if class == SHIELD_LINK.get() {
        return shield::child_done(collector, child);
    }
    debug_assert_eq!(class, GATHERING.get());
    gather::child_done(collector, child)
}

/// A callable for `add_done_callback` that tells the collector. Two of the same collector are equal.
pub fn callback(collector: &Ref) -> Result<Ref> {
    if collector.is_exact(TASK_GROUP.get()) {
        return taskgroup::callback(collector);
    }
    collector_callback::make(collector.clone())
}

/// What the callable is called in asyncio: `__name__` and `__qualname__`.
pub fn callback_name(collector: &Ref) -> (&'static str, &'static str) {
    if collector.is_exact(SHIELD_LINK.get()) {
        return shield::callback_name(collector);
    }
    if collector.is_exact(WAIT_COLLECTOR.get()) {
        return ("_on_completion", "_wait.<locals>._on_completion");
    }
    if collector.is_exact(AS_COMPLETED.get()) {
        return (
            "_handle_completion",
            "_AsCompletedIterator._handle_completion",
        );
    }
    ("_done_callback", "gather.<locals>._done_callback")
}

/// Has `child` tell `collector` when it is done; one that is done already does so in the next turn.
/// `callback` is made for the first child that needs one, and shared by all.
#[inline]
pub fn add(child: &Ref, collector: &Ref, shared: &mut Option<Ref>) -> Result<()> {
    if let Some(fut) = native(child)
        && fut.native_loop.get()
    {
        if fut.is_pending() {
            fut.waiters.add(Waiter::Collector(collector.clone()));
            return Ok(());
        }
        return outcome::schedule(child, Waiter::Collector(collector.clone()));
    }
    let callback = match shared {
        Some(callback) => callback,
        None => shared.insert(callback(collector)?),
    };
    child
        .call_method(&names().add_done_callback, [callback])
        .map(drop)
}

/// Takes that back, if the child is still pending.
#[inline]
pub fn remove(child: &Ref, collector: &Ref, shared: &mut Option<Ref>) -> Result<()> {
    if let Some(fut) = native(child)
        && fut.native_loop.get()
    {
        if fut.is_pending() {
            drop(fut.waiters.remove_collector(collector));
        }
        return Ok(());
    }
    let callback = match shared {
        Some(callback) => callback,
        None => shared.insert(callback(collector)?),
    };
    child
        .call_method(&names().remove_done_callback, [callback])
        .map(drop)
}
