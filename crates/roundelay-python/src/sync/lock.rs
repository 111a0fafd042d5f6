//! `asyncio.Lock`.

use std::cell::Cell;
use std::mem::offset_of;

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::future::any;
use crate::imports::names;
use crate::native::types::type_of_class;
use crate::native::{Ref, Result, Slot, boolean, none, raise, raise_object};
use crate::statics::{TypeCell, unset};
use crate::{attribute, init_slot, method0};

use super::waiter_queue::{self, WaiterQueue};
use super::{derived, loop_bound, stock_call};

/// The type `roundelay.Lock`.
pub static LOCK: TypeCell = unset();

/// All zero bytes are a lock that is free.
#[repr(C)]
pub struct LockFields {
    /// The loop it belongs to, once somebody had to wait.
    event_loop: Slot,
    /// Futures of those who wait; see `waiter_queue`.
    waiters: Slot,
    /// Whether somebody holds the lock.
    locked: Cell<bool>,
}

fn fields(lock: &Ref) -> &LockFields {
    // SAFETY: only called for instances of `LOCK` and its subclasses.
    unsafe { derived::fields(lock) }
}

static ACQUIRE: AsyncDef = AsyncDef {
    name: "acquire",
    qualname: "Lock.acquire",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: acquire,
};

static ENTER: AsyncDef = AsyncDef {
    name: "__aenter__",
    qualname: "_ContextManagerMixin.__aenter__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: enter,
};

static EXIT: AsyncDef = AsyncDef {
    name: "__aexit__",
    qualname: "_ContextManagerMixin.__aexit__",
    parameters: &["exc_type", "exc", "tb"],
    positional: 3,
    required: 3,
    resume: exit,
};

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.locks", "Lock")?;
    let class = derived::builder::<LockFields>(
        c"asyncio.locks.Lock",
        &base,
        &[
            (c"_native_loop", offset_of!(LockFields, event_loop)),
            (c"_native_waiters", offset_of!(LockFields, waiters)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(
            c"locked",
            is_locked,
            c"locked($self, /)\n--\n\nReturn True if lock is acquired."
        ),
        method0!(
            c"release",
            release_method,
            c"release($self, /)\n--\n\nRelease a lock."
        ),
        method0!(
            c"_wake_up_first",
            wake_up_first_method,
            c"_wake_up_first($self, /)\n--\n\n"
        ),
        method0!(
            c"__getstate__",
            get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ])
    .attributes([
        attribute!(c"_loop", get_loop, set_loop),
        attribute!(c"_waiters", get_waiters, set_waiters),
        attribute!(c"_locked", is_locked, set_locked),
    ])
    .build(Some(&base))?;
    LOCK.set(type_of_class(&class));
    for definition in [&ACQUIRE, &ENTER, &EXIT] {
        function::add_method(&class, definition)?;
    }
    Ok(class)
}

fn init(lock: &Ref, args: crate::native::Args<'_>) -> Result<()> {
    if !args.is_empty() {
        return stock_call::init(lock, &args);
    }
    let own = fields(lock);
    own.locked.set(false);
    drop(own.waiters.take());
    Ok(())
}

/// Whether nothing that `async with` calls can be the user's.
#[inline]
pub fn is_plain(lock: &Ref) -> bool {
    lock.is_exact(LOCK.get())
}

fn acquire(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match acquire_step(frame, sent)? {
        Flow::Return(_) => Ok(Flow::Return(boolean(true))),
        flow => Ok(flow),
    }
}

/// `acquire()`, giving `None` at its end. Slot 0 is the lock, slot 1 the future that is waited for.
fn acquire_step(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let lock = frame.argument(0);
    let own = fields(&lock);
    match sent {
        Sent::Start => {
            if !own.locked.get() {
                // Jumping the queue is fair if everyone in it was cancelled.
                if waiter_queue::is_nobody(&own.waiters)
                    || WaiterQueue::of_or_new(&own.waiters)?.all_cancelled()?
                {
                    own.locked.set(true);
                    return Ok(Flow::Return(none()));
                }
            }
            let queue = WaiterQueue::of_or_new(&own.waiters)?;
            let future = any::create(&loop_bound::get_loop(&lock, &own.event_loop)?)?;
            queue.push(future.clone());
            frame.slot(1).set(future.clone());
            Ok(Flow::Await(future))
        }
        Sent::Value(_) => {
            waiter_queue::leave(&own.waiters, frame.slot(1));
            own.locked.set(true);
            Ok(Flow::Return(none()))
        }
        Sent::Raised(exception) => {
            waiter_queue::leave(&own.waiters, frame.slot(1));
            let cancelled = crate::imports::imports().cancelled_error.as_ptr();
            // Whoever was woken and does not take the lock passes the turn on.
            if exception.is_exception_of(cancelled) && !own.locked.get() {
                wake_up_first(own)?;
            }
            raise_object(exception)
        }
    }
}

/// `__aenter__()`, which gives `None`.
fn enter(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_plain(&frame.argument(0)) {
        return acquire_step(frame, sent);
    }
    enter_through_acquire(frame, sent)
}

/// `__aenter__()` of a subclass, whose `acquire` may be its own.
pub fn enter_through_acquire(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match sent {
        Sent::Start => {
            let acquire = frame.argument(0).call_method(&names().acquire, [])?;
            Ok(Flow::Await(acquire))
        }
        sent => sent.value().map(|_| Flow::Return(none())),
    }
}

/// `__aexit__()`
fn exit(frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    let lock = frame.argument(0);
    if is_plain(&lock) {
        release(fields(&lock))?;
    } else {
        lock.call_method(&names().release, [])?;
    }
    Ok(Flow::Return(none()))
}

#[inline]
fn release(own: &LockFields) -> Result<()> {
    if !own.locked.get() {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_RuntimeError }, c"Lock is not acquired.");
    }
    own.locked.set(false);
    wake_up_first(own)
}

/// Tells the first in the queue that it is its turn, unless it knows.
#[inline]
fn wake_up_first(own: &LockFields) -> Result<()> {
    if waiter_queue::is_nobody(&own.waiters) {
        return Ok(());
    }
    let Some(first) = WaiterQueue::of(&own.waiters).and_then(|queue| queue.first()) else {
        return Ok(());
    };
    if !any::is_done(&first)? {
        any::set_result(&first, boolean(true))?;
    }
    Ok(())
}

fn release_method(lock: &Ref) -> Result<Ref> {
    release(fields(lock)).map(|()| none())
}

fn wake_up_first_method(lock: &Ref) -> Result<Ref> {
    wake_up_first(fields(lock)).map(|()| none())
}

fn is_locked(lock: &Ref) -> Result<Ref> {
    Ok(boolean(fields(lock).locked.get()))
}

fn set_locked(lock: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(lock)
        .locked
        .set(value.map_or(Ok(false), Ref::truthy)?);
    Ok(())
}

fn get_loop(lock: &Ref) -> Result<Ref> {
    Ok(loop_bound::get(&fields(lock).event_loop))
}

fn set_loop(lock: &Ref, value: Option<&Ref>) -> Result<()> {
    loop_bound::set(&fields(lock).event_loop, value);
    Ok(())
}

fn get_waiters(lock: &Ref) -> Result<Ref> {
    Ok(waiter_queue::as_attribute(&fields(lock).waiters))
}

fn set_waiters(lock: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(lock).waiters, value)
}

fn get_state(lock: &Ref) -> Result<Ref> {
    derived::state(lock, &[c"_waiters", c"_locked"])
}
