//! The coroutines `get`, `put` and `join`.

use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::future::any;
use crate::imports::names;
use crate::native::{Ref, Result, Slot, none, raise_object};
use crate::sync::loop_bound;
use crate::sync::waiter_queue::WaiterQueue;

use super::fields::{Kind, fields, plain_kind};
use super::finished;
use super::operations::{add, is_empty, is_full, raise_shut_down, take_out, wake_next};

pub static GET: AsyncDef = AsyncDef {
    name: "get",
    qualname: "Queue.get",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: get,
};

pub static PUT: AsyncDef = AsyncDef {
    name: "put",
    qualname: "Queue.put",
    parameters: &["item"],
    positional: 1,
    required: 1,
    resume: put,
};

pub static JOIN: AsyncDef = AsyncDef {
    name: "join",
    qualname: "Queue.join",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: join,
};

/// `get()`. Slot 0 is the queue, slot 1 the future that is waited for.
fn get(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let queue = frame.argument(0);
    let own = fields(&queue);
    let kind = plain_kind(&queue);
    if let Sent::Raised(exception) = sent {
        give_up(&queue, kind, &own.getters, frame.slot(1), is_empty)?;
        return raise_object(exception);
    }
    if let Sent::Value(_) = sent {
        drop(frame.slot(1).take());
    }
    if !is_empty(&queue, kind)? {
        let item = match kind {
            Some(_) => take_out(&queue, kind)?,
            None => queue.call_method(&names().get_nowait, [])?,
        };
        return Ok(Flow::Return(item));
    }
    if own.shut_down.get() && is_empty(&queue, kind)? {
        return raise_shut_down();
    }
    wait(&queue, &own.event_loop, &own.getters, frame.slot(1))
}

/// `put(item)`. Slot 0 is the queue, slot 1 the item, slot 2 the future that is waited for.
fn put(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let queue = frame.argument(0);
    let own = fields(&queue);
    let kind = plain_kind(&queue);
    if let Sent::Raised(exception) = sent {
        give_up(&queue, kind, &own.putters, frame.slot(2), is_full)?;
        return raise_object(exception);
    }
    if let Sent::Value(_) = sent {
        drop(frame.slot(2).take());
    }
    if is_full(&queue, kind)? {
        if own.shut_down.get() {
            return raise_shut_down();
        }
        return wait(&queue, &own.event_loop, &own.putters, frame.slot(2));
    }
    let item = frame.argument(1);
    if kind.is_none() {
        let result = queue.call_method(&names().put_nowait, [&item]);
        return result.map(Flow::Return);
    }
    if own.shut_down.get() {
        return raise_shut_down();
    }
    add(&queue, kind, &item)?;
    Ok(Flow::Return(none()))
}

/// `join()`. Slot 0 is the queue.
fn join(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if matches!(sent, Sent::Start) {
        let queue = frame.argument(0);
        let own = fields(&queue);
        if own.unfinished.get() > 0 {
            let finished = finished::event(own)?;
            return finished.call_method(&names().wait, []).map(Flow::Await);
        }
    }
    sent.value().map(|_| Flow::Return(none()))
}

/// Stands in line.
#[inline(never)]
fn wait(queue: &Ref, event_loop: &Slot, waiters: &Slot, waiting: &Slot) -> Result<Flow> {
    let future = any::create(&loop_bound::get_loop(queue, event_loop)?)?;
    WaiterQueue::of_or_new(waiters)?.push(future.clone());
    waiting.set(future.clone());
    Ok(Flow::Await(future))
}

/// Leaves the line. Who was told that it is its turn, and does not take it, tells the next one.
#[cold]
fn give_up(
    queue: &Ref,
    kind: Option<Kind>,
    waiters: &Slot,
    waiting: &Slot,
    is_blocked: fn(&Ref, Option<Kind>) -> Result<bool>,
) -> Result<()> {
    let Some(future) = waiting.take() else {
        return Ok(());
    };
    // Whatever was thrown in, the future may still be pending.
    future.call_method(&names().cancel, [])?;
    if let Some(line) = WaiterQueue::of(waiters) {
        line.remove(&future);
    }
    if !is_blocked(queue, kind)? && !any::is_cancelled(&future)? {
        wake_next(queue, kind, waiters)?;
    }
    Ok(())
}
