//! Methods of native classes that stand where asyncio has methods written in Python.
//!
//! What a table of methods puts into a class is C's kind of method. `copy` takes such a method, bound to its
//! object, for something without state, and `inspect` takes it for no method at all. So each one that asyncio
//! has in Python gives its place to a function of ours (see `function`), which calls the same entry of the
//! table.

use std::ptr;

use pyo3::ffi;

use crate::compat::bound_method;
use crate::native::call::items;
use crate::native::types::{set_type_attribute, type_of_class};
use crate::native::{Args, Ref, Result, string};

use super::function::{self, fields, is_function};
use super::stand_in::call_stock;
use super::trampoline::guard_object;

/// The entry of a table that a function stands for, and the class whose objects it takes.
pub struct Method {
    entry: ffi::PyMethodDef,
    owner: *mut ffi::PyTypeObject,
}

/// Gives the place of each method of `class` that is asyncio's by name to a function. `table` is the class's.
pub fn like_functions(class: &Ref, table: &[ffi::PyMethodDef]) -> Result<()> {
    for entry in table {
        // SAFETY: names in tables are static texts that end with a null byte.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.ml_name) };
        let Some(call) = way_to_call(entry.ml_flags) else {
            continue;
        };
        let Some(stock) = stock_behind(class, &string(&name.to_string_lossy())?)? else {
            continue;
        };
        let method = Method {
            entry: *entry,
            owner: type_of_class(class),
        };
        // Types live as long as the process, and so do their methods.
        let function = function::make_method(Box::leak(Box::new(method)), call, stock)?;
        set_type_attribute(class, name, &function)?;
    }
    Ok(())
}

/// The first function written in Python behind `class`, in the order in which methods are looked up.
pub fn stock_behind(class: &Ref, name: &Ref) -> Result<Option<Ref>> {
    for behind in &items(&class.getattr(&string("__mro__")?)?)[1..] {
        let found = behind
            .getattr(&string("__dict__")?)?
            .call_method(&string("get")?, [name])?;
        if found.is_exact(&raw mut ffi::PyFunction_Type) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether this is C's kind of method, or stands for one.
pub fn is_native(found: &Ref) -> bool {
    found.is_exact(&raw mut ffi::PyMethodDescr_Type)
        || found.is_exact(&raw mut ffi::PyWrapperDescr_Type)
        || is_function(found)
}

/// `callable()`, if that is a method made here that takes nothing but the object to which it is bound: without
/// the ways around that the interpreter would take. Nothing comes back otherwise.
#[inline]
pub fn call_bound(callable: &Ref) -> Option<Result<Ref>> {
    let (function, object) = bound_method::parts(callable)?;
    // SAFETY: both live as long as the callable does, which whoever calls holds. The entry's flags say how it
    // is called.
    unsafe {
        if !is_function(Ref::view(&function)) {
            return None;
        }
        let method = method_for(&function, &raw const object)?;
        (method.entry.ml_flags == ffi::METH_NOARGS).then(|| {
            Ref::owned_or_raised((method.entry.ml_meth.PyCFunction)(object, ptr::null_mut()))
        })
    }
}

fn way_to_call(flags: std::ffi::c_int) -> Option<ffi::vectorcallfunc> {
    const FAST: std::ffi::c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    match flags {
        ffi::METH_NOARGS => Some(call_without_arguments),
        ffi::METH_O => Some(call_with_one),
        FAST => Some(call_fast),
        _ => None,
    }
}

/// The method behind `callable`, if `first` is an object that it takes.
///
/// # Safety
/// `callable` is a function made here, and there is at least one argument.
#[inline(always)]
unsafe fn method_for(
    callable: &*mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
) -> Option<&Method> {
    // SAFETY: by the caller's contract; the interpreter passes live objects.
    unsafe {
        let method = fields(Ref::view(callable)).method.get()?;
        Ref::view(&*args)
            .is_instance(method.owner)
            .then_some(method)
    }
}

unsafe extern "C" fn call_without_arguments(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes one vectorcall; the entry's flags say how it is called.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(flags);
        if count == 1
            && names.is_null()
            && let Some(method) = method_for(&callable, args)
        {
            return (method.entry.ml_meth.PyCFunction)(*args, ptr::null_mut());
        }
        stock_call(callable, args, count, names)
    }
}

unsafe extern "C" fn call_with_one(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes one vectorcall; the entry's flags say how it is called.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(flags);
        if count == 2
            && names.is_null()
            && let Some(method) = method_for(&callable, args)
        {
            return (method.entry.ml_meth.PyCFunction)(*args, *args.add(1));
        }
        stock_call(callable, args, count, names)
    }
}

unsafe extern "C" fn call_fast(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes one vectorcall; the entry's flags say how it is called.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(flags);
        if count >= 1
            && let Some(method) = method_for(&callable, args)
        {
            let entry = method.entry.ml_meth.PyCFunctionFastWithKeywords;
            return entry(*args, args.add(1), count - 1, names);
        }
        stock_call(callable, args, count, names)
    }
}

/// # Safety
/// The arguments are those of one vectorcall of a function made here.
#[cold]
unsafe fn stock_call(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: by the caller's contract.
        unsafe {
            let args = Args::from_fastcall(args, count as usize, names);
            call_stock(Ref::view(&callable), &args)
        }
    })
}
