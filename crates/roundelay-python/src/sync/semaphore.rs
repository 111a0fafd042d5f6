//! `asyncio.Semaphore`.

use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::behaviour;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, boolean, none, raise, raise_object};
use crate::statics::{TypeCell, unset};
use crate::{attribute, init_slot, method0};

use super::count::{self, Count};
use super::lock::enter_through_acquire;
use super::waiter_queue::{self, WaiterQueue};
use super::{bounded_semaphore, derived, loop_bound, stock_call};

/// The type `roundelay.Semaphore`.
pub static SEMAPHORE: TypeCell = unset();

/// All zero bytes are a semaphore that nobody can take.
#[repr(C)]
pub struct SemaphoreFields {
    /// The loop it belongs to, once somebody had to wait.
    event_loop: Slot,
    /// Futures of those who wait; see `waiter_queue`. One that is done has been given its place already,
    /// so `value` does not count it.
    waiters: Slot,
    /// How many places are free.
    pub value: Count,
}

fn fields(semaphore: &Ref) -> &SemaphoreFields {
    // SAFETY: only called for instances of `SEMAPHORE` and its subclasses.
    unsafe { derived::fields(semaphore) }
}

static ACQUIRE: AsyncDef = AsyncDef {
    name: "acquire",
    qualname: "Semaphore.acquire",
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
    let base = derived::base(c"asyncio.locks", "Semaphore")?;
    let class = derived::builder::<SemaphoreFields>(
        c"asyncio.locks.Semaphore",
        &base,
        &[
            (c"_native_loop", offset_of!(SemaphoreFields, event_loop)),
            (c"_native_waiters", offset_of!(SemaphoreFields, waiters)),
            (
                c"_native_value",
                offset_of!(SemaphoreFields, value) + offset_of!(Count, other),
            ),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(
            c"locked",
            locked_method,
            c"locked($self, /)\n--\n\nReturns True if semaphore cannot be acquired immediately."
        ),
        method0!(
            c"release",
            release_method,
            c"release($self, /)\n--\n\nRelease a semaphore, and wake who has waited longest for it."
        ),
        method0!(
            c"_wake_up_next",
            wake_up_next_method,
            c"_wake_up_next($self, /)\n--\n\n"
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
        attribute!(c"_value", get_value, set_value),
    ])
    .build(Some(&base))?;
    SEMAPHORE.set(type_of_class(&class));
    for definition in [&ACQUIRE, &ENTER, &EXIT] {
        function::add_method(&class, definition)?;
    }
    Ok(class)
}

fn init(semaphore: &Ref, args: Args<'_>) -> Result<()> {
    let Some(value) = stock_call::one_optional(&args, "value") else {
        return stock_call::init(semaphore, &args);
    };
    let value = value.map_or_else(|| count::integer(1), |value| Ok(value.clone()))?;
    start(semaphore, value)
}

/// What `Semaphore.__init__` does.
pub fn start(semaphore: &Ref, value: Ref) -> Result<()> {
    if count::is_negative(&value)? {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_ValueError },
            c"Semaphore initial value must be >= 0",
        );
    }
    let own = fields(semaphore);
    drop(own.waiters.take());
    own.value.set(value);
    Ok(())
}

/// Whether no method can be the user's.
#[inline]
fn is_plain(semaphore: &Ref) -> bool {
    semaphore.is_exact(SEMAPHORE.get()) || semaphore.is_exact(bounded_semaphore::BOUNDED.get())
}

/// Whether one would have to wait: no place is free, or others wait already.
#[inline]
fn is_locked(own: &SemaphoreFields) -> Result<bool> {
    if own.value.is_zero()? {
        return Ok(true);
    }
    match WaiterQueue::of(&own.waiters) {
        None => Ok(false),
        Some(queue) => Ok(!queue.all_cancelled()?),
    }
}

/// `acquire()`. Slot 0 is the semaphore, slot 1 the future that is waited for.
fn acquire(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let semaphore = frame.argument(0);
    let own = fields(&semaphore);
    match sent {
        Sent::Start => {
            let locked = if is_plain(&semaphore) {
                is_locked(own)?
            } else {
                semaphore.call_method(&names().locked, [])?.truthy()?
            };
            if !locked {
                own.value.add(-1)?;
                return Ok(Flow::Return(boolean(true)));
            }
            let queue = WaiterQueue::of_or_new(&own.waiters)?;
            let future = any::create(&loop_bound::get_loop(&semaphore, &own.event_loop)?)?;
            queue.push(future.clone());
            frame.slot(1).set(future.clone());
            Ok(Flow::Await(future))
        }
        Sent::Value(_) => {
            waiter_queue::leave(&own.waiters, frame.slot(1));
            pass_on(own)?;
            Ok(Flow::Return(boolean(true)))
        }
        Sent::Raised(exception) => {
            let future = frame.slot(1).get();
            waiter_queue::leave(&own.waiters, frame.slot(1));
            let cancelled = exception.is_exception_of(imports().cancelled_error.as_ptr());
            give_back(own, future, cancelled)?;
            raise_object(exception)
        }
    }
}

/// Others may have come who had to wait only because it was not their turn yet.
fn pass_on(own: &SemaphoreFields) -> Result<()> {
    if behaviour::semaphore_wakes_all_it_can() {
        while own.value.is_positive()? && wake_up_next(own)? {}
    } else if own.value.is_positive()? {
        wake_up_next(own)?;
    }
    Ok(())
}

/// Whoever was given a place and does not take it leaves it to others.
#[cold]
fn give_back(own: &SemaphoreFields, future: Option<Ref>, cancelled: bool) -> Result<()> {
    let wakes_all = behaviour::semaphore_wakes_all_it_can();
    if cancelled && let Some(future) = future {
        let given = !any::is_cancelled(&future)? && (!wakes_all || any::is_done(&future)?);
        if given {
            own.value.add(1)?;
            if !wakes_all {
                wake_up_next(own)?;
            }
        }
    }
    if wakes_all {
        pass_on(own)?;
    }
    Ok(())
}

/// Gives a place to the first who waits and has none; false if there is nobody.
#[inline]
fn wake_up_next(own: &SemaphoreFields) -> Result<bool> {
    let Some(queue) = WaiterQueue::of(&own.waiters) else {
        return Ok(false);
    };
    let Some(future) = queue.first_pending()? else {
        return Ok(false);
    };
    own.value.add(-1)?;
    any::set_result(&future, boolean(true))?;
    Ok(true)
}

/// What `Semaphore.release` does.
#[inline]
fn release(own: &SemaphoreFields) -> Result<()> {
    own.value.add(1)?;
    wake_up_next(own).map(drop)
}

/// `__aenter__()`, which gives `None`.
fn enter(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_plain(&frame.argument(0)) {
        return match acquire(frame, sent)? {
            Flow::Return(_) => Ok(Flow::Return(none())),
            flow => Ok(flow),
        };
    }
    enter_through_acquire(frame, sent)
}

/// `__aexit__()`
fn exit(frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    let semaphore = frame.argument(0);
    if semaphore.is_exact(SEMAPHORE.get()) {
        release(fields(&semaphore))?;
    } else if semaphore.is_exact(bounded_semaphore::BOUNDED.get()) {
        bounded_semaphore::release(&semaphore)?;
    } else {
        semaphore.call_method(&names().release, [])?;
    }
    Ok(Flow::Return(none()))
}

/// `Semaphore.release()`
pub fn release_method(semaphore: &Ref) -> Result<Ref> {
    release(fields(semaphore)).map(|()| none())
}

fn locked_method(semaphore: &Ref) -> Result<Ref> {
    is_locked(fields(semaphore)).map(boolean)
}

/// From the version on in which somebody asks for it, it says whether there was anyone.
fn wake_up_next_method(semaphore: &Ref) -> Result<Ref> {
    let woken = wake_up_next(fields(semaphore))?;
    Ok(if behaviour::semaphore_wakes_all_it_can() {
        boolean(woken)
    } else {
        none()
    })
}

fn get_value(semaphore: &Ref) -> Result<Ref> {
    fields(semaphore).value.get()
}

fn set_value(semaphore: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return count::cannot_delete();
    };
    fields(semaphore).value.set(value.clone());
    Ok(())
}

fn get_loop(semaphore: &Ref) -> Result<Ref> {
    Ok(loop_bound::get(&fields(semaphore).event_loop))
}

fn set_loop(semaphore: &Ref, value: Option<&Ref>) -> Result<()> {
    loop_bound::set(&fields(semaphore).event_loop, value);
    Ok(())
}

fn get_waiters(semaphore: &Ref) -> Result<Ref> {
    Ok(waiter_queue::as_attribute(&fields(semaphore).waiters))
}

fn set_waiters(semaphore: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(semaphore).waiters, value)
}

fn get_state(semaphore: &Ref) -> Result<Ref> {
    derived::state(semaphore, &[c"_waiters", c"_value"])
}
