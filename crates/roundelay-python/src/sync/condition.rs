//! `asyncio.Condition`: the class and what is told to those who wait. How they wait is in `condition_wait`.

use std::mem::offset_of;

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::imports::names;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, none, raise, raise_text, string};
use crate::statics::{TypeCell, unset};
use crate::{attribute, init_slot, method, method0, method1};

use super::count;
use super::lock::{self, enter_through_acquire};
use super::waiter_queue::{self, WaiterQueue};
use super::{condition_wait, copying, derived, loop_bound, stock_call};

/// The type `roundelay.Condition`.
pub static CONDITION: TypeCell = unset();

/// The lock's methods `locked`, `acquire` and `release` are in the instance dict, where asyncio puts them,
/// and are called from there: what a user sets in their place counts.
#[repr(C)]
pub struct ConditionFields {
    /// The loop it belongs to, once somebody had to wait.
    pub event_loop: Slot,
    /// Futures of those who wait; see `waiter_queue`.
    pub waiters: Slot,
    /// The lock, which need be neither native nor a lock. Empty until `__init__` has run.
    lock: Slot,
}

/// The fields of a condition.
pub fn fields(condition: &Ref) -> &ConditionFields {
    // SAFETY: only called for instances of `CONDITION` and its subclasses.
    unsafe { derived::fields(condition) }
}

static ENTER: AsyncDef = AsyncDef {
    name: "__aenter__",
    qualname: "_ContextManagerMixin.__aenter__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: enter_through_acquire,
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
    let base = derived::base(c"asyncio.locks", "Condition")?;
    let class = derived::builder::<ConditionFields>(
        c"asyncio.locks.Condition",
        &base,
        &[
            (c"_native_loop", offset_of!(ConditionFields, event_loop)),
            (c"_native_waiters", offset_of!(ConditionFields, waiters)),
            (c"_native_lock", offset_of!(ConditionFields, lock)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method!(
            c"notify",
            notify,
            c"notify($self, /, n=1)\n--\n\nWake up n of the tasks that wait, or all if there are fewer."
        ),
        method0!(
            c"notify_all",
            notify_all,
            c"notify_all($self, /)\n--\n\nWake up all tasks that wait."
        ),
        method0!(
            c"__getstate__",
            get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
        method1!(
            c"__setstate__",
            set_state,
            c"__setstate__($self, state, /)\n--\n\n"
        ),
    ])
    .attributes([
        attribute!(c"_loop", get_loop, set_loop),
        attribute!(c"_waiters", get_waiters, set_waiters),
        attribute!(c"_lock", get_lock, set_lock),
    ])
    .build(Some(&base))?;
    CONDITION.set(type_of_class(&class));
    for definition in [
        &condition_wait::WAIT,
        &condition_wait::WAIT_FOR,
        &ENTER,
        &EXIT,
    ] {
        function::add_method(&class, definition)?;
    }
    Ok(class)
}

/// `Condition()`
pub fn make() -> Result<Ref> {
    // SAFETY: the type is made.
    unsafe { Ref::borrowed(CONDITION.get().cast()) }.call([])
}

fn init(condition: &Ref, args: Args<'_>) -> Result<()> {
    let Some(given) = stock_call::one_optional(&args, "lock") else {
        return stock_call::init(condition, &args);
    };
    let given = match given.filter(|lock| !lock.is_none()) {
        Some(given) => given.clone(),
        // SAFETY: the type is made.
        None => unsafe { Ref::borrowed(lock::LOCK.get().cast()) }.call([])?,
    };
    let own = fields(condition);
    own.lock.set(given.clone());
    export(condition, &given)?;
    drop(own.waiters.take());
    Ok(())
}

/// Makes the lock's methods the condition's.
fn export(condition: &Ref, lock: &Ref) -> Result<()> {
    for name in [&names().locked, &names().acquire, &names().release] {
        condition.setattr(name, &lock.getattr(name)?)?;
    }
    Ok(())
}

/// `__aexit__()`
fn exit(frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    frame.argument(0).call_method(&names().release, [])?;
    Ok(Flow::Return(none()))
}

/// `self.locked()`
pub fn is_locked(condition: &Ref) -> Result<bool> {
    condition.call_method(&names().locked, [])?.truthy()
}

fn ensure_locked(condition: &Ref) -> Result<()> {
    if is_locked(condition)? {
        return Ok(());
    }
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_RuntimeError },
        c"cannot notify on un-acquired lock",
    )
}

/// `notify(n=1)`
fn notify(condition: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some(given) = stock_call::one_optional(&args, "n") else {
        return stock_call::call(condition, c"notify", &args);
    };
    ensure_locked(condition)?;
    match given {
        None => wake(condition, 1)?,
        Some(given) => match count::small(given) {
            Some(small) => wake(condition, small.max(0) as usize)?,
            None => wake_odd(condition, given)?,
        },
    }
    Ok(none())
}

/// Wakes so many of those who wait, those who have waited longest first.
pub fn wake(condition: &Ref, at_most: usize) -> Result<()> {
    match WaiterQueue::of(&fields(condition).waiters) {
        Some(queue) => queue.wake(at_most, false).map(drop),
        None => Ok(()),
    }
}

/// Wakes one after the other until there are not fewer than `limit`, which may be anything that an int can
/// be compared with.
#[cold]
fn wake_odd(condition: &Ref, limit: &Ref) -> Result<()> {
    let Some(queue) = WaiterQueue::of(&fields(condition).waiters) else {
        return Ok(());
    };
    let mut woken = 0;
    for place in 0..queue.len() {
        if count::compare(&count::integer(woken)?, limit, ffi::Py_GE)? {
            break;
        }
        woken += queue.wake_at(place, false)? as i64;
    }
    Ok(())
}

/// `notify_all()`
fn notify_all(condition: &Ref) -> Result<Ref> {
    let waiting = WaiterQueue::of(&fields(condition).waiters).map_or(0, |queue| queue.len());
    if condition.is_exact(CONDITION.get()) {
        ensure_locked(condition)?;
        wake(condition, waiting)?;
    } else {
        let waiting = count::integer(waiting as i64)?;
        condition.call_method(&names().notify, [&waiting])?;
    }
    Ok(none())
}

fn get_lock(condition: &Ref) -> Result<Ref> {
    match fields(condition).lock.get() {
        Some(lock) => Ok(lock),
        // SAFETY: a static exception class.
        None => raise_text(
            unsafe { ffi::PyExc_AttributeError },
            "'Condition' object has no attribute '_lock'",
        ),
    }
}

fn set_lock(condition: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(condition).lock.put(value.cloned());
    Ok(())
}

fn get_loop(condition: &Ref) -> Result<Ref> {
    Ok(loop_bound::get(&fields(condition).event_loop))
}

fn set_loop(condition: &Ref, value: Option<&Ref>) -> Result<()> {
    loop_bound::set(&fields(condition).event_loop, value);
    Ok(())
}

fn get_waiters(condition: &Ref) -> Result<Ref> {
    waiter_queue::as_attribute_always(&fields(condition).waiters)
}

fn set_waiters(condition: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(condition).waiters, value)
}

/// The lock's methods are left out: a copy has those of its own lock.
fn get_state(condition: &Ref) -> Result<Ref> {
    let state = derived::state(condition, &[c"_lock", c"_waiters"])?;
    let lock = get_lock(condition)?;
    for name in [&names().locked, &names().acquire, &names().release] {
        if condition.getattr(name)?.equals(&lock.getattr(name)?)? {
            state.call_method(&string("pop")?, [name, &none()])?;
        }
    }
    Ok(state)
}

fn set_state(condition: &Ref, state: &Ref) -> Result<Ref> {
    let lock = state.call_method(&string("get")?, [&string("_lock")?, &none()])?;
    if !lock.is_none() {
        export(condition, &lock)?;
    }
    copying::set_state(condition, state)
}
