//! The callback with which a child that is not native tells its gather.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result, Slot, none, string};
use crate::statics::{TypeCell, unset};
use crate::{attribute, call_slot};

use super::gather::child_done;

/// The type of the callback that children which are not native get.
static CHILD_CALLBACK: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.GatherCallback", size_of::<ChildCallback>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot(call_slot!(call))
        .attributes([
            attribute!(c"__name__", name),
            attribute!(c"__qualname__", qualname),
        ])
        .build(None)?;
    CHILD_CALLBACK.set(type_of_class(&class));
    Ok(())
}

/// The callback of a child that is not native.
#[repr(C)]
struct ChildCallback {
    head: ffi::PyObject,
    outer: Slot,
}

fn fields(callback: &Ref) -> &ChildCallback {
    // SAFETY: only called for instances of `CHILD_CALLBACK`, which cannot be subclassed.
    unsafe { &*callback.as_ptr().cast() }
}

/// A callable for `add_done_callback` that tells the gather.
pub fn child_callback(outer: Ref) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let callback = unsafe { FREE.allocate(CHILD_CALLBACK.get(), size_of::<ChildCallback>()) }?;
    fields(&callback).outer.set(outer);
    track(&callback);
    Ok(callback)
}

fn call(callback: &Ref, args: Args<'_>) -> Result<Ref> {
    let child = args.one("_done_callback")?;
    if let Some(outer) = fields(callback).outer.get() {
        child_done(&outer, child)?;
    }
    Ok(none())
}

fn name(_: &Ref) -> Result<Ref> {
    string("_done_callback")
}

fn qualname(_: &Ref) -> Result<Ref> {
    string("gather.<locals>._done_callback")
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
        fields(callback).outer.traverse(visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live callback.
        drop(fields(unsafe { Ref::view(&slf) }).outer.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            ffi::PyObject_GC_UnTrack(slf.cast());
            drop(fields(Ref::view(&slf)).outer.take());
            FREE.recycle(slf);
        }
        Ok(())
    });
}
