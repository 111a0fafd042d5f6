//! A counter that Python code may set to anything.
//!
//! asyncio's semaphores compare and add to whatever they are given: a count is nearly always a small int,
//! which is kept and counted natively; anything else (a float, a huge int, a number of a class of its own)
//! is kept as it is, and Python's operators are used.

use std::cell::Cell;
use std::ffi::c_int;

use pyo3::ffi;

use crate::native::{Ref, Result, Slot};

/// Beyond this a counter is not small: nothing can be added often enough to leave the machine's range.
const LIMIT: i64 = 1 << 60;

/// A number, zero at first.
#[repr(C)]
pub struct Count {
    /// The number, if `other` is empty.
    small: Cell<i64>,
    /// What is no small int.
    pub other: Slot,
}

impl Count {
    /// The number as Python sees it.
    #[inline]
    pub fn get(&self) -> Result<Ref> {
        match self.other.get() {
            None => integer(self.small.get()),
            Some(other) => Ok(other),
        }
    }

    /// Sets the number.
    pub fn set(&self, value: Ref) {
        match small(&value) {
            Some(small) => {
                self.small.set(small);
                drop(self.other.take());
            }
            None => self.other.set(value),
        }
    }

    /// `self += step`
    #[inline]
    pub fn add(&self, step: i64) -> Result<()> {
        let Some(other) = self.other.get() else {
            self.small.set(self.small.get() + step);
            return Ok(());
        };
        let step = integer(step)?;
        // SAFETY: live objects; a new reference or null.
        let sum = unsafe {
            Ref::owned_or_raised(ffi::PyNumber_InPlaceAdd(other.as_ptr(), step.as_ptr()))
        }?;
        self.set(sum);
        Ok(())
    }

    /// `self == 0`
    #[inline]
    pub fn is_zero(&self) -> Result<bool> {
        match self.other.get() {
            None => Ok(self.small.get() == 0),
            Some(other) => compare(&other, &integer(0)?, ffi::Py_EQ),
        }
    }

    /// `self > 0`
    #[inline]
    pub fn is_positive(&self) -> Result<bool> {
        match self.other.get() {
            None => Ok(self.small.get() > 0),
            Some(other) => compare(&other, &integer(0)?, ffi::Py_GT),
        }
    }

    /// `self >= bound`
    #[inline]
    pub fn is_at_least(&self, bound: &Self) -> Result<bool> {
        if !self.other.is_some() && !bound.other.is_some() {
            return Ok(self.small.get() >= bound.small.get());
        }
        compare(&self.get()?, &bound.get()?, ffi::Py_GE)
    }
}

/// `value < 0`
pub fn is_negative(value: &Ref) -> Result<bool> {
    match small(value) {
        Some(small) => Ok(small < 0),
        None => compare(value, &integer(0)?, ffi::Py_LT),
    }
}

/// The value of a small int.
#[inline]
pub fn small(value: &Ref) -> Option<i64> {
    if !value.is_exact(&raw mut ffi::PyLong_Type) {
        return None;
    }
    let mut overflow = 0;
    // SAFETY: a live int.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &mut overflow) };
    (overflow == 0 && number.abs() < LIMIT).then_some(number)
}

/// `bool(a <operator> b)`
pub fn compare(a: &Ref, b: &Ref, operator: c_int) -> Result<bool> {
    // SAFETY: live objects; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyObject_RichCompare(a.as_ptr(), b.as_ptr(), operator)) }?
        .truthy()
}

/// An `int`.
#[inline]
pub fn integer(value: i64) -> Result<Ref> {
    // SAFETY: callers are attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromLongLong(value)) }
}

/// The attribute of a counter is deleted: asyncio's code would fail from then on, ours says so at once.
#[cold]
pub fn cannot_delete<T>() -> Result<T> {
    // SAFETY: a static exception class.
    crate::native::raise(
        unsafe { ffi::PyExc_AttributeError },
        c"this attribute cannot be deleted",
    )
}
