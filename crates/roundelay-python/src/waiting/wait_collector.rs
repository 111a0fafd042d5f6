//! What counts the futures of one `wait`, and tells the waiting task when it is enough.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::awaited_by;
use crate::future::{self, State, any};
use crate::imports::names;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, Slot, none};
use crate::statics::{TypeCell, unset};

/// The type.
pub static WAIT_COLLECTOR: TypeCell = unset();

static FREE: FreeList = FreeList::new(1024);

/// What `wait` waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Until {
    /// Every future is done.
    AllCompleted = 0,
    /// One is.
    FirstCompleted = 1,
    /// One has failed, or every one is done.
    FirstException = 2,
}

#[repr(C)]
struct WaitCollector {
    head: ffi::PyObject,
    /// The future that the waiting task is parked on.
    waiter: Slot,
    /// The timer, if there is a timeout.
    timer: Slot,
    /// The waiting task, for call graphs.
    caller: Slot,
    /// How many futures are not done.
    left: Cell<usize>,
    until: Cell<Until>,
}

fn fields(collector: &Ref) -> &WaitCollector {
    // SAFETY: only called for instances of `WAIT_COLLECTOR`, which cannot be subclassed.
    unsafe { &*collector.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.WaitCollector", size_of::<WaitCollector>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .build(None)?;
    WAIT_COLLECTOR.set(type_of_class(&class));
    Ok(())
}

/// A collector of `count` futures that releases `waiter`.
pub fn make(
    waiter: Ref,
    timer: Option<Ref>,
    caller: Option<Ref>,
    count: usize,
    until: Until,
) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let collector = unsafe { FREE.allocate(WAIT_COLLECTOR.get(), size_of::<WaitCollector>()) }?;
    let own = fields(&collector);
    own.waiter.set(waiter);
    own.timer.put(timer);
    own.caller.put(caller);
    own.left.set(count);
    own.until.set(until);
    track(&collector);
    Ok(collector)
}

/// One future is done.
#[inline]
pub fn child_done(collector: &Ref, child: &Ref) -> Result<()> {
    let own = fields(collector);
    own.left.set(own.left.get().saturating_sub(1));
    if own.left.get() == 0
        || own.until.get() == Until::FirstCompleted
        || (own.until.get() == Until::FirstException && has_failed(child)?)
    {
        cancel_timer(collector)?;
        if let Some(waiter) = own.waiter.get() {
            release(&waiter)?;
        }
    }
    not_awaited(collector, child)
}

/// Whether the future has an exception, which counts as retrieved from now on.
fn has_failed(child: &Ref) -> Result<bool> {
    if let Some(fut) = future::native(child) {
        fut.log_traceback.set(false);
        return Ok(fut.state.get() == State::Failed);
    }
    if child.call_method(&names().cancelled, [])?.truthy()? {
        return Ok(false);
    }
    Ok(!child.call_method(&names().exception, [])?.is_none())
}

/// Lets the waiting task go on, unless it does.
pub fn release(waiter: &Ref) -> Result<()> {
    if any::is_done(waiter)? {
        return Ok(());
    }
    any::set_result(waiter, none())
}

/// Cancels the timer, if there is one.
pub fn cancel_timer(collector: &Ref) -> Result<()> {
    match fields(collector).timer.get() {
        Some(timer) => timer.call_method(&names().cancel, []).map(drop),
        None => Ok(()),
    }
}

/// Records that the waiting task awaits the future.
#[inline]
pub fn awaited(collector: &Ref, child: &Ref) -> Result<()> {
    match fields(collector).caller.get() {
        Some(caller) => awaited_by::add(child, &caller),
        None => Ok(()),
    }
}

/// Takes that back.
#[inline]
pub fn not_awaited(collector: &Ref, child: &Ref) -> Result<()> {
    match fields(collector).caller.get() {
        Some(caller) => awaited_by::discard(child, &caller),
        None => Ok(()),
    }
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let collector = Ref::view(&slf);
        let own = fields(collector);
        crate::native::gc::traverse(
            collector,
            [&own.waiter, &own.timer, &own.caller],
            visit,
            arg,
        )
    }
}

fn clear_fields(collector: &Ref) {
    let own = fields(collector);
    for slot in [&own.waiter, &own.timer, &own.caller] {
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
