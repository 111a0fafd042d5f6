//! What `coroutine.__await__()` gives to Python code that drives by hand: an iterator, which a coroutine
//! itself is not. The interpreter's own `await` takes the coroutine directly.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::native::gc::{release, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result, Slot, none};
use crate::statics::{TypeCell, unset};
use crate::{method, method0, method1};

use super::{drive, members};

static WRAPPER: TypeCell = unset();

#[repr(C)]
struct Wrapper {
    head: ffi::PyObject,
    /// The coroutine; never empty but while the collector takes the object apart.
    coroutine: Slot,
}

fn fields(wrapper: &Ref) -> &Wrapper {
    // SAFETY: only called for instances of `WRAPPER`, which cannot be subclassed.
    unsafe { &*wrapper.as_ptr().cast() }
}

fn coroutine(wrapper: &Ref) -> Ref {
    fields(wrapper).coroutine.get().unwrap_or_else(none)
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.coroutine_wrapper", size_of::<Wrapper>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot((ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void))
        .slot((ffi::Py_tp_iternext, next as *mut c_void))
        .methods([
            method1!(c"send", send, c"send($self, value, /)\n--\n\n"),
            method!(
                c"throw",
                throw,
                c"throw($self, type, value=None, traceback=None, /)\n--\n\n"
            ),
            method0!(c"close", close, c"close($self, /)\n--\n\n"),
        ])
        .build(None)?;
    WRAPPER.set(type_of_class(&class));
    Ok(())
}

/// `coroutine.__await__()`
pub fn wrap(coroutine: &Ref) -> Result<Ref> {
    let awaited = members::begin(coroutine)?;
    // SAFETY: a fresh object of the type made above.
    let wrapper = unsafe { crate::native::gc::generic_alloc(WRAPPER.get()) }?;
    fields(&wrapper).coroutine.set(awaited);
    track(&wrapper);
    Ok(wrapper)
}

unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guard(std::ptr::null_mut(), || {
        // SAFETY: the interpreter passes a live object.
        let coroutine = coroutine(unsafe { Ref::view(&slf) });
        drive::send(&coroutine, &none())?.into_next()
    })
}

fn send(wrapper: &Ref, value: &Ref) -> Result<Ref> {
    members::send(&coroutine(wrapper), value)
}

fn throw(wrapper: &Ref, args: Args<'_>) -> Result<Ref> {
    members::throw(&coroutine(wrapper), args)
}

fn close(wrapper: &Ref) -> Result<Ref> {
    members::close(&coroutine(wrapper))
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let wrapper = Ref::view(&slf);
        crate::native::gc::traverse(wrapper, [&fields(wrapper).coroutine], visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        drop(fields(unsafe { Ref::view(&slf) }).coroutine.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            drop(fields(Ref::view(&slf)).coroutine.take());
            release(slf);
        }
        Ok(())
    });
}
