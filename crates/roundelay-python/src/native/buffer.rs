//! Memory of Python objects, borrowed through the buffer protocol.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use pyo3::ffi;

use super::call::check;
use super::refs::{Ref, Result};

/// One export of an object's contiguous bytes. As long as it lives, the object keeps the memory in place.
pub struct BufferView(Box<ffi::Py_buffer>);

impl BufferView {
    /// The bytes of a bytes-like object.
    pub fn readable(object: &Ref) -> Result<Self> {
        Self::get(object, ffi::PyBUF_SIMPLE)
    }

    /// The bytes of an object that lets them be overwritten.
    pub fn writable(object: &Ref) -> Result<Self> {
        Self::get(object, ffi::PyBUF_WRITABLE)
    }

    fn get(object: &Ref, flags: c_int) -> Result<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: a live object; the view is filled, or an exception is set and it owns nothing.
        check(unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &mut *view, flags) })?;
        Ok(Self(view))
    }

    /// The bytes. Nobody may change them while the slice is used: callers make one system call with it,
    /// holding the GIL.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: the export describes `len` bytes at `buf`, which stay there while it lives.
        unsafe { std::slice::from_raw_parts(self.0.buf.cast(), self.0.len as usize) }
    }

    /// The memory of a writable export, to be filled. Nobody else may use it meanwhile, as for `bytes`.
    #[inline]
    pub fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        if self.0.len == 0 {
            return &mut [];
        }
        // SAFETY: as above; `writable` made sure that the memory may be written.
        unsafe { std::slice::from_raw_parts_mut(self.0.buf.cast(), self.0.len as usize) }
    }
}

impl Drop for BufferView {
    fn drop(&mut self) {
        // SAFETY: a filled view that is released once; whoever drops it holds the GIL, having held a `Ref`.
        unsafe { ffi::PyBuffer_Release(&mut *self.0) }
    }
}

/// A new `bytes` object.
pub fn bytes(content: &[u8]) -> Result<Ref> {
    // SAFETY: pointer and length of a slice; a new reference or null.
    unsafe {
        Ref::owned_or_raised(ffi::PyBytes_FromStringAndSize(
            content.as_ptr().cast(),
            content.len() as ffi::Py_ssize_t,
        ))
    }
}

/// The content of an object that is exactly a `bytes`.
#[inline]
pub fn content(object: &Ref) -> Option<&[u8]> {
    // SAFETY: exactly `bytes`: immutable, and as long as it says.
    unsafe {
        (ffi::PyBytes_CheckExact(object.as_ptr()) != 0).then(|| {
            std::slice::from_raw_parts(
                ffi::PyBytes_AsString(object.as_ptr()).cast(),
                ffi::PyBytes_Size(object.as_ptr()) as usize,
            )
        })
    }
}
