//! What the ready ring and the timers hold: one tagged word that owns a reference.

use std::num::NonZeroUsize;

use pyo3::ffi;

use crate::native::Ref;
use crate::native::gc::track;

/// What to do with the object of a [`Word`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Kind {
    /// A native task: run one step.
    Step = 0,
    /// A native handle: run its callback.
    Handle = 1,
    /// A native future that is done and has a collector in its waiter slot: tell the collector.
    Child = 2,
    /// A native task in a native sleep that is over: queue its step.
    Sleep = 3,
    /// A native `Timeout` whose time has come: cancel its task.
    Timeout = 4,
}

const TAG: usize = 7;

/// A reference and what to do with it, in one word. Python objects are aligned to sixteen bytes, so the
/// low bits are free.
pub struct Word(NonZeroUsize);

impl Word {
    fn new(object: Ref, kind: Kind) -> Self {
        let word = object.into_ptr() as usize;
        debug_assert_eq!(word & TAG, 0);
        // A reference is never null, so neither is the word.
        Self(NonZeroUsize::new(word | kind as usize).expect("a reference is not null"))
    }

    /// A step of a native task.
    #[inline]
    pub fn step(task: Ref) -> Self {
        Self::new(task, Kind::Step)
    }

    /// The callback of a native handle.
    #[inline]
    pub fn handle(handle: Ref) -> Self {
        Self::new(handle, Kind::Handle)
    }

    /// A child of a collector that is done.
    #[inline]
    pub fn child(child: Ref) -> Self {
        Self::new(child, Kind::Child)
    }

    /// The end of a native sleep.
    #[inline]
    pub fn sleep(task: Ref) -> Self {
        Self::new(task, Kind::Sleep)
    }

    /// The deadline of a native `Timeout`.
    #[inline]
    pub fn timeout(timeout: Ref) -> Self {
        Self::new(timeout, Kind::Timeout)
    }

    /// What to do.
    #[inline]
    pub fn kind(&self) -> Kind {
        match self.0.get() & TAG {
            0 => Kind::Step,
            1 => Kind::Handle,
            2 => Kind::Child,
            3 => Kind::Sleep,
            _ => Kind::Timeout,
        }
    }

    /// The object, borrowed: for the collector and for comparing.
    pub fn peek(&self) -> *mut ffi::PyObject {
        (self.0.get() & !TAG) as *mut ffi::PyObject
    }

    /// The object, with the reference that the word owned.
    #[inline]
    pub fn into_object(self) -> Ref {
        let object = self.peek();
        std::mem::forget(self);
        // SAFETY: the word owned this reference and is forgotten.
        unsafe { Ref::owned(object) }
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        // SAFETY: the word owns the reference.
        let object = unsafe { Ref::owned(self.peek()) };
        // The loop lets go of it unserved. If someone else holds it, only the collector can find its
        // cycles from now on.
        if object.count() > 1 {
            track(&object);
        }
    }
}
