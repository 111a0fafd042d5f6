//! Returning a value from `tp_iternext`, which means raising `StopIteration(value)`.
//!
//! Making that exception costs more than everything else in an `await` of a finished future. So one
//! instance is kept and used again whenever nobody else has it: the evaluation loop takes the value out
//! and lets go of the exception at once. Up to 3.11 `await` goes through `am_send`, and this is rare.

use pyo3::ffi;

use crate::native::{Ref, Result, import, string};
use crate::statics::{GilCell, Once};

/// The instance, if this version keeps exceptions as single objects and the value's place was found.
static KEPT: Once<Ref> = Once::new();

/// Offset of the value within the exception.
static VALUE: GilCell<usize> = GilCell::new(0);

/// Makes the instance and finds its value.
pub fn probe() -> Result<()> {
    if !cfg!(Py_3_12) {
        return Ok(());
    }
    let class = import(c"builtins")?.getattr(&string("StopIteration")?)?;
    let marker = crate::native::list(vec![])?;
    let stop = class.call([])?;
    stop.setattr(&string("value")?, &marker)?;
    let offset = super::layout::find_word(&stop, marker.as_ptr());
    stop.setattr(&string("value")?, &crate::native::none())?;
    if offset != 0 {
        VALUE.set(offset);
        KEPT.set(stop);
    }
    Ok(())
}

/// Raises `StopIteration(value)`.
#[inline]
pub fn raise(value: Ref) {
    // Tuples and exceptions are wrapped in ways that the general function knows.
    // SAFETY: live objects.
    let plain = unsafe { ffi::PyTuple_Check(value.as_ptr()) == 0 } && !value.is_exception();
    if plain
        && let Some(kept) = KEPT.try_get()
        && kept.count() == 1
    {
        // SAFETY: the exception owns the value at this offset.
        unsafe {
            let place = super::layout::base_word(kept.as_ptr(), VALUE.get());
            let old = std::mem::replace(&mut *place, value.into_ptr());
            super::set_raised(kept.clone());
            ffi::Py_XDECREF(old);
        }
        return;
    }
    // SAFETY: a live value.
    unsafe { super::_PyGen_SetStopIterationValue(value.as_ptr()) };
}

/// Lets go of the value that was returned last, so that it does not outlive its use.
#[inline]
pub fn forget() {
    if let Some(kept) = KEPT.try_get()
        && kept.count() == 1
    {
        // SAFETY: the exception owns the value at this offset; `None` takes its place before it is
        // dropped.
        unsafe {
            let place = super::layout::base_word(kept.as_ptr(), VALUE.get());
            if *place != ffi::Py_None() {
                let nothing = crate::native::none().into_ptr();
                let old = std::mem::replace(&mut *place, nothing);
                ffi::Py_XDECREF(old);
            }
        }
    }
}
