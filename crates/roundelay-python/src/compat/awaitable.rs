//! What `await` does with its operand, for native code that awaits. CPython has a function for it
//! (`_PyCoro_GetAwaitableIter`), which 3.11 and 3.12 do not export.

use pyo3::ffi;

use crate::imports::names;
use crate::native::{
    Raised, Ref, Result, none, raise, raise_object, raise_text, string, take_raised, text_of,
};
use crate::statics::Once;

use super::source;

/// The code flag of a generator that may be awaited (`types.coroutine`).
const CO_ITERABLE_COROUTINE: std::ffi::c_long = 0x100;

/// A coroutine function that awaits its argument.
static AWAITS: Once<Ref> = Once::new();

/// Makes what [`refuse`] needs. Called once, when the module is made.
pub fn prepare() -> Result<()> {
    let source = c"async def awaits(awaitable): await awaitable";
    let globals = source::run(source, c"<roundelay>")?;
    AWAITS.set(source::item(&globals, c"awaits"));
    Ok(())
}

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
            return refuse(&awaitable);
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

/// Raises what the interpreter raises for `await object`. Its words changed in a patch release of 3.14.
#[cold]
fn refuse(object: &Ref) -> Result<Ref> {
    let coroutine = AWAITS.get().call([object])?;
    match coroutine.call_method(&names().send, [&none()]) {
        Ok(_) => {
            coroutine.call_method(&string("close")?, [])?;
        }
        Err(Raised) => {
            if let Some(error) = take_raised() {
                // SAFETY: a live exception; its only frames are those of the line above.
                unsafe { ffi::PyException_SetTraceback(error.as_ptr(), ffi::Py_None()) };
                return raise_object(error);
            }
        }
    }
    // SAFETY: a static exception class.
    raise_text(
        unsafe { ffi::PyExc_TypeError },
        &format!("'{}' object can't be awaited", type_name(object)?),
    )
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
