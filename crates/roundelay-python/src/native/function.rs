//! Native functions that stand where asyncio has Python functions (those that are not coroutine functions).
//!
//! A call that such a function does not understand goes to asyncio's own, which then raises the very error that
//! asyncio raises.

use std::cell::Cell;

use pyo3::ffi;

use super::method::Method;
use super::stand_in::{self, StandIn, call_stock};
use super::trampoline::guard_object;
use super::{Args, Ref, Result, string};
use crate::statics::{TypeCell, unset};
use crate::unary_slot;

static FUNCTION: TypeCell = unset();

/// Whether it is one of ours.
pub fn is_function(object: &Ref) -> bool {
    object.is_exact(FUNCTION.get())
}

/// What a native function does with a call. Nothing comes back if the arguments do not fit.
pub type Entry = fn(&Args<'_>) -> Result<Option<Ref>>;

#[repr(C)]
pub struct Function {
    base: StandIn,
    /// What a call of a function does; set before anyone sees the object. Empty for a method.
    entry: Cell<Option<Entry>>,
    /// Of a method, what a call does; set before anyone sees the object.
    pub method: Cell<Option<&'static Method>>,
}

/// The fields of a function.
#[inline]
pub fn fields(function: &Ref) -> &Function {
    // SAFETY: only called for instances of `FUNCTION`, which cannot be subclassed.
    unsafe { &*function.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let repr = unary_slot!(Py_tp_repr, repr);
    // SAFETY: `Function` is laid out as C does it, and begins with what it builds on.
    FUNCTION.set(unsafe {
        stand_in::make_type::<Function>(c"roundelay.function", &[repr], |_| Ok(()))?
    });
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
    // SAFETY: the type is made, and either `call` is of its instances.
    unsafe { stand_in::allocate(FUNCTION.get(), call, stock) }
}

unsafe extern "C" fn call(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable.
        let (function, args) = unsafe {
            let count = ffi::PyVectorcall_NARGS(flags) as usize;
            (
                Ref::view(&callable),
                Args::from_fastcall(args, count, names),
            )
        };
        let entry = fields(function).entry.get().expect("set when it was made");
        match entry(&args)? {
            Some(value) => Ok(value),
            None => call_stock(function, &args),
        }
    })
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

fn repr(function: &Ref) -> Result<Ref> {
    string(&format!(
        "<function {} at {:p}>",
        stand_in::qualname(function)?,
        function.as_ptr()
    ))
}
