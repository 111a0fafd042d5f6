//! What the methods of a queue do.
//!
//! asyncio's methods call each other through `self`, so that a subclass may override any of them:
//! `get()` calls `empty()` and `get_nowait()`, which calls `empty()` again and the hook `_get()`. Here the
//! same calls are made where anything of the queue is the user's; a queue that is asyncio's as it stands
//! (see [`plain_kind`]) does the same things without the calls.

use pyo3::ffi;

use crate::future::any;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, Slot, integer, none};
use crate::sync::waiter_queue::{self, WaiterQueue};

use super::container;
use super::fields::{Kind, QueueFields, fields, plain_kind, raise_class};
use super::finished;

/// `self.empty()`
#[inline(always)]
pub fn is_empty(queue: &Ref, kind: Option<Kind>) -> Result<bool> {
    match kind {
        Some(_) => container::is_empty(&fields(queue).container(queue)?),
        None => queue.call_method(&names().empty, [])?.truthy(),
    }
}

/// `self.full()`
#[inline(always)]
pub fn is_full(queue: &Ref, kind: Option<Kind>) -> Result<bool> {
    if kind.is_none() {
        return queue.call_method(&names().full, [])?.truthy();
    }
    let own = fields(queue);
    match own.is_full_with(|| container::len(&own.container(queue)?))? {
        Some(full) => Ok(full),
        None => compare_size(queue, kind)?.truthy(),
    }
}

/// `full()`, whatever class the queue is of: the object that asyncio's method returns.
pub fn full(queue: &Ref) -> Result<Ref> {
    let kind = plain_kind(queue);
    let own = fields(queue);
    let full = match kind {
        Some(_) => own.is_full_with(|| container::len(&own.container(queue)?))?,
        None => None,
    };
    match full {
        Some(full) => Ok(crate::native::boolean(full)),
        None => compare_size(queue, kind),
    }
}

/// `self._maxsize > 0 and self.qsize() >= self._maxsize`, as objects compare.
#[cold]
fn compare_size(queue: &Ref, kind: Option<Kind>) -> Result<Ref> {
    let own = fields(queue);
    let maxsize = own.maxsize_object(queue)?;
    let zero = integer(0)?;
    if compare(&maxsize, &zero, ffi::Py_LE)?.truthy()? {
        return Ok(crate::native::boolean(false));
    }
    let size = match kind {
        Some(_) => integer(container::len(&own.container(queue)?)? as u64)?,
        None => queue.call_method(&names().qsize, [])?,
    };
    compare(&size, &own.maxsize_object(queue)?, ffi::Py_GE)
}

fn compare(left: &Ref, right: &Ref, how: std::ffi::c_int) -> Result<Ref> {
    // SAFETY: both live; a new reference or null.
    unsafe {
        Ref::owned_or_raised(ffi::PyObject_RichCompare(
            left.as_ptr(),
            right.as_ptr(),
            how,
        ))
    }
}

/// `put_nowait(item)`
#[inline]
pub fn put_nowait(queue: &Ref, kind: Option<Kind>, item: &Ref) -> Result<()> {
    let own = fields(queue);
    if own.shut_down.get() {
        return raise_shut_down();
    }
    if is_full(queue, kind)? {
        return raise_class(&imports().queue_full);
    }
    add(queue, kind, item)
}

/// What is left of `put_nowait(item)` once there is known to be room.
#[inline(always)]
pub fn add(queue: &Ref, kind: Option<Kind>, item: &Ref) -> Result<()> {
    let own = fields(queue);
    match kind {
        Some(kind) => container::put(kind, &own.container(queue)?, item)?,
        None => drop(queue.call_method(&names().put_hook, [item])?),
    }
    own.unfinished.set(own.unfinished.get().wrapping_add(1));
    finished::clear(own)?;
    wake_next(queue, kind, &own.getters)
}

/// `get_nowait()`
#[inline]
pub fn get_nowait(queue: &Ref, kind: Option<Kind>) -> Result<Ref> {
    if is_empty(queue, kind)? {
        if fields(queue).shut_down.get() {
            return raise_shut_down();
        }
        return raise_class(&imports().queue_empty);
    }
    take_out(queue, kind)
}

/// What is left of `get_nowait()` once there is known to be an item.
#[inline(always)]
pub fn take_out(queue: &Ref, kind: Option<Kind>) -> Result<Ref> {
    let item = take(queue, kind)?;
    wake_next(queue, kind, &fields(queue).putters)?;
    Ok(item)
}

/// `self._get()`
#[inline(always)]
fn take(queue: &Ref, kind: Option<Kind>) -> Result<Ref> {
    match kind {
        Some(kind) => container::take(kind, &fields(queue).container(queue)?),
        None => queue.call_method(&names().get_hook, []),
    }
}

/// `self._wakeup_next(waiters)`
#[inline(always)]
pub fn wake_next(queue: &Ref, kind: Option<Kind>, waiters: &Slot) -> Result<()> {
    if kind.is_some() {
        if waiter_queue::is_nobody(waiters) {
            return Ok(());
        }
        return wake_first(waiters);
    }
    wake_next_by_method(queue, waiters)
}

#[cold]
fn wake_next_by_method(queue: &Ref, waiters: &Slot) -> Result<()> {
    let waiters = waiter_queue::as_attribute_always(waiters)?;
    queue
        .call_method(&names().wakeup_next, [&waiters])
        .map(drop)
}

/// Wakes the first waiter that is not done.
pub fn wake_first(waiters: &Slot) -> Result<()> {
    while let Some(waiter) = pop(waiters) {
        if !any::is_done(&waiter)? {
            return any::set_result(&waiter, none());
        }
    }
    Ok(())
}

#[inline]
fn pop(waiters: &Slot) -> Option<Ref> {
    WaiterQueue::of(waiters)?.pop()
}

/// `task_done()`
pub fn task_done(queue: &Ref) -> Result<Ref> {
    let own = fields(queue);
    let unfinished = own.unfinished.get();
    if unfinished <= 0 {
        // SAFETY: a static exception class.
        return crate::native::raise(
            unsafe { ffi::PyExc_ValueError },
            c"task_done() called too many times",
        );
    }
    own.unfinished.set(unfinished - 1);
    if unfinished == 1 {
        finished::set(own)?;
    }
    Ok(none())
}

/// `shutdown(immediate)`
pub fn shut_down(queue: &Ref, immediate: bool) -> Result<()> {
    let own = fields(queue);
    own.shut_down.set(true);
    if immediate {
        let kind = plain_kind(queue);
        while !is_empty(queue, kind)? {
            drop(take(queue, kind)?);
            if own.unfinished.get() > 0 {
                own.unfinished.set(own.unfinished.get() - 1);
            }
        }
        if own.unfinished.get() == 0 {
            finished::set(own)?;
        }
    }
    wake_all(&own.getters)?;
    wake_all(&own.putters)
}

/// Tells everyone who waits, so that they look again.
fn wake_all(waiters: &Slot) -> Result<()> {
    while let Some(waiter) = pop(waiters) {
        if !any::is_done(&waiter)? {
            any::set_result(&waiter, none())?;
        }
    }
    Ok(())
}

/// Raises `asyncio.QueueShutDown`.
#[cold]
pub fn raise_shut_down<T>() -> Result<T> {
    let class = imports().queue_shut_down.as_ref();
    raise_class(class.expect("only a queue that can be shut down is"))
}

/// How a queue starts, also one whose `__init__` is called again.
pub fn initialise(queue: &Ref, maxsize: Ref) -> Result<()> {
    let own: &QueueFields = fields(queue);
    own.set_maxsize(maxsize.clone());
    drop(own.getters.take());
    drop(own.putters.take());
    drop(own.finished.take());
    own.unfinished.set(0);
    own.busy.set(false);
    own.shut_down.set(false);
    match plain_kind(queue) {
        Some(kind) => {
            own.items.set(container::make(kind)?);
            Ok(())
        }
        None => queue.call_method(&names().init_hook, [&maxsize]).map(drop),
    }
}
