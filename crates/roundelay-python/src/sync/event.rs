//! `asyncio.Event`.

use std::cell::Cell;
use std::mem::offset_of;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::future::any;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, boolean, none, raise_object};
use crate::statics::{TypeCell, unset};
use crate::{attribute, init_slot, method0};

use super::waiter_queue::{self, WaiterQueue};
use super::{derived, loop_bound, stock_call};

/// The type `roundelay.Event`.
pub static EVENT: TypeCell = unset();

/// All zero bytes are an event that is not set.
#[repr(C)]
pub struct EventFields {
    /// The loop it belongs to, once somebody had to wait.
    event_loop: Slot,
    /// Futures of those who wait; see `waiter_queue`.
    waiters: Slot,
    /// Whether the event is set.
    value: Cell<bool>,
}

fn fields(event: &Ref) -> &EventFields {
    // SAFETY: only called for instances of `EVENT` and its subclasses.
    unsafe { derived::fields(event) }
}

static WAIT: AsyncDef = AsyncDef {
    name: "wait",
    qualname: "Event.wait",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: wait,
};

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.locks", "Event")?;
    let class = derived::builder::<EventFields>(
        c"asyncio.locks.Event",
        &base,
        &[
            (c"_native_loop", offset_of!(EventFields, event_loop)),
            (c"_native_waiters", offset_of!(EventFields, waiters)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(
            c"is_set",
            is_set,
            c"is_set($self, /)\n--\n\nReturn True if and only if the internal flag is true."
        ),
        method0!(
            c"set",
            set,
            c"set($self, /)\n--\n\nSet the internal flag to true, and wake all tasks that wait for that."
        ),
        method0!(
            c"clear",
            clear,
            c"clear($self, /)\n--\n\nReset the internal flag to false."
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
        attribute!(c"_value", is_set, set_value),
    ])
    .build(Some(&base))?;
    EVENT.set(type_of_class(&class));
    function::add_method(&class, &WAIT)?;
    Ok(class)
}

fn init(event: &Ref, args: Args<'_>) -> Result<()> {
    if !args.is_empty() {
        return stock_call::init(event, &args);
    }
    let own = fields(event);
    own.value.set(false);
    drop(own.waiters.take());
    Ok(())
}

/// `wait()`. Slot 0 is the event, slot 1 the future that is waited for.
fn wait(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let event = frame.argument(0);
    let own = fields(&event);
    match sent {
        Sent::Start => {
            if own.value.get() {
                return Ok(Flow::Return(boolean(true)));
            }
            let future = any::create(&loop_bound::get_loop(&event, &own.event_loop)?)?;
            WaiterQueue::of_or_new(&own.waiters)?.push(future.clone());
            frame.slot(1).set(future.clone());
            Ok(Flow::Await(future))
        }
        Sent::Value(_) => {
            waiter_queue::leave(&own.waiters, frame.slot(1));
            Ok(Flow::Return(boolean(true)))
        }
        Sent::Raised(exception) => {
            waiter_queue::leave(&own.waiters, frame.slot(1));
            raise_object(exception)
        }
    }
}

fn set(event: &Ref) -> Result<Ref> {
    let own = fields(event);
    if !own.value.replace(true)
        && let Some(queue) = WaiterQueue::of(&own.waiters)
    {
        queue.wake(usize::MAX, true)?;
    }
    Ok(none())
}

fn clear(event: &Ref) -> Result<Ref> {
    fields(event).value.set(false);
    Ok(none())
}

fn is_set(event: &Ref) -> Result<Ref> {
    Ok(boolean(fields(event).value.get()))
}

fn set_value(event: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.map_or(Ok(false), Ref::truthy)?;
    fields(event).value.set(value);
    Ok(())
}

fn get_loop(event: &Ref) -> Result<Ref> {
    Ok(loop_bound::get(&fields(event).event_loop))
}

fn set_loop(event: &Ref, value: Option<&Ref>) -> Result<()> {
    loop_bound::set(&fields(event).event_loop, value);
    Ok(())
}

fn get_waiters(event: &Ref) -> Result<Ref> {
    waiter_queue::as_attribute_always(&fields(event).waiters)
}

fn set_waiters(event: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(event).waiters, value)
}

fn get_state(event: &Ref) -> Result<Ref> {
    derived::state(event, &[c"_waiters", c"_value"])
}
