//! `asyncio.Timeout`: the class, its fields, and what Python sees of them.

use std::cell::Cell;
use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::own_attributes;
use crate::coroutine::function;
use crate::eventloop;
use crate::native::function::all_required;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, boolean, integer, none, raise, raise_text};
use crate::statics::{TypeCell, unset};
use crate::sync::{derived, stock_call};
use crate::{attribute, init_slot, method, method0};

use super::context_manager::{ENTER, EXIT};
use super::state::State;
use super::timer::{self, Armed};

/// The type `roundelay.Timeout`.
pub static TIMEOUT: TypeCell = unset();

/// All zero bytes are a timeout without a deadline that nobody has entered.
#[repr(C)]
pub struct TimeoutFields {
    /// The deadline as it was given; empty for none.
    pub when: Slot,
    /// The task that entered it; kept, as asyncio keeps it.
    pub task: Slot,
    /// The timer handle, where a handle is used. With a native timer: one that was made to be shown.
    pub handle: Slot,
    /// The loop whose timers or ring hold the timeout itself; empty unless `armed` says so.
    pub event_loop: Slot,
    /// What the deadline's callback runs in (see `compat::context`); empty unless `armed`.
    pub context: Slot,
    /// `task.cancelling()` at the time of entering, if the task is not native.
    pub cancelling: Slot,
    /// The same of a native task.
    pub cancel_requests: Cell<u32>,
    /// The loop's timer; meaningful while `armed` is `Timer`.
    pub timer: Cell<u32>,
    /// Entries of the ring for deadlines that had come when they were taken back; each is to be ignored once.
    pub stale: Cell<u32>,
    /// Where the loop has the timeout.
    pub armed: Cell<Armed>,
    /// See [`State`].
    pub state: Cell<State>,
    /// `cancel_requests` was noted.
    pub requests_noted: Cell<bool>,
}

/// The fields of a timeout.
#[inline]
pub fn fields(timeout: &Ref) -> &TimeoutFields {
    // SAFETY: only called for instances of `TIMEOUT` and its subclasses.
    unsafe { derived::fields(timeout) }
}

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.timeouts", "Timeout")?;
    let builder = derived::builder::<TimeoutFields>(
        c"asyncio.timeouts.Timeout",
        &base,
        &[
            (c"_native_when", offset_of!(TimeoutFields, when)),
            (c"_native_task", offset_of!(TimeoutFields, task)),
            (c"_native_handle", offset_of!(TimeoutFields, handle)),
            (c"_native_loop", offset_of!(TimeoutFields, event_loop)),
            (c"_native_context", offset_of!(TimeoutFields, context)),
            (c"_native_cancelling", offset_of!(TimeoutFields, cancelling)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(
            c"when",
            when,
            c"when($self, /)\n--\n\nReturn the current deadline."
        ),
        method!(
            c"reschedule",
            reschedule_method,
            c"reschedule($self, /, when)\n--\n\nReschedule the timeout."
        ),
        method0!(
            c"expired",
            expired,
            c"expired($self, /)\n--\n\nIs timeout expired during execution?"
        ),
        method0!(c"_on_timeout", on_timeout, c"_on_timeout($self, /)\n--\n\n"),
        method0!(
            c"__getstate__",
            get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ])
    .attributes([
        attribute!(c"_state", state, set_state),
        attribute!(c"_timeout_handler", handler, set_handler),
        attribute!(c"_task", task, set_task),
        attribute!(c"_when", when, set_when),
        attribute!(c"_cancelling", cancelling, set_cancelling),
    ]);
    #[cfg(Py_3_13)]
    let builder = builder.slot((ffi::Py_tp_dealloc, dealloc as *mut std::ffi::c_void));
    let class = builder.build(Some(&base))?;
    TIMEOUT.set(type_of_class(&class));
    own_attributes::without_inline_values(&class);
    for definition in [&ENTER, &EXIT] {
        function::add_method(&class, definition)?;
    }
    Ok(class)
}

/// `Timeout(when)`
#[inline]
pub fn make(when: Option<Ref>) -> Result<Ref> {
    #[cfg(not(Py_3_13))]
    // SAFETY: the type is made.
    let timeout = unsafe { crate::native::gc::generic_alloc(TIMEOUT.get()) }?;
    #[cfg(Py_3_13)]
    let timeout = {
        // SAFETY: the type is made and this is its size.
        let timeout = unsafe { FREE.allocate(TIMEOUT.get(), derived::size::<TimeoutFields>()) }?;
        crate::native::gc::track(&timeout);
        timeout
    };
    fields(&timeout).when.put(when);
    Ok(timeout)
}

#[cfg(Py_3_13)]
static FREE: crate::native::gc::FreeList = crate::native::gc::FreeList::new(1024);

#[cfg(Py_3_13)]
unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    crate::native::trampoline::guard((), || {
        // SAFETY: called by the interpreter when the last reference is gone; the fields live until the end.
        unsafe {
            let own = &*std::ptr::from_ref(fields(Ref::view(&slf)));
            let slots = [
                &own.when,
                &own.task,
                &own.handle,
                &own.event_loop,
                &own.context,
                &own.cancelling,
            ];
            derived::end(slf, TIMEOUT.get(), &FREE, &slots);
        }
        Ok(())
    });
}

/// Whether none of its methods can be the user's.
#[inline]
pub fn is_plain(timeout: &Ref) -> bool {
    timeout.is_exact(TIMEOUT.get())
}

fn init(timeout: &Ref, args: Args<'_>) -> Result<()> {
    let Some([when]) = all_required(&args, ["when"]) else {
        return stock_call::init(timeout, &args);
    };
    let own = fields(timeout);
    own.state.set(State::Created);
    set_handler(timeout, None)?;
    drop(own.task.take());
    set_when(timeout, Some(when))
}

/// `reschedule(when)` of a timeout that is entered; `event_loop` is the running loop, if it is known.
pub fn reschedule(timeout: &Ref, when: Option<Ref>, event_loop: Option<&Ref>) -> Result<()> {
    let own = fields(timeout);
    // SAFETY: a static exception class.
    let runtime_error = unsafe { ffi::PyExc_RuntimeError };
    match own.state.get() {
        State::Entered => {}
        State::Created => return raise(runtime_error, c"Timeout has not been entered"),
        state => {
            return raise_text(
                runtime_error,
                &format!("Cannot change state of {} Timeout", state.text()),
            );
        }
    }
    own.when.put(when.clone());
    timer::disarm(own)?;
    let Some(when) = when else {
        return Ok(());
    };
    match event_loop {
        Some(event_loop) => timer::arm(timeout, event_loop, &when),
        None => timer::arm(timeout, &eventloop::running_or_error()?, &when),
    }
}

fn reschedule_method(timeout: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some([when]) = all_required(&args, ["when"]) else {
        return stock_call::call(timeout, c"reschedule", &args);
    };
    reschedule(timeout, given(Some(when)), None).map(|()| none())
}

fn on_timeout(timeout: &Ref) -> Result<Ref> {
    timer::expire(timeout).map(|()| none())
}

fn expired(timeout: &Ref) -> Result<Ref> {
    let state = fields(timeout).state.get();
    Ok(boolean(matches!(state, State::Expiring | State::Expired)))
}

fn when(timeout: &Ref) -> Result<Ref> {
    Ok(fields(timeout).when.get().unwrap_or_else(none))
}

/// What a slot is to hold for an attribute that `None` empties.
fn given(value: Option<&Ref>) -> Option<Ref> {
    value.filter(|value| !value.is_none()).cloned()
}

fn set_when(timeout: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(timeout).when.put(given(value));
    Ok(())
}

fn task(timeout: &Ref) -> Result<Ref> {
    Ok(fields(timeout).task.get().unwrap_or_else(none))
}

fn set_task(timeout: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(timeout).task.put(given(value));
    Ok(())
}

/// A native timer has no handle; whoever asks gets one that stands for it.
fn handler(timeout: &Ref) -> Result<Ref> {
    if fields(timeout).armed.get() != Armed::No {
        return timer::shown(timeout);
    }
    Ok(fields(timeout).handle.get().unwrap_or_else(none))
}

fn set_handler(timeout: &Ref, value: Option<&Ref>) -> Result<()> {
    let own = fields(timeout);
    timer::forget(own);
    own.handle.put(given(value));
    Ok(())
}

fn state(timeout: &Ref) -> Result<Ref> {
    fields(timeout).state.get().to_member()
}

fn set_state(timeout: &Ref, value: Option<&Ref>) -> Result<()> {
    let known = match value {
        Some(member) => State::from_member(member)?,
        None => None,
    };
    let Some(state) = known else {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_TypeError },
            c"_state must be a member of asyncio.timeouts._State",
        );
    };
    fields(timeout).state.set(state);
    Ok(())
}

/// There is no such attribute before the timeout is entered.
fn cancelling(timeout: &Ref) -> Result<Ref> {
    let own = fields(timeout);
    if let Some(count) = own.cancelling.get() {
        return Ok(count);
    }
    if own.requests_noted.get() {
        return integer(own.cancel_requests.get().into());
    }
    // SAFETY: a static exception class.
    raise_text(
        unsafe { ffi::PyExc_AttributeError },
        "'Timeout' object has no attribute '_cancelling'",
    )
}

fn set_cancelling(timeout: &Ref, value: Option<&Ref>) -> Result<()> {
    let own = fields(timeout);
    own.requests_noted.set(false);
    own.cancelling.put(value.cloned());
    Ok(())
}

fn get_state(timeout: &Ref) -> Result<Ref> {
    let mut names = vec![c"_state", c"_timeout_handler", c"_task", c"_when"];
    let own = fields(timeout);
    if own.requests_noted.get() || own.cancelling.is_some() {
        names.push(c"_cancelling");
    }
    derived::state(timeout, &names)
}
