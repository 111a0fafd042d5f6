//! `StopIteration`, in which iterators bring back a result, and which futures do not take for an exception.

use pyo3::ffi;

use crate::native::{Raised, Ref, Result, boolean, import, string};
use crate::statics::GilCell;

/// What a future does with a `StopIteration` that is set as its exception: refuses it with a `TypeError` up
/// to some 3.12.x, wraps it in a `RuntimeError` from there on.
static WRAPPED: GilCell<bool> = GilCell::new(false);

/// Whether it is wrapped.
pub fn is_wrapped() -> bool {
    WRAPPED.get()
}

/// Whether a `StopIteration` has its fields where [`raise_value`] puts them.
static KNOWN: GilCell<bool> = GilCell::new(false);

/// Raises `StopIteration(value)`, which is how an iterator returns a value to `await`.
///
/// The exception lives for the few instructions until the interpreter has taken the value out of it, so it
/// is put together here, without the search for a constructor and its arguments.
#[inline]
pub fn raise_value<T>(value: &Ref) -> Result<T> {
    #[cfg(Py_3_12)]
    // SAFETY: live objects. The allocator returns a `StopIteration` that is all zero but for its header,
    // whose layout was checked, and which owns what is put into it.
    unsafe {
        let ty: *mut ffi::PyTypeObject = ffi::PyExc_StopIteration.cast();
        if KNOWN.get()
            && ffi::PyTuple_Check(value.as_ptr()) == 0
            && !value.is_exception()
            && !crate::native::is_handling()
            && let Some(allocate) = (*ty).tp_alloc
        {
            let stop = Ref::owned_or_raised(allocate(ty, 0))?;
            let args = crate::native::tuple(&[value])?;
            let fields = stop.as_ptr().cast::<ffi::PyStopIterationObject>();
            (*fields).args = args.into_ptr();
            (*fields).value = value.clone().into_ptr();
            crate::compat::set_raised(stop);
            return Err(Raised);
        }
    }
    // SAFETY: a live value.
    unsafe { crate::compat::_PyGen_SetStopIterationValue(value.as_ptr()) };
    Err(Raised)
}

/// Whether a `StopIteration` has its fields where [`raise_value`] puts them.
pub fn has_known_layout() -> bool {
    KNOWN.get()
}

/// Looks whether a `StopIteration` made by its constructor has its fields where the headers say.
fn probe_layout() -> Result<()> {
    let value = string("roundelay layout probe")?;
    let class = import(c"builtins")?.getattr(&string("StopIteration")?)?;
    let stop = class.call([&value])?;
    let args = stop.getattr(&string("args")?)?;
    // SAFETY: a live `StopIteration`, and the size of one is checked before a word of it is read.
    unsafe {
        let ty: *mut ffi::PyTypeObject = class.as_ptr().cast();
        if (*ty).tp_basicsize as usize == size_of::<ffi::PyStopIterationObject>() {
            let fields = stop.as_ptr().cast::<ffi::PyStopIterationObject>();
            KNOWN.set((*fields).value == value.as_ptr() && (*fields).args == args.as_ptr());
        }
    }
    Ok(())
}

/// Looks at the class, and asks `future`, a stock future that nobody needs.
pub fn probe(future: &Ref) -> Result<()> {
    probe_layout()?;
    let stop = import(c"builtins")?
        .getattr(&string("StopIteration")?)?
        .call([])?;
    match future.call_method(&string("set_exception")?, [&stop]) {
        Ok(_) => {
            WRAPPED.set(true);
            future.setattr(&string("_log_traceback")?, &boolean(false))
        }
        Err(_) => {
            drop(crate::native::take_raised());
            Ok(())
        }
    }
}
