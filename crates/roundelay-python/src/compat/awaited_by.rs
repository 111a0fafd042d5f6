//! Who awaits a future, for call graphs (3.14 and newer; nothing to do before).

#[cfg(Py_3_14)]
pub use newer::*;
#[cfg(not(Py_3_14))]
pub use older::*;

#[cfg(not(Py_3_14))]
mod older {
    use std::ffi::{c_int, c_void};

    use pyo3::ffi;

    use crate::native::{Ref, Result};

    /// Nothing to find in this version.
    pub fn probe() -> Result<()> {
        Ok(())
    }

    /// Records that `waiter` awaits `future`.
    #[inline]
    pub fn add(_future: &Ref, _waiter: &Ref) -> Result<()> {
        Ok(())
    }

    /// Takes that back.
    #[inline]
    pub fn discard(_future: &Ref, _waiter: &Ref) -> Result<()> {
        Ok(())
    }

    /// Nothing to visit.
    ///
    /// # Safety
    /// None needed.
    pub unsafe fn traverse(_: *mut ffi::PyObject, _: ffi::visitproc, _: *mut c_void) -> c_int {
        0
    }

    /// Nobody records callers in these versions.
    pub fn caller(_event_loop: &Ref) -> Result<Option<Ref>> {
        Ok(None)
    }

    /// No attributes.
    pub fn attributes() -> Vec<ffi::PyGetSetDef> {
        vec![]
    }

    /// Nothing to clear.
    ///
    /// # Safety
    /// None needed.
    pub unsafe fn clear(_: *mut ffi::PyObject) {}
}
