//! Allocation and collector bookkeeping of hand-made objects.
//!
//! Objects of the exact native types come from free lists; those of Python subclasses from the
//! generic allocator. Builds with the GIL only: a free-threaded build needs its own back end here.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::ffi;

use super::prefetch::{MANY, prefetch};
use super::refs::{Raised, Ref, Result, Slot};

unsafe extern "C" {
    fn _PyObject_GC_New(ty: *mut ffi::PyTypeObject) -> *mut ffi::PyObject;
}

pub use crate::compat::gc_list::{track, untrack};

/// How far ahead kept memory is fetched.
const AHEAD: usize = 4;

/// Memory of finished objects of one exact type, kept for the next ones.
///
/// Access is serialised by the GIL, and no method calls into Python.
pub struct FreeList {
    kept: UnsafeCell<Vec<*mut ffi::PyObject>>,
    limit: usize,
}

// SAFETY: every access happens on an attached thread of a build with the GIL.
unsafe impl Sync for FreeList {}

impl FreeList {
    /// Keeps at most `limit` objects.
    pub const fn new(limit: usize) -> Self {
        Self {
            kept: UnsafeCell::new(Vec::new()),
            limit,
        }
    }

    /// A new object of exactly type `ty`, untracked, with every byte behind the header zero.
    ///
    /// # Safety
    /// `ty` is a finished heap type with the collector's flag and `size` its basic size; every object
    /// given to [`FreeList::recycle`] was of this type.
    #[inline]
    pub unsafe fn allocate(&self, ty: *mut ffi::PyTypeObject, size: usize) -> Result<Ref> {
        // SAFETY: the GIL serialises; nothing below calls Python while the borrow lives.
        let kept = unsafe {
            let kept = &mut *self.kept.get();
            let object = kept.pop();
            if kept.len() > MANY {
                prefetch(kept[kept.len() - AHEAD], size);
            }
            object
        };
        // SAFETY: either recycled memory of this type, or fresh memory of its size.
        unsafe {
            let object = match kept {
                Some(object) => {
                    // It kept its type, and the reference to it; only the count starts anew.
                    object.cast::<isize>().write(1);
                    object
                }
                None => {
                    let object = _PyObject_GC_New(ty);
                    if object.is_null() {
                        return Err(Raised);
                    }
                    object
                }
            };
            let head = size_of::<ffi::PyObject>();
            ptr::write_bytes(object.cast::<u8>().add(head), 0, size - head);
            Ok(Ref::owned(object))
        }
    }

    /// Keeps the memory of a dead object of exactly this type, or frees it.
    ///
    /// # Safety
    /// Called last in `tp_dealloc`: the object is untracked and its fields are cleared. Its reference to
    /// the type stays with the memory.
    #[inline]
    pub unsafe fn recycle(&self, object: *mut ffi::PyObject) {
        // SAFETY: by the caller's contract; the borrow of the list ends before the type's decref.
        unsafe {
            let kept = &mut *self.kept.get();
            if kept.len() < self.limit {
                // The collector's header of a new object is zero; a finalised one carries a mark.
                let header = object.cast::<usize>().sub(2);
                header.write(0);
                header.add(1).write(0);
                kept.push(object);
            } else {
                let ty = ffi::Py_TYPE(object);
                ffi::PyObject_GC_Del(object.cast());
                ffi::Py_DECREF(ty.cast());
            }
        }
    }
}

/// The `tp_traverse` of an object of a heap type that refers to nothing but its type and what is in `slots`.
///
/// # Safety
/// Called from `tp_traverse` of `object`, with what the collector passed in; `slots` are the object's.
#[inline]
pub unsafe fn traverse<'a>(
    object: &Ref,
    slots: impl IntoIterator<Item = &'a Slot>,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: by the caller's contract.
    unsafe {
        match visit(object.type_ptr().cast(), arg) {
            0 => traverse_slots(slots, visit, arg),
            status => status,
        }
    }
}

/// Visits what is in `slots`.
///
/// # Safety
/// As for [`traverse`].
#[inline]
pub unsafe fn traverse_slots<'a>(
    slots: impl IntoIterator<Item = &'a Slot>,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    for slot in slots {
        // SAFETY: by the caller's contract.
        let status = unsafe { slot.traverse(visit, arg) };
        if status != 0 {
            return status;
        }
    }
    0
}

/// A new instance through the type's own allocator (subclasses; the object comes tracked and zeroed).
///
/// # Safety
/// `ty` is a finished type.
pub unsafe fn generic_alloc(ty: *mut ffi::PyTypeObject) -> Result<Ref> {
    // SAFETY: by the caller's contract.
    unsafe {
        let alloc = (*ty).tp_alloc.unwrap_or(ffi::PyType_GenericAlloc);
        Ref::owned_or_raised(alloc(ty, 0))
    }
}

/// Ends a `tp_dealloc` of an object that did not come from a free list.
///
/// # Safety
/// As for [`FreeList::recycle`].
pub unsafe fn release(object: *mut ffi::PyObject) {
    // SAFETY: by the caller's contract.
    unsafe {
        let ty = ffi::Py_TYPE(object);
        let free = (*ty).tp_free.unwrap_or(ffi::PyObject_GC_Del);
        free(object.cast());
        ffi::Py_DECREF(ty.cast());
    }
}
