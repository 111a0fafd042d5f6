//! What a transport could not send yet: pieces of bytes, in order.
//!
//! It is an object of its own, made when a connection first has something to wait with, because the
//! interpreter looks after the objects that a transport refers to. It refers to `bytes` alone, so no cycle
//! leads through it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::IoSlice;

use pyo3::ffi;

use crate::native::buffer::{BufferView, bytes, content};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, Slot, list};
use crate::statics::{TypeCell, unset};
use crate::system::stream::MOST_PIECES;

static PENDING: TypeCell = unset();

#[repr(C)]
struct Object {
    head: ffi::PyObject,
    /// Pieces, each exactly a `bytes`. No borrow lives across a call into Python.
    pieces: Pieces,
    /// How many bytes of the first piece are sent already.
    sent: Cell<usize>,
    /// How many bytes wait in all.
    size: Cell<usize>,
}

/// Boxed, so that all zero bytes are `None`.
#[allow(clippy::box_collection)]
type Pieces = RefCell<Option<Box<VecDeque<Ref>>>>;

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.Pending", size_of::<Object>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .slot((ffi::Py_tp_dealloc, dealloc as *mut _))
        .build(None)?;
    PENDING.set(type_of_class(&class));
    Ok(())
}

/// A view of what waits in a slot.
pub struct Pending(Ref);

impl Pending {
    /// What waits in `slot`, if anything ever has.
    #[inline]
    pub fn of(slot: &Slot) -> Option<Self> {
        slot.get().map(Self)
    }

    /// How many bytes wait in `slot`.
    #[inline]
    pub fn size_of(slot: &Slot) -> usize {
        Self::of(slot).map_or(0, |pending| pending.size())
    }

    /// The object in `slot`, made if need be.
    pub fn of_or_new(slot: &Slot) -> Result<Self> {
        if let Some(pending) = Self::of(slot) {
            return Ok(pending);
        }
        // SAFETY: a finished type; all zero bytes are an empty queue.
        let pending = unsafe { crate::native::gc::generic_alloc(PENDING.get()) }?;
        slot.set(pending.clone());
        Ok(Self(pending))
    }

    /// How many bytes wait.
    #[inline]
    pub fn size(&self) -> usize {
        self.object().size.get()
    }

    /// In how many pieces.
    #[inline]
    pub fn pieces(&self) -> usize {
        self.object()
            .pieces
            .borrow()
            .as_ref()
            .map_or(0, |pieces| pieces.len())
    }

    #[inline]
    fn object(&self) -> &Object {
        // SAFETY: slots that hold what waits hold objects of this type and nothing else.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// Adds what is left of `data` behind the first `sent` bytes, of which there are more. What can change
    /// is copied.
    pub fn push(&self, data: &Ref, sent: usize) -> Result<()> {
        let piece = match content(data) {
            Some(_) if sent == 0 => data.clone(),
            Some(content) => bytes(&content[sent..])?,
            None => bytes(&BufferView::readable(data)?.bytes()[sent..])?,
        };
        let length = content(&piece).map_or(0, <[u8]>::len);
        let own = self.object();
        own.size.set(own.size.get() + length);
        own.pieces
            .borrow_mut()
            .get_or_insert_default()
            .push_back(piece);
        Ok(())
    }

    /// Calls `send` with the first pieces, as many as one call takes.
    pub fn with_slices<T>(&self, send: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        // Counted: making the error of a failed call runs Python code, which may clear the queue.
        let first: Vec<Ref> = match &*self.object().pieces.borrow() {
            Some(pieces) => pieces.iter().take(MOST_PIECES).cloned().collect(),
            None => Vec::new(),
        };
        let mut skipped = self.object().sent.get();
        let slices: Vec<IoSlice<'_>> = first
            .iter()
            .filter_map(content)
            .map(|piece| IoSlice::new(&piece[std::mem::take(&mut skipped)..]))
            .collect();
        send(&slices)
    }

    /// Forgets the first `count` bytes, which are sent.
    pub fn advance(&self, count: usize) {
        let own = self.object();
        let mut done = Vec::new();
        if let Some(pieces) = &mut *own.pieces.borrow_mut() {
            own.size.set(own.size.get().saturating_sub(count));
            let mut sent = own.sent.get() + count;
            while let Some(length) = pieces.front().and_then(content).map(<[u8]>::len)
                && sent >= length
            {
                sent -= length;
                done.extend(pieces.pop_front());
            }
            own.sent.set(if pieces.is_empty() { 0 } else { sent });
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let own = self.object();
        own.sent.set(0);
        own.size.set(0);
        drop(own.pieces.take());
    }

    /// The pieces as a list, for those who look.
    pub fn shown(&self) -> Result<Ref> {
        let pieces: Vec<Ref> = match &*self.object().pieces.borrow() {
            Some(pieces) => pieces.iter().cloned().collect(),
            None => Vec::new(),
        };
        let mut sent = self.object().sent.get();
        let mut left = Vec::with_capacity(pieces.len());
        for piece in pieces {
            left.push(match content(&piece) {
                Some(content) if sent > 0 => bytes(&content[std::mem::take(&mut sent)..])?,
                _ => piece,
            });
        }
        list(left)
    }
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last, by the type's
        // own `tp_free`, together with its reference to the type.
        unsafe {
            drop((*slf.cast::<Object>()).pieces.take());
            crate::native::gc::release(slf);
        }
        Ok(())
    });
}
