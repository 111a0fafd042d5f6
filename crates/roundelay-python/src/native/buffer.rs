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

    /// The bytes. Nobody may change them while the slice is used: callers make one call with it that runs no
    /// Python code.
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

/// Lends memory to `call` as a read-only memoryview. `call` is a method of the interpreter's own that does not
/// keep what it is given.
pub fn lend<T>(memory: &[u8], call: impl FnOnce(&Ref) -> Result<T>) -> Result<T> {
    // SAFETY: live memory of this length, which is only read.
    unsafe {
        lend_raw(
            memory.as_ptr().cast_mut(),
            memory.len(),
            ffi::PyBUF_READ,
            call,
        )
    }
}

/// The same for memory that `call` fills.
pub fn lend_to_fill<T>(
    memory: &mut [MaybeUninit<u8>],
    call: impl FnOnce(&Ref) -> Result<T>,
) -> Result<T> {
    // SAFETY: live memory of this length, which nobody else has.
    unsafe {
        lend_raw(
            memory.as_mut_ptr().cast(),
            memory.len(),
            ffi::PyBUF_WRITE,
            call,
        )
    }
}

/// # Safety
/// The memory is live until this returns, and may be used as `flags` says.
unsafe fn lend_raw<T>(
    memory: *mut u8,
    size: usize,
    flags: c_int,
    call: impl FnOnce(&Ref) -> Result<T>,
) -> Result<T> {
    // SAFETY: by the caller's contract; a new reference or null.
    let view = unsafe {
        Ref::owned_or_raised(ffi::PyMemoryView_FromMemory(
            memory.cast(),
            size as ffi::Py_ssize_t,
            flags,
        ))
    }?;
    let outcome = call(&view);
    assert!(view.count() == 1, "a view of memory that was only lent");
    outcome
}

/// A `bytes` in the making, which nobody else sees yet.
pub struct NewBytes {
    /// Null only while it is exchanged for a larger one.
    object: *mut ffi::PyObject,
    capacity: usize,
    filled: usize,
}

impl NewBytes {
    /// An empty one with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Result<Self> {
        // SAFETY: a size of memory that is filled later; a new reference or null.
        let object = unsafe {
            Ref::owned_or_raised(ffi::PyBytes_FromStringAndSize(
                std::ptr::null(),
                capacity as ffi::Py_ssize_t,
            ))
        }?;
        Ok(Self {
            object: object.into_ptr(),
            capacity,
            filled: 0,
        })
    }

    /// How many bytes are in it.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// The room behind them.
    pub fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object has `capacity` bytes, and nobody else sees it.
        unsafe {
            let start = ffi::PyBytes_AsString(self.object).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(start.add(self.filled), self.capacity - self.filled)
        }
    }

    /// Counts the first `count` bytes of the room as filled.
    ///
    /// # Safety
    /// They are.
    pub unsafe fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.capacity - self.filled);
        self.filled += count;
    }

    /// Makes room for so many more bytes.
    pub fn reserve(&mut self, count: usize) -> Result<()> {
        if self.capacity - self.filled < count {
            self.resize(self.filled + count)?;
        }
        Ok(())
    }

    fn resize(&mut self, capacity: usize) -> Result<()> {
        // SAFETY: an object of which this is the only reference. On failure it is freed, and null.
        check(unsafe {
            crate::compat::_PyBytes_Resize(&mut self.object, capacity as ffi::Py_ssize_t)
        })?;
        self.capacity = capacity;
        Ok(())
    }

    /// The object, with what was filled.
    pub fn finish(mut self) -> Result<Ref> {
        if self.filled < self.capacity {
            self.resize(self.filled)?;
        }
        let object = std::mem::replace(&mut self.object, std::ptr::null_mut());
        // SAFETY: the one reference, given up here.
        Ok(unsafe { Ref::owned(object) })
    }
}

impl Drop for NewBytes {
    fn drop(&mut self) {
        if !self.object.is_null() {
            // SAFETY: the one reference; whoever drops it holds the GIL, as for a `Ref`.
            unsafe { ffi::Py_DECREF(self.object) }
        }
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

/// A new `bytearray` of what is in a list of `bytes`.
pub fn joined(pieces: &Ref) -> Result<Ref> {
    let joined = bytes(b"")?.call_method(&crate::imports::names().join, [pieces])?;
    // SAFETY: a live bytes object; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyByteArray_FromObject(joined.as_ptr())) }
}
