//! The bytes that a stream was fed and nobody has read yet.
//!
//! asyncio keeps them in a `bytearray` under the name `_buffer`, and so does this. While nobody looks at it,
//! two things are put off: a chunk that comes when there is nothing else is kept as it came, and what is read
//! from the front stays where it is. So a chunk that is read as a whole is never copied, and lines of a chunk
//! are copied once. Whoever reads the attribute gets a `bytearray` with everything in it, and as long as
//! he holds it, everything is done in it at once.

use std::cell::Cell;

use pyo3::ffi;

use crate::native::{Ref, Result, Slot, check, raise};

use super::search;

/// How much that was read may stay with what was not.
const WORTH_TIDYING: usize = 4096;

/// All zero bytes are a buffer without an array, which is how it is before `__init__`.
#[repr(C)]
pub struct Buffer {
    /// `_buffer`: a `bytearray`, or whatever the user put there.
    pub array: Slot,
    /// A chunk (exactly `bytes`), or nothing. While there is one, `array` is an empty `bytearray`.
    pub chunk: Slot,
    /// How many bytes at the front of the chunk, or else of the array, were read. Zero while anybody else
    /// holds the array.
    start: Cell<usize>,
}

/// The contents of an object that is exactly `bytes`.
#[inline]
pub fn contents(bytes: &Ref) -> &[u8] {
    assert!(bytes.is_exact(&raw mut ffi::PyBytes_Type));
    // SAFETY: just checked; `bytes` do not change, and live as long as the reference.
    unsafe {
        std::slice::from_raw_parts(
            ffi::PyBytes_AS_STRING(bytes.as_ptr()).cast::<u8>(),
            ffi::Py_SIZE(bytes.as_ptr()) as usize,
        )
    }
}

impl Buffer {
    /// Whether the methods below do anything useful: the array is exactly a `bytearray`.
    #[inline]
    pub fn is_usable(&self) -> bool {
        let array = self.array.peek();
        // SAFETY: the slot keeps what it holds alive.
        !array.is_null() && unsafe { Ref::view(&array) }.is_exact(&raw mut ffi::PyByteArray_Type)
    }

    /// Starts anew, empty.
    pub fn reset(&self) -> Result<()> {
        // SAFETY: attached; a new reference or null.
        let array = unsafe {
            Ref::owned_or_raised(ffi::PyByteArray_FromStringAndSize(std::ptr::null(), 0))
        }?;
        self.replace(Some(array));
        Ok(())
    }

    /// Puts something else in the place of the array, and forgets all bytes.
    pub fn replace(&self, array: Option<Ref>) {
        self.start.set(0);
        drop(self.chunk.take());
        self.array.put(array);
    }

    /// The attribute `_buffer`, with everything in it; nothing if there is none.
    pub fn array(&self) -> Result<Option<Ref>> {
        if self.is_usable() {
            self.settle()?;
        }
        Ok(self.array.get())
    }

    /// The bytes; none if the buffer is not usable. No Python code runs, and nothing of the buffer changes,
    /// while the result is used.
    #[inline]
    unsafe fn unread(&self) -> &[u8] {
        if !self.is_usable() {
            return &[];
        }
        // SAFETY: both hold what their types say (see the fields), and live as long as nothing changes.
        let all = unsafe {
            let chunk = self.chunk.peek();
            let (data, size) = if chunk.is_null() {
                let array = self.array.peek();
                (
                    ffi::PyByteArray_AS_STRING(array).cast_const(),
                    ffi::Py_SIZE(array),
                )
            } else {
                (ffi::PyBytes_AS_STRING(chunk), ffi::Py_SIZE(chunk))
            };
            std::slice::from_raw_parts(data.cast::<u8>(), size as usize)
        };
        all.get(self.start.get()..).unwrap_or_default()
    }

    /// How many bytes there are.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: nothing happens meanwhile.
        unsafe { self.unread() }.len()
    }

    /// Where a separator begins for the first time from `offset` on.
    #[inline]
    pub fn find(&self, separator: &[u8], offset: usize) -> Option<usize> {
        // SAFETY: searching calls nothing.
        search::find(unsafe { self.unread() }, separator, offset)
    }

    /// Adds a chunk, which is exactly `bytes` and not empty.
    #[inline]
    pub fn append(&self, chunk: &Ref) -> Result<()> {
        if self.len() == 0 && self.is_unseen() {
            self.start.set(0);
            self.chunk.set(chunk.clone());
            return Ok(());
        }
        self.settle()?;
        self.extend(contents(chunk))
    }

    /// Adds bytes to the array, from somewhere else than the array itself.
    fn extend(&self, bytes: &[u8]) -> Result<()> {
        if !self.is_usable() {
            // SAFETY: a static exception class.
            return raise(unsafe { ffi::PyExc_TypeError }, c"a bytearray was expected");
        }
        let array = self.array.peek();
        // SAFETY: a live `bytearray`, which nobody else holds or which says that it cannot grow; there is
        // room for the bytes once it has grown.
        unsafe {
            let old = ffi::PyByteArray_GET_SIZE(array) as usize;
            check(ffi::PyByteArray_Resize(array, (old + bytes.len()) as _))?;
            let room = ffi::PyByteArray_AS_STRING(array).cast::<u8>().add(old);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), room, bytes.len());
        }
        Ok(())
    }

    /// Takes the first `count` bytes out, which are there.
    #[inline]
    pub fn take(&self, count: usize) -> Result<Ref> {
        // SAFETY: the bytes are copied before anything else happens.
        let unread = unsafe { self.unread() };
        let count = count.min(unread.len());
        if count == unread.len()
            && self.start.get() == 0
            && let Some(chunk) = self.chunk.take()
        {
            return Ok(chunk);
        }
        // SAFETY: as above; a new reference or null.
        let taken = unsafe {
            Ref::owned_or_raised(ffi::PyBytes_FromStringAndSize(
                unread.as_ptr().cast(),
                count as _,
            ))
        }?;
        self.remove(count)?;
        Ok(taken)
    }

    /// Drops the first `count` bytes, which are there.
    pub fn remove(&self, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        if self.chunk.is_some() || self.is_unseen() {
            if count < self.len() {
                self.start.set(self.start.get() + count);
                return Ok(());
            }
            self.start.set(0);
            if let Some(chunk) = self.chunk.take() {
                drop(chunk);
                return Ok(());
            }
            // SAFETY: a live `bytearray`.
            return check(unsafe { ffi::PyByteArray_Resize(self.array.peek(), 0) });
        }
        self.settle()?;
        self.cut(count)
    }

    /// Lets go of a large chunk of which little is unread, before it may be kept for long.
    #[inline]
    pub fn tidy(&self) -> Result<()> {
        let start = self.start.get();
        if start < WORTH_TIDYING || start < 2 * self.len() {
            return Ok(());
        }
        self.settle()
    }

    /// Whether nobody but this buffer has the array in hand.
    #[inline]
    fn is_unseen(&self) -> bool {
        // SAFETY: the slot keeps it alive.
        self.is_usable() && unsafe { ffi::Py_REFCNT(self.array.peek()) == 1 }
    }

    /// Puts what is unread, and nothing else, into the array.
    fn settle(&self) -> Result<()> {
        let start = self.start.get();
        if let Some(chunk) = self.chunk.get() {
            self.extend(contents(&chunk).get(start..).unwrap_or_default())?;
            self.start.set(0);
            drop(self.chunk.take());
        } else if start > 0 {
            self.cut(start)?;
            self.start.set(0);
        }
        Ok(())
    }

    /// `del array[:count]`
    fn cut(&self, count: usize) -> Result<()> {
        // SAFETY: a live `bytearray`; one that is in use says so.
        check(unsafe { ffi::PySequence_DelSlice(self.array.peek(), 0, count as _) })
    }
}
