//! The callback with which a future that is not native tells a collector, and which a native one shows.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result, Slot, boolean, none, string};
use crate::statics::{TypeCell, unset};
use crate::{attribute, call_slot};

use super::collector;

/// The type of the callback.
static CALLBACK: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(
        c"roundelay.CollectorCallback",
        size_of::<CollectorCallback>(),
    )
    .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
    .collected(dealloc, traverse, clear)
    .slot(call_slot!(call))
    .slot((ffi::Py_tp_richcompare, compare as *mut c_void))
    .slot((ffi::Py_tp_hash, hash as *mut c_void))
    .attributes([
        attribute!(c"__name__", name),
        attribute!(c"__qualname__", qualname),
    ])
    .build(None)?;
    CALLBACK.set(type_of_class(&class));
    Ok(())
}

/// A callable that holds its collector.
#[repr(C)]
struct CollectorCallback {
    head: ffi::PyObject,
    collector: Slot,
}

fn fields(callback: &Ref) -> &CollectorCallback {
    // SAFETY: only called for instances of `CALLBACK`, which cannot be subclassed.
    unsafe { &*callback.as_ptr().cast() }
}

/// A callable for `add_done_callback` that tells the collector.
pub fn make(collector: Ref) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let callback = unsafe { FREE.allocate(CALLBACK.get(), size_of::<CollectorCallback>()) }?;
    fields(&callback).collector.set(collector);
    track(&callback);
    Ok(callback)
}

fn call(callback: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some(collector) = fields(callback).collector.get() else {
        return Ok(none());
    };
    let child = args.one(collector::callback_name(&collector).0)?;
    collector::child_done(&collector, child)?;
    Ok(none())
}

fn name(callback: &Ref) -> Result<Ref> {
    match fields(callback).collector.get() {
        Some(collector) => string(collector::callback_name(&collector).0),
        None => Ok(none()),
    }
}

fn qualname(callback: &Ref) -> Result<Ref> {
    match fields(callback).collector.get() {
        Some(collector) => string(collector::callback_name(&collector).1),
        None => Ok(none()),
    }
}

/// Two callbacks of one collector are equal, so that any of them can be removed by any other.
unsafe extern "C" fn compare(
    slf: *mut ffi::PyObject,
    other: *mut ffi::PyObject,
    operation: c_int,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes live objects, the first of them a callback.
        let (callback, other) = unsafe { (Ref::view(&slf), Ref::view(&other)) };
        if !other.is_exact(CALLBACK.get()) || !matches!(operation, ffi::Py_EQ | ffi::Py_NE) {
            // SAFETY: a static of the interpreter.
            return Ok(unsafe { Ref::borrowed(ffi::Py_NotImplemented()) });
        }
        let same = fields(callback).collector.peek() == fields(other).collector.peek();
        Ok(boolean(same == (operation == ffi::Py_EQ)))
    })
}

unsafe extern "C" fn hash(slf: *mut ffi::PyObject) -> ffi::Py_hash_t {
    // SAFETY: the interpreter passes a live callback. (-1 would mean an exception; no pointer is that.)
    fields(unsafe { Ref::view(&slf) }).collector.peek() as ffi::Py_hash_t
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live callback.
    unsafe {
        let callback = Ref::view(&slf);
        let status = visit(callback.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        fields(callback).collector.traverse(visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live callback.
        drop(fields(unsafe { Ref::view(&slf) }).collector.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            drop(fields(Ref::view(&slf)).collector.take());
            FREE.recycle(slf);
        }
        Ok(())
    });
}
