//! What `async with` calls: the `__aenter__` or `__aexit__` of one object.
//!
//! Up to 3.13 the interpreter binds both methods anew for each `async with`. A bound method of its own costs
//! an allocation and a second call; this one has neither, and passes for the other: any attribute, its class
//! included, is that of the bound method that it stands for.

use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use pyo3::ffi;

use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, WeakList, type_of_class};
use crate::native::{Args, Ref, Result, Slot};
use crate::statics::{TypeCell, unset};
use crate::unary_slot;

use super::function;

static BOUND: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);

/// How many arguments besides the object are passed without a list; `__aexit__` has three.
const FEW: usize = 3;

#[repr(C)]
struct Bound {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// The native coroutine function. Like `instance` only empty once the collector has cleared it.
    function: Slot,
    /// The object that it is bound to.
    instance: Slot,
    weak: WeakList,
}

fn fields(bound: &Ref) -> &Bound {
    // SAFETY: only called for instances of `BOUND`, which cannot be subclassed.
    unsafe { &*bound.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.bound_coroutine_function", size_of::<Bound>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .called_at(offset_of!(Bound, vectorcall))
        .weakly_referable(offset_of!(Bound, weak))
        .slot((ffi::Py_tp_getattro, getattro as *mut c_void))
        .slot((ffi::Py_tp_richcompare, compare as *mut c_void))
        .slot((ffi::Py_tp_hash, hash as *mut c_void))
        .slot(unary_slot!(Py_tp_repr, repr))
        .build(None)?;
    BOUND.set(type_of_class(&class));
    Ok(())
}

/// `function` bound to `instance`.
#[inline]
pub fn make(function: &Ref, instance: &Ref) -> Result<Ref> {
    // SAFETY: the type is made and this is its size; a fresh object of it.
    unsafe {
        let bound = FREE.allocate(BOUND.get(), size_of::<Bound>())?;
        (*bound.as_ptr().cast::<Bound>()).vectorcall = Some(call);
        fields(&bound).function.set(function.clone());
        fields(&bound).instance.set(instance.clone());
        track(&bound);
        Ok(bound)
    }
}

/// The bound method that this stands for.
fn method(bound: &Ref) -> Result<Ref> {
    let (function, instance) = parts(bound);
    // SAFETY: both live; a new reference or null.
    unsafe {
        Ref::owned_or_raised(crate::compat::PyMethod_New(
            function.as_ptr(),
            instance.as_ptr(),
        ))
    }
}

#[inline]
fn parts(bound: &Ref) -> (Ref, Ref) {
    let own = fields(bound);
    let part = |slot: &Slot| slot.get().unwrap_or_else(crate::native::none);
    (part(&own.function), part(&own.instance))
}

unsafe extern "C" fn call(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable. The few arguments are copied
        // behind the object, which `instance` keeps.
        unsafe {
            let count = ffi::PyVectorcall_NARGS(flags) as usize;
            let (function, instance) = parts(Ref::view(&callable));
            if !names.is_null() || count > FEW {
                let args = Args::from_fastcall(args, count, names);
                return args.pass_on_behind(&instance, &function);
            }
            let mut all = [instance.as_ptr(); FEW + 1];
            for place in 0..count {
                all[place + 1] = *args.add(place);
            }
            let args = Args::from_fastcall(all.as_ptr(), count + 1, ptr::null_mut());
            function::call_with(&function, &args)
        }
    })
}

unsafe extern "C" fn getattro(
    slf: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes live objects.
        unsafe { method(Ref::view(&slf))?.getattr(Ref::view(&name)) }
    })
}

unsafe extern "C" fn compare(
    slf: *mut ffi::PyObject,
    other: *mut ffi::PyObject,
    how: c_int,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes live objects; a new reference or null.
        unsafe {
            let other = Ref::view(&other);
            let own = method(Ref::view(&slf))?;
            let other = if other.is_exact(BOUND.get()) {
                method(other)?
            } else {
                other.clone()
            };
            Ref::owned_or_raised(ffi::PyObject_RichCompare(own.as_ptr(), other.as_ptr(), how))
        }
    })
}

unsafe extern "C" fn hash(slf: *mut ffi::PyObject) -> ffi::Py_hash_t {
    guard(-1, || {
        // SAFETY: the interpreter passes a live object.
        Ok(unsafe { ffi::PyObject_Hash(method(Ref::view(&slf))?.as_ptr()) })
    })
}

fn repr(bound: &Ref) -> Result<Ref> {
    // SAFETY: live; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyObject_Repr(method(bound)?.as_ptr())) }
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let bound = Ref::view(&slf);
        let own = fields(bound);
        crate::native::gc::traverse(bound, [&own.function, &own.instance], visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        drop_references(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

#[inline]
fn drop_references(bound: &Ref) {
    let own = fields(bound);
    drop(own.function.take());
    drop(own.instance.take());
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            fields(Ref::view(&slf)).weak.clear(slf);
            drop_references(Ref::view(&slf));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
