//! What a delay means: how it compares with zero.

use pyo3::ffi;

use crate::imports::names;
#[cfg(Py_3_13)]
use crate::native::raise;
use crate::native::{Raised, Ref, Result};

/// Whether the delay is a number of the two exact types and not positive, which needs no call to see.
#[inline]
pub fn is_plainly_zero(delay: &Ref) -> bool {
    compared(delay) == Some(true)
}

/// `delay <= 0` for a number of the two exact types.
#[inline]
fn compared(delay: &Ref) -> Option<bool> {
    // What is asked most.
    if delay.is(&names().zero) {
        return Some(true);
    }
    // SAFETY: live; exact types are checked before their values are read.
    unsafe {
        if ffi::PyLong_CheckExact(delay.as_ptr()) != 0 {
            let mut overflow = 0;
            let value = ffi::PyLong_AsLongAndOverflow(delay.as_ptr(), &mut overflow);
            return Some(overflow < 0 || (overflow == 0 && value <= 0));
        }
        (ffi::PyFloat_CheckExact(delay.as_ptr()) != 0)
            .then(|| ffi::PyFloat_AS_DOUBLE(delay.as_ptr()) <= 0.0)
    }
}

/// `delay <= 0`
pub fn is_not_positive(delay: &Ref) -> Result<bool> {
    if let Some(answer) = compared(delay) {
        return Ok(answer);
    }
    let zero = names().zero.as_ptr();
    // SAFETY: both live.
    match unsafe { ffi::PyObject_RichCompareBool(delay.as_ptr(), zero, ffi::Py_LE) } {
        -1 => Err(Raised),
        value => Ok(value != 0),
    }
}

/// Since 3.13 `sleep(nan)` is an error.
pub fn refuse_nan(delay: &Ref) -> Result<()> {
    #[cfg(Py_3_13)]
    {
        let value = delay.to_f64()?;
        if value.is_nan() {
            // SAFETY: a static exception class.
            return raise(
                unsafe { ffi::PyExc_ValueError },
                c"Invalid delay: NaN (not a number)",
            );
        }
    }
    #[cfg(not(Py_3_13))]
    let _ = delay;
    Ok(())
}
