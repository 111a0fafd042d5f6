//! Native functions that stand where asyncio has Python functions (those that are not coroutine functions).
//!
//! Such a function binds like a function, is pickled by its name, and whatever else is asked of it
//! (signature, documentation, annotations) it answers as asyncio's own function does. A call that it does
//! not understand goes to that function too, which then raises the very error that asyncio raises.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;

use pyo3::ffi;

use crate::native::method::Method;
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, WeakList, type_of_class};
use crate::native::{Args, Raised, Ref, Result, Slot, string, take_raised, text_of, tuple};
use crate::statics::{TypeCell, unset};
use crate::{attribute, method0, unary_slot};

static FUNCTION: TypeCell = unset();

/// Whether it is one of ours.
pub fn is_function(object: &Ref) -> bool {
    object.is_exact(FUNCTION.get())
}

/// What a native function does with a call. Nothing comes back if the arguments do not fit.
pub type Entry = fn(&Args<'_>) -> Result<Option<Ref>>;

#[repr(C)]
pub struct Function {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// What a call of a function does; set before anyone sees the object. Empty for a method.
    entry: Cell<Option<Entry>>,
    /// Of a method, what a call does; set before anyone sees the object.
    pub method: Cell<Option<&'static Method>>,
    /// asyncio's own function.
    stock: Slot,
    weak: WeakList,
}

/// The fields of a function.
#[inline]
pub fn fields(function: &Ref) -> &Function {
    // SAFETY: only called for instances of `FUNCTION`, which cannot be subclassed.
    unsafe { &*function.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.function", size_of::<Function>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR)
        .collected(dealloc, traverse, clear)
        .called_at(offset_of!(Function, vectorcall))
        .weakly_referable(offset_of!(Function, weak))
        .slot((ffi::Py_tp_descr_get, bind as *mut c_void))
        .slot((ffi::Py_tp_getattro, getattro as *mut c_void))
        .slot(unary_slot!(Py_tp_repr, repr))
        .methods([method0!(
            c"__reduce__",
            reduce,
            c"__reduce__($self, /)\n--\n\n"
        )])
        .attributes([
            attribute!(c"__doc__", doc),
            attribute!(c"__module__", module),
            attribute!(c"__signature__", signature),
        ])
        .build(None)?;
    FUNCTION.set(type_of_class(&class));
    // The interpreter specialises `lock.release()` in bytecode only if the type of `release` cannot change.
    // SAFETY: the type was just made, and is complete.
    unsafe { (*type_of_class(&class)).tp_flags |= ffi::Py_TPFLAGS_IMMUTABLETYPE };
    Ok(())
}

/// The callable that calls `entry`, in the place of `stock`, asyncio's own function.
pub fn make(entry: Entry, stock: Ref) -> Result<Ref> {
    let function = allocate(call, stock)?;
    fields(&function).entry.set(Some(entry));
    Ok(function)
}

/// The same for a method, which knows how to make `call`s itself.
pub fn make_method(method: &'static Method, call: ffi::vectorcallfunc, stock: Ref) -> Result<Ref> {
    let function = allocate(call, stock)?;
    fields(&function).method.set(Some(method));
    Ok(function)
}

fn allocate(call: ffi::vectorcallfunc, stock: Ref) -> Result<Ref> {
    // SAFETY: a fresh object of the type made above.
    unsafe {
        let function = crate::native::gc::generic_alloc(FUNCTION.get())?;
        (*function.as_ptr().cast::<Function>()).vectorcall = Some(call);
        fields(&function).stock.set(stock);
        Ok(function)
    }
}

unsafe extern "C" fn call(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable.
        let (own, args) = unsafe {
            let count = ffi::PyVectorcall_NARGS(flags) as usize;
            (
                fields(Ref::view(&callable)),
                Args::from_fastcall(args, count, names),
            )
        };
        let entry = own.entry.get().expect("set when it was made");
        match entry(&args)? {
            Some(value) => Ok(value),
            None => call_stock(own, &args),
        }
    })
}

/// Calls asyncio's own function.
#[cold]
pub fn call_stock(own: &Function, args: &Args<'_>) -> Result<Ref> {
    let stock = own.stock.get().expect("set when it was made");
    args.pass_on(&stock)
}

/// The arguments of a function all of whose `N` parameters must be given, by position or by name; nothing
/// if the call is another.
#[inline]
pub fn all_required<'a, const N: usize>(args: &Args<'a>, names: [&str; N]) -> Option<[&'a Ref; N]> {
    let mut bound = [None; N];
    if args.positional.len() + args.keywords.len() != N {
        return None;
    }
    for (place, value) in bound.iter_mut().zip(args.positional) {
        *place = Some(value);
    }
    for (name, value) in args.keyword_items() {
        let place = names
            .iter()
            .position(|candidate| crate::native::args::matches(&name, candidate))?;
        if bound[place].replace(value).is_some() {
            return None;
        }
    }
    // As many as there are places, none given twice: all are filled.
    Some(bound.map(|value| value.expect("every place is filled")))
}

/// `function.__get__(instance, owner)`
unsafe extern "C" fn bind(
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

fn stock(function: &Ref) -> Ref {
    fields(function)
        .stock
        .get()
        .unwrap_or_else(crate::native::none)
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

fn repr(function: &Ref) -> Result<Ref> {
    string(&format!(
        "<function {} at {:p}>",
        text_of(&stock(function).getattr(&string("__qualname__")?)?)?,
        function.as_ptr()
    ))
}

fn reduce(function: &Ref) -> Result<Ref> {
    pickled_by_name(function, &stock(function))
}

/// `__reduce__()` of a native function that stands for `stock`: its name, as for every function. Where it is
/// not installed in asyncio's place it is found in `roundelay`.
pub fn pickled_by_name(function: &Ref, stock: &Ref) -> Result<Ref> {
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
        match visit(function.type_ptr().cast(), arg) {
            0 => fields(function).stock.traverse(visit, arg),
            status => status,
        }
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
            ffi::PyObject_GC_UnTrack(slf.cast());
            fields(Ref::view(&slf)).weak.clear(slf);
            drop(fields(Ref::view(&slf)).stock.take());
            crate::native::gc::release(slf);
        }
        Ok(())
    });
}
