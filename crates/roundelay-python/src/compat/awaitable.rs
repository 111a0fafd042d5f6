//! What `await` does with its operand, for native code that awaits. CPython has a function for it
//! (`_PyCoro_GetAwaitableIter`), which 3.11 and 3.12 do not export.

use pyo3::ffi;

use crate::native::{Raised, Ref, Result, raise, raise_text, string, text_of};

/// The code flag of a generator that may be awaited (`types.coroutine`).
const CO_ITERABLE_COROUTINE: std::ffi::c_long = 0x100;

/// The iterator that an awaited object is resumed through.
pub fn awaitable_iterator(awaitable: Ref) -> Result<Ref> {
    // SAFETY: a live object, of a live type, whose tables outlive it; a new reference or null.
    unsafe {
        let object = awaitable.as_ptr();
        if ffi::PyCoro_CheckExact(object) != 0 {
            return Ok(awaitable);
        }
        if ffi::PyGen_CheckExact(object) != 0 && is_coroutine_generator(&awaitable)? {
            return Ok(awaitable);
        }
        let methods = (*ffi::Py_TYPE(object)).tp_as_async;
        let Some(am_await) = methods.as_ref().and_then(|methods| methods.am_await) else {
            return raise_text(
                ffi::PyExc_TypeError,
                &format!(
                    "object {} can't be used in 'await' expression",
                    type_name(&awaitable)?
                ),
            );
        };
        let iterator = Ref::owned_or_raised(am_await(object))?;
        if ffi::PyCoro_CheckExact(iterator.as_ptr()) != 0 {
            return raise(ffi::PyExc_TypeError, c"__await__() returned a coroutine");
        }
        if ffi::PyIter_Check(iterator.as_ptr()) == 0 {
            return raise_text(
                ffi::PyExc_TypeError,
                &format!(
                    "__await__() returned non-iterator of type '{}'",
                    type_name(&iterator)?
                ),
            );
        }
        Ok(iterator)
    }
}

fn is_coroutine_generator(generator: &Ref) -> Result<bool> {
    let flags = generator
        .getattr(&string("gi_code")?)?
        .getattr(&string("co_flags")?)?;
    // SAFETY: live.
    match unsafe { ffi::PyLong_AsLong(flags.as_ptr()) } {
        -1 => Err(Raised),
        flags => Ok(flags & CO_ITERABLE_COROUTINE != 0),
    }
}

fn type_name(object: &Ref) -> Result<String> {
    // SAFETY: a live type.
    let class = unsafe { Ref::borrowed(object.type_ptr().cast()) };
    text_of(&class.getattr(&string("__name__")?)?)
}
