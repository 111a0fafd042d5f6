//! What the callables have in common that stand in the place of asyncio's Python functions.
//!
//! Such a callable binds like a function, is pickled by its name, and whatever else is asked of it (signature,
//! documentation, annotations) it answers as asyncio's own function does. Its own fields come behind a
//! [`StandIn`].

use std::ffi::{CStr, c_int, c_void};
use std::mem::offset_of;

use pyo3::ffi;

use super::trampoline::{guard, guard_object};
use super::types::{TypeBuilder, WeakList, type_of_class};
use super::{Args, Raised, Ref, Result, Slot, none, string, take_raised, text_of, tuple};
use crate::{attribute, method0};

/// The fields that such a callable begins with.
#[repr(C)]
pub struct StandIn {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// asyncio's own function. Only empty once the collector has cleared it.
    stock: Slot,
    weak: WeakList,
}

fn fields(function: &Ref) -> &StandIn {
    // SAFETY: only called for instances of types that `make_type` made, whose fields begin so.
    unsafe { &*function.as_ptr().cast() }
}

/// Makes the type of such callables, with slots of its own beside those that all have. `mark` may set attributes
/// of the type, which cannot be changed afterwards.
///
/// # Safety
/// `F` is `repr(C)` and its first field is a `StandIn`.
pub unsafe fn make_type<F>(
    name: &'static CStr,
    slots: &[(c_int, *mut c_void)],
    mark: impl FnOnce(&Ref) -> Result<()>,
) -> Result<*mut ffi::PyTypeObject> {
    let mut builder = TypeBuilder::new(name, size_of::<F>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR)
        .collected(dealloc, traverse, clear)
        .called_at(offset_of!(StandIn, vectorcall))
        .weakly_referable(offset_of!(StandIn, weak))
        .slot((ffi::Py_tp_descr_get, bind as *mut c_void))
        .slot((ffi::Py_tp_getattro, getattro as *mut c_void))
        .methods([method0!(
            c"__reduce__",
            reduce,
            c"__reduce__($self, /)\n--\n\n"
        )])
        .attributes([
            attribute!(c"__doc__", doc),
            attribute!(c"__module__", module),
            attribute!(c"__signature__", signature),
        ]);
    for slot in slots {
        builder = builder.slot(*slot);
    }
    let class = builder.build(None)?;
    mark(&class)?;
    let class = type_of_class(&class);
    // The interpreter specialises `lock.release()` in bytecode only if the type of `release` cannot change.
    // SAFETY: the type was just made, and is complete.
    unsafe { (*class).tp_flags |= ffi::Py_TPFLAGS_IMMUTABLETYPE };
    Ok(class)
}

/// A callable of one of these types, in the place of `stock`.
///
/// # Safety
/// [`make_type`] made `class`, and `call` is the vectorcall of its instances.
pub unsafe fn allocate(
    class: *mut ffi::PyTypeObject,
    call: ffi::vectorcallfunc,
    stock: Ref,
) -> Result<Ref> {
    // SAFETY: by the caller's contract; a fresh object of the type.
    unsafe {
        let function = super::gc::generic_alloc(class)?;
        (*function.as_ptr().cast::<StandIn>()).vectorcall = Some(call);
        fields(&function).stock.set(stock);
        Ok(function)
    }
}

/// asyncio's own function.
pub fn stock(function: &Ref) -> Ref {
    fields(function).stock.get().unwrap_or_else(none)
}

/// Calls asyncio's own function.
#[cold]
pub fn call_stock(function: &Ref, args: &Args<'_>) -> Result<Ref> {
    args.pass_on(&stock(function))
}

/// `__qualname__`
pub fn qualname(function: &Ref) -> Result<String> {
    text_of(&stock(function).getattr(&string("__qualname__")?)?)
}

/// `function.__get__(instance, owner)`
pub unsafe extern "C" fn bind(
    slf: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    _owner: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes live objects, null for no instance.
    unsafe {
        if instance.is_null() || instance == ffi::Py_None() {
            return Ref::borrowed(slf).into_ptr();
        }
        crate::compat::PyMethod_New(slf, instance)
    }
}

/// What the type does not have is asked of asyncio's function.
unsafe extern "C" fn getattro(
    slf: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes live objects; a new reference or null.
        unsafe {
            let own = ffi::PyObject_GenericGetAttr(slf, name);
            if !own.is_null() {
                return Ok(Ref::owned(own));
            }
            if ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) == 0 {
                return Err(Raised);
            }
            drop(take_raised());
            stock(Ref::view(&slf)).getattr(Ref::view(&name))
        }
    })
}

fn doc(function: &Ref) -> Result<Ref> {
    stock(function).getattr(&string("__doc__")?)
}

fn module(function: &Ref) -> Result<Ref> {
    stock(function).getattr(&string("__module__")?)
}

fn signature(function: &Ref) -> Result<Ref> {
    crate::imports::imports()
        .inspect_signature
        .call([&stock(function)])
}

/// Its name, as for every function. Where it is not installed in asyncio's place it is found in `roundelay`.
fn reduce(function: &Ref) -> Result<Ref> {
    let stock = stock(function);
    let name = stock.getattr(&string("__qualname__")?)?;
    let module = stock.getattr(&string("__module__")?)?;
    let find = crate::imports::module(c"pkgutil")?.getattr(&string("resolve_name")?)?;
    let place = string(&format!("{}:{}", text_of(&module)?, text_of(&name)?))?;
    match find.call([&place]) {
        Ok(found) if found.is(function) => return Ok(name),
        Ok(_) => {}
        Err(Raised) => drop(take_raised()),
    }
    let place = string(&format!("roundelay:{}", text_of(&name)?))?;
    tuple(&[&find, &tuple(&[&place])?])
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let function = Ref::view(&slf);
        super::gc::traverse(function, [&fields(function).stock], visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        drop(fields(unsafe { Ref::view(&slf) }).stock.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            fields(Ref::view(&slf)).weak.clear(slf);
            drop(fields(Ref::view(&slf)).stock.take());
            super::gc::release(slf);
        }
        Ok(())
    });
}
