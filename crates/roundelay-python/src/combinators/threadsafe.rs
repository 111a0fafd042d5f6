//! `run_coroutine_threadsafe`: starts a task on a loop from another thread.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::function::{self, all_required};
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{
    Args, Raised, Ref, Result, Slot, none, raise, raise_object, string, take_raised, while_handling,
};
use crate::statics::{TypeCell, unset};
use crate::sync::derived::base;
use crate::task::object::is_coroutine;
use crate::{attribute, call_slot};

use super::create::ensure_future;

/// The type of the callback that the loop runs.
static START: TypeCell = unset();

static FREE: FreeList = FreeList::new(64);

/// What the loop calls to start the task.
#[repr(C)]
struct Start {
    head: ffi::PyObject,
    coroutine: Slot,
    event_loop: Slot,
    /// The future of `concurrent.futures` that the caller has.
    future: Slot,
}

fn fields(start: &Ref) -> &Start {
    // SAFETY: only called for instances of `START`, which cannot be subclassed.
    unsafe { &*start.as_ptr().cast() }
}

impl Start {
    fn slots(&self) -> [&Slot; 3] {
        [&self.coroutine, &self.event_loop, &self.future]
    }
}

/// Makes the function.
pub fn make() -> Result<Ref> {
    let class = TypeBuilder::new(c"roundelay.StartTask", size_of::<Start>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot(call_slot!(start))
        .attributes([
            attribute!(c"__name__", name),
            attribute!(c"__qualname__", qualname),
        ])
        .build(None)?;
    START.set(type_of_class(&class));
    function::make(
        run_coroutine_threadsafe,
        base(c"asyncio.tasks", "run_coroutine_threadsafe")?,
    )
}

/// `run_coroutine_threadsafe(coro, loop)`
fn run_coroutine_threadsafe(args: &Args<'_>) -> Result<Option<Ref>> {
    let Some([coroutine, event_loop]) = all_required(args, ["coro", "loop"]) else {
        return Ok(None);
    };
    if !is_coroutine(coroutine)? {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_TypeError },
            c"A coroutine object is required",
        );
    }
    let future = imports().concurrent_future.call([])?;
    // SAFETY: the type is made and this is its size.
    let callback = unsafe { FREE.allocate(START.get(), size_of::<Start>()) }?;
    let own = fields(&callback);
    own.coroutine.set(coroutine.clone());
    own.event_loop.set(event_loop.clone());
    own.future.set(future.clone());
    track(&callback);
    event_loop.call_method(&names().call_soon_threadsafe, [&callback])?;
    Ok(Some(future))
}

/// Runs on the loop's thread.
fn start(callback: &Ref, args: Args<'_>) -> Result<Ref> {
    args.bind::<0>("callback", [], 0, 0)?;
    let own = fields(callback);
    let (Some(coroutine), Some(event_loop), Some(future)) =
        (own.coroutine.get(), own.event_loop.get(), own.future.get())
    else {
        return Ok(none());
    };
    let started = ensure_future(&coroutine, Some(&event_loop))
        .and_then(|task| imports().chain_future.call([&task, &future]));
    match started {
        Ok(_) => Ok(none()),
        Err(Raised) => fail(&future),
    }
}

/// What was raised goes to the future, and to the loop's exception handler as well.
#[cold]
fn fail(future: &Ref) -> Result<Ref> {
    let exception = take_raised().ok_or(Raised)?;
    // SAFETY: static exception classes.
    let fatal = unsafe {
        exception.is_exception_of(ffi::PyExc_SystemExit)
            || exception.is_exception_of(ffi::PyExc_KeyboardInterrupt)
    };
    if !fatal {
        while_handling(&exception, || -> Result<()> {
            let notify = string("set_running_or_notify_cancel")?;
            if future.call_method(&notify, [])?.truthy()? {
                future.call_method(&names().set_exception, [&exception])?;
            }
            Ok(())
        })?;
    }
    raise_object(exception)
}

fn name(_: &Ref) -> Result<Ref> {
    string("callback")
}

fn qualname(_: &Ref) -> Result<Ref> {
    string("run_coroutine_threadsafe.<locals>.callback")
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let callback = Ref::view(&slf);
        crate::native::gc::traverse(callback, fields(callback).slots(), visit, arg)
    }
}

fn clear_fields(callback: &Ref) {
    for slot in fields(callback).slots() {
        drop(slot.take());
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        clear_fields(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            clear_fields(Ref::view(&slf));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
