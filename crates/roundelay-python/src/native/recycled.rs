//! `bytes` objects that nobody kept, filled again for those who come next.
//!
//! What a transport receives lives most often as long as one callback. So a second reference to it is kept
//! here, and once it is the only one, nobody has the object any more, and it may be given other content and
//! another life.
//!
//! Why nobody can tell: `bytes` have no weak references and are unknown to the garbage collector, so an object
//! without another reference cannot be found; views, iterators and everything else that reads one later count
//! a reference of their own; and code that may change an object that only it has (`bytes +=`, `BytesIO`) finds
//! two references and makes a copy. An immortal object has a count that is never one. The count cannot change
//! between the look and the end of the filling, for this thread holds the GIL and runs no Python code.
//! (The interpreter does the same with the tuples of `zip` and `enumerate`.)

use std::cell::{Cell, RefCell};

use pyo3::ffi;

use super::buffer::bytes;
use super::refs::{Ref, Result};

/// Smaller objects are left to the interpreter, which is quick with them.
const SMALLEST: usize = 512;

/// Larger ones are not kept.
const LARGEST: usize = 256 * 1024;

/// How much memory is kept in objects of about one size, and how many they are at most.
const MEMORY: usize = 512 * 1024;
const MOST: usize = 16;

/// Sizes from one power of two to the next are about the same.
const CLASSES: usize = (LARGEST / SMALLEST).ilog2() as usize;

/// Objects by size. Nothing here runs Python code: the end of a `bytes` object does not.
#[derive(Default)]
pub struct Recycled {
    classes: [Class; CLASSES],
}

#[derive(Default)]
struct Class {
    kept: RefCell<Vec<Kept>>,
    /// Which of them is looked at first. As long as that one is free each time, it stays the one, and stays
    /// in the processor's cache.
    first: Cell<usize>,
}

struct Kept {
    object: Ref,
    /// How many bytes it has room for, all of which have been written; it may pass for a shorter one.
    room: usize,
}

/// An object that nobody has but the one who keeps it, until it is [`filled`](Self::filled).
struct Vacant {
    object: Ref,
    room: usize,
}

impl Recycled {
    /// A `bytes` object with this content.
    #[inline]
    pub fn bytes(&self, content: &[u8]) -> Result<Ref> {
        let size = content.len();
        let Some(class) = class_of(size) else {
            return bytes(content);
        };
        let class = &self.classes[class];
        if let Some(mut vacant) = class.vacant(size) {
            vacant.memory()[..size].copy_from_slice(content);
            return Ok(vacant.filled(size));
        }
        let object = bytes(content)?;
        class.keep(object.clone(), size);
        Ok(object)
    }
}

/// The class of objects of a size; none if they are not kept.
#[inline]
fn class_of(size: usize) -> Option<usize> {
    (SMALLEST < size && size <= LARGEST).then(|| ((size - 1) / SMALLEST).ilog2() as usize)
}

/// Whether `size` bytes fill enough of an object that has so much room.
#[inline]
fn fills(size: usize, room: usize) -> bool {
    size <= room && size >= room - room / 4
}

impl Class {
    /// One that is free and of such a size: the first, or the one behind it, which is the first from then on.
    #[inline]
    fn vacant(&self, size: usize) -> Option<Vacant> {
        let kept = self.kept.borrow();
        for _ in 0..2 {
            let Kept { object, room } = kept.get(self.first.get())?;
            if object.count() == 1 && fills(size, *room) {
                let (object, room) = (object.clone(), *room);
                return Some(Vacant { object, room });
            }
            self.first.set((self.first.get() + 1) % kept.len());
        }
        None
    }

    /// Keeps another one, in the place of the first if there are many.
    fn keep(&self, object: Ref, room: usize) {
        let mut kept = self.kept.borrow_mut();
        let one = Kept { object, room };
        if kept.len() < (MEMORY / room).clamp(1, MOST) {
            self.first.set(kept.len());
            kept.push(one);
        } else {
            kept[self.first.get()] = one;
        }
    }
}

impl Vacant {
    /// Where its content is to be.
    #[inline]
    fn memory(&mut self) -> &mut [u8] {
        // SAFETY: an exact `bytes` with so much room, every byte of which has been written; nobody else has
        // it, or a view of it, for its count was one before it came here.
        unsafe {
            let content = ffi::PyBytes_AS_STRING(self.object.as_ptr());
            std::slice::from_raw_parts_mut(content.cast_mut().cast(), self.room)
        }
    }

    /// The object, whose content is what was written to the first `size` bytes.
    #[inline]
    fn filled(self, size: usize) -> Ref {
        debug_assert!(size > 1, "short ones are the interpreter's own");
        let size = size.min(self.room);
        let object = self.object.as_ptr().cast::<ffi::PyBytesObject>();
        // SAFETY: as above; behind the room there is a byte for the zero at the end. A hash that is -1 is
        // computed when somebody asks for it. Memory is freed by its address, so that a size that is less
        // than what was asked for does no harm.
        #[allow(deprecated)]
        unsafe {
            (*object).ob_base.ob_size = size as ffi::Py_ssize_t;
            (*object).ob_shash = -1;
            (&raw mut (*object).ob_sval).cast::<u8>().add(size).write(0);
        }
        self.object
    }
}
