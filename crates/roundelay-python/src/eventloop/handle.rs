//! Native handles: true subclasses of `asyncio.Handle` and `asyncio.TimerHandle`, whose Python methods
//! (`__repr__`, comparisons, `get_context`) work on the attributes defined here.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::context;
use crate::imports::imports;
use crate::native::gc::{FreeList, release, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, Slot, boolean, float, none, raise_text, string, tuple};
use crate::statics::{TypeCell, unset};
use crate::{attribute, method0, unary_slot};

use super::handle_run::run;
use super::object::native;
use super::timer_order::{compare_by_python, hash};

static HANDLE: TypeCell = unset();
static TIMER_HANDLE: TypeCell = unset();

static FREE: FreeList = FreeList::new(4096);
static FREE_TIMERS: FreeList = FreeList::new(4096);

/// Offset of our fields: behind the slots of `asyncio.TimerHandle`, the larger of the two base classes.
const BODY: usize = 96;
const SIZE: usize = BODY + size_of::<HandleBody>();

/// Arguments of a callback.
pub enum Arguments {
    /// None.
    None,
    /// One, kept without a tuple.
    One(Ref),
    /// A tuple.
    Many(Ref),
}

/// Fields of a handle.
#[repr(C)]
pub struct HandleBody {
    /// What to call; empty once cancelled.
    pub callback: Slot,
    /// The argument, or a tuple of them, as `shape` says.
    pub args: Slot,
    /// The context to call it in, or only its variables; see `compat::context`.
    pub context: Slot,
    /// The loop.
    pub event_loop: Slot,
    /// Where the handle was made (debug mode).
    pub source_traceback: Slot,
    /// `repr` as it was before `cancel()` (debug mode).
    repr: Slot,
    /// `when` as it was given, if that was not a float.
    when_given: Slot,
    /// Seconds of the loop's clock.
    when: Cell<f64>,
    /// The timer; meaningful while `scheduled`.
    timer: Cell<u32>,
    /// 0: no arguments, 1: one, 2: a tuple.
    pub shape: Cell<u8>,
    /// `cancel()` was called.
    pub cancelled: Cell<bool>,
    /// In the loop's timers.
    scheduled: Cell<bool>,
}

pub fn body(handle: &Ref) -> &HandleBody {
    // SAFETY: only called for instances of our two types, which have this body at this offset.
    unsafe { &*handle.as_ptr().cast::<u8>().add(BODY).cast() }
}

/// Makes both types.
pub fn make_types() -> Result<(Ref, Ref)> {
    for class in [&imports().handle_class, &imports().timer_handle_class] {
        // SAFETY: a class is a type object.
        let size = unsafe { (*class.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize };
        if size as usize > BODY {
            // SAFETY: a static exception class.
            let class = unsafe { ffi::PyExc_ImportError };
            return raise_text(
                class,
                &format!("asyncio's handles take {size} bytes, not {BODY}"),
            );
        }
    }
    let handle = builder(c"roundelay.Handle").build(Some(&imports().handle_class))?;
    HANDLE.set(type_of_class(&handle));
    let timer = builder(c"roundelay.TimerHandle")
        .slot((ffi::Py_tp_hash, hash as *mut c_void))
        .slot((ffi::Py_tp_richcompare, compare_by_python as *mut c_void))
        .methods([method0!(
            c"when",
            when,
            c"when($self, /)\n--\n\nThe time of the call, in seconds of the loop's clock."
        )])
        .attributes([
            attribute!(c"_when", when),
            attribute!(c"_scheduled", scheduled_attr),
        ])
        .build(Some(&imports().timer_handle_class))?;
    TIMER_HANDLE.set(type_of_class(&timer));
    for class in [&handle, &timer] {
        crate::future::object::adjust_type(class);
    }
    Ok((handle, timer))
}

fn builder(name: &'static std::ffi::CStr) -> TypeBuilder {
    TypeBuilder::new(name, SIZE)
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot(unary_slot!(Py_tp_repr, repr))
        .methods([
            method0!(
                c"cancel",
                cancel,
                c"cancel($self, /)\n--\n\nCancel the callback."
            ),
            method0!(
                c"cancelled",
                cancelled,
                c"cancelled($self, /)\n--\n\nWhether the callback was cancelled."
            ),
            method0!(
                c"get_context",
                get_context,
                c"get_context($self, /)\n--\n\nThe context that the callback runs in."
            ),
            method0!(c"_run", run_method, c"_run($self, /)\n--\n\n"),
        ])
        .attributes([
            attribute!(c"_callback", callback),
            attribute!(c"_args", arguments),
            attribute!(c"_context", get_context),
            attribute!(c"_loop", loop_attr),
            attribute!(c"_cancelled", cancelled),
            attribute!(c"_source_traceback", source_traceback),
            attribute!(c"_repr", kept_repr),
        ])
}

/// Fills a fresh handle.
#[inline(always)]
fn fill(
    handle: &Ref,
    event_loop: &Ref,
    callback: &Ref,
    args: Arguments,
    context: Option<&Ref>,
) -> Result<()> {
    let fields = body(handle);
    fields.context.fill(match context {
        Some(context) => context.clone(),
        None => context::capture()?,
    });
    fields.event_loop.fill(event_loop.clone());
    fields.callback.fill(callback.clone());
    match args {
        Arguments::None => {}
        Arguments::One(only) => {
            fields.args.fill(only);
            fields.shape.set(1);
        }
        Arguments::Many(many) => {
            fields.args.fill(many);
            fields.shape.set(2);
        }
    }
    if native(event_loop).is_some_and(|state| state.debug.get()) {
        fields
            .source_traceback
            .fill(imports().extract_stack.call([])?);
    }
    track(handle);
    Ok(())
}

/// A handle; without a context it runs in a copy of the current one.
#[inline]
pub fn make(
    event_loop: &Ref,
    callback: &Ref,
    args: Arguments,
    context: Option<&Ref>,
) -> Result<Ref> {
    // SAFETY: the type is made, `SIZE` is its basic size.
    let handle = unsafe { FREE.allocate(HANDLE.get(), SIZE) }?;
    fill(&handle, event_loop, callback, args, context)?;
    Ok(handle)
}

/// A timer handle that is not scheduled yet.
pub fn make_timer(
    event_loop: &Ref,
    when: f64,
    given: Option<Ref>,
    callback: &Ref,
    args: Arguments,
    context: Option<&Ref>,
) -> Result<Ref> {
    // SAFETY: the type is made, `SIZE` is its basic size.
    let handle = unsafe { FREE_TIMERS.allocate(TIMER_HANDLE.get(), SIZE) }?;
    fill(&handle, event_loop, callback, args, context)?;
    body(&handle).when.set(when);
    // SAFETY: live.
    let other = given.filter(|given| unsafe { ffi::PyFloat_CheckExact(given.as_ptr()) == 0 });
    if let Some(other) = other {
        body(&handle).when_given.fill(other);
    }
    Ok(handle)
}

/// Notes that the loop's timers hold the handle.
#[inline]
pub fn scheduled(handle: &Ref, timer: u32) {
    body(handle).timer.set(timer);
    body(handle).scheduled.set(true);
}

/// Notes that the handle was due and left the loop's timers.
#[inline]
pub fn due(handle: &Ref) {
    body(handle).scheduled.set(false);
}

/// Whether the object is one of ours.
#[inline]
pub fn is_native(handle: &Ref) -> bool {
    handle.is_exact(HANDLE.get()) || handle.is_exact(TIMER_HANDLE.get())
}

/// Whether a native handle is cancelled.
#[inline]
pub fn is_cancelled(handle: &Ref) -> bool {
    body(handle).cancelled.get()
}

/// `cancel()`
pub fn cancel(handle: &Ref) -> Result<Ref> {
    let fields = body(handle);
    if fields.cancelled.get() {
        return Ok(none());
    }
    fields.cancelled.set(true);
    let Some(event_loop) = fields.event_loop.get() else {
        return Ok(none());
    };
    let owner = if fields.scheduled.replace(false) {
        native(&event_loop).and_then(|state| state.cancel_timer(fields.timer.get()))
    } else {
        None
    };
    if native(&event_loop).is_some_and(|state| state.debug.get()) {
        // Keeps what a warning such as "Executing <Handle...> took 2.5 seconds" will want to show.
        // SAFETY: live; a new reference or null.
        let text = unsafe { Ref::owned_or_raised(ffi::PyObject_Repr(handle.as_ptr())) }?;
        fields.repr.set(text);
    }
    drop(fields.callback.take());
    drop(fields.args.take());
    drop(owner);
    Ok(none())
}

fn run_method(handle: &Ref) -> Result<Ref> {
    let event_loop = body(handle).event_loop.get();
    if let Some(state) = event_loop.as_ref().and_then(native) {
        run(handle, state)?;
    }
    Ok(none())
}

fn repr(handle: &Ref) -> Result<Ref> {
    match body(handle).repr.get() {
        Some(kept) => Ok(kept),
        None => imports()
            .handle_class
            .getattr(&string("__repr__")?)?
            .call([handle]),
    }
}

fn cancelled(handle: &Ref) -> Result<Ref> {
    Ok(boolean(body(handle).cancelled.get()))
}

fn get_context(handle: &Ref) -> Result<Ref> {
    Ok(context::own(&body(handle).context, &body(handle).event_loop)?.unwrap_or_else(none))
}

fn callback(handle: &Ref) -> Result<Ref> {
    Ok(body(handle).callback.get().unwrap_or_else(none))
}

/// `_args`: a tuple, or `None` once cancelled.
pub fn arguments(handle: &Ref) -> Result<Ref> {
    let fields = body(handle);
    match fields.args.get() {
        Some(only) if fields.shape.get() == 1 => tuple(&[&only]),
        Some(many) => Ok(many),
        None if fields.cancelled.get() => Ok(none()),
        None => tuple(&[]),
    }
}

fn loop_attr(handle: &Ref) -> Result<Ref> {
    Ok(body(handle).event_loop.get().unwrap_or_else(none))
}

fn source_traceback(handle: &Ref) -> Result<Ref> {
    Ok(body(handle).source_traceback.get().unwrap_or_else(none))
}

fn kept_repr(handle: &Ref) -> Result<Ref> {
    Ok(body(handle).repr.get().unwrap_or_else(none))
}

pub fn when(handle: &Ref) -> Result<Ref> {
    match body(handle).when_given.get() {
        Some(given) => Ok(given),
        None => float(body(handle).when.get()),
    }
}

fn scheduled_attr(handle: &Ref) -> Result<Ref> {
    Ok(boolean(body(handle).scheduled.get()))
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live handle.
    unsafe {
        let handle = Ref::view(&slf);
        let status = visit(handle.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        let fields = body(handle);
        for slot in [
            &fields.callback,
            &fields.args,
            &fields.context,
            &fields.event_loop,
            &fields.source_traceback,
            &fields.when_given,
        ] {
            let status = slot.traverse(visit, arg);
            if status != 0 {
                return status;
            }
        }
        0
    }
}

fn clear_fields(handle: &Ref) {
    let fields = body(handle);
    for slot in [
        &fields.callback,
        &fields.args,
        &fields.context,
        &fields.event_loop,
        &fields.source_traceback,
        &fields.repr,
        &fields.when_given,
    ] {
        drop(slot.take());
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live handle.
        clear_fields(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            crate::compat::instance_dict::clear_weakrefs(slf);
            let handle = Ref::view(&slf);
            clear_fields(handle);
            if handle.is_exact(HANDLE.get()) {
                FREE.recycle(slf);
            } else if handle.is_exact(TIMER_HANDLE.get()) {
                FREE_TIMERS.recycle(slf);
            } else {
                release(slf);
            }
        }
        Ok(())
    });
}
