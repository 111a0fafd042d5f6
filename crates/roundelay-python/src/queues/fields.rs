//! The fields of a queue, and how one that is asyncio's as it stands is told from one that a user changed.

use std::cell::Cell;

use pyo3::ffi;

use crate::compat::own_attributes;
use crate::native::{Raised, Ref, Result, Slot};
use crate::statics::{TypeCell, unset};
use crate::sync::derived::{self, missing};

/// The type `roundelay.Queue`.
pub static QUEUE: TypeCell = unset();
/// The type `roundelay.PriorityQueue`.
pub static PRIORITY_QUEUE: TypeCell = unset();
/// The type `roundelay.LifoQueue`.
pub static LIFO_QUEUE: TypeCell = unset();

/// In which order items come out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// First in, first out.
    Fifo,
    /// The smallest first.
    Priority,
    /// Last in, first out.
    Lifo,
}

/// What `bound` is when only the object in `maxsize` can say.
const ASK_THE_OBJECT: i64 = -1;

/// All zero bytes are a queue without a container, whose `__init__` has not run.
#[repr(C)]
pub struct QueueFields {
    /// The loop it belongs to, once somebody had to wait.
    pub event_loop: Slot,
    /// `_maxsize`: whatever object the user gave.
    pub maxsize: Slot,
    /// `_queue`: the container of the items. Made by the hook `_init`, which may be the user's; so it is
    /// anything, and empty if that hook keeps the items elsewhere.
    pub items: Slot,
    /// `_getters`: futures of those who wait for an item.
    pub getters: Slot,
    /// `_putters`: futures of those who wait for room.
    pub putters: Slot,
    /// `_finished`: the event that `join` waits for, made when somebody asks for it. Once it is there, it
    /// says whether everything is done, and `busy` is not looked at any more.
    pub finished: Slot,
    /// `_unfinished_tasks`: how many items were put for which `task_done` was not called.
    pub unfinished: Cell<i64>,
    /// `maxsize` as a number: zero for a queue without bound, negative if `maxsize` is no plain `int`.
    bound: Cell<i64>,
    /// Whether `_finished` would be unset, had it been made.
    pub busy: Cell<bool>,
    /// `_is_shutdown` (since 3.13).
    pub shut_down: Cell<bool>,
}

/// The fields of a queue.
#[inline]
pub fn fields(queue: &Ref) -> &QueueFields {
    // SAFETY: only called for instances of `QUEUE` and its subclasses.
    unsafe { derived::fields(queue) }
}

/// The kind of a queue of which nothing is the user's, neither its class nor a method set on the object
/// itself. Whatever such a queue does may be done without asking its methods.
#[inline]
pub fn plain_kind(queue: &Ref) -> Option<Kind> {
    let kind = if queue.is_exact(QUEUE.get()) {
        Kind::Fifo
    } else if queue.is_exact(PRIORITY_QUEUE.get()) {
        Kind::Priority
    } else if queue.is_exact(LIFO_QUEUE.get()) {
        Kind::Lifo
    } else {
        return None;
    };
    own_attributes::is_empty_in_exact(queue).then_some(kind)
}

impl QueueFields {
    /// Sets `_maxsize`.
    pub fn set_maxsize(&self, maxsize: Ref) {
        let is_int = maxsize.is_exact(&raw mut ffi::PyLong_Type);
        let bound = if is_int {
            let mut overflow = 0;
            // SAFETY: a live `int`; no error is set for one, however large.
            let number =
                unsafe { ffi::PyLong_AsLongLongAndOverflow(maxsize.as_ptr(), &mut overflow) };
            match overflow {
                0 => number.max(0),
                negative if negative < 0 => 0,
                _ => i64::MAX,
            }
        } else {
            ASK_THE_OBJECT
        };
        self.bound.set(bound);
        self.maxsize.set(maxsize);
    }

    /// Whether `size` items fill the queue, if that can be said without the object in `maxsize`.
    #[inline(always)]
    pub fn is_full_with(&self, size: impl FnOnce() -> Result<usize>) -> Result<Option<bool>> {
        match self.bound.get() {
            0 => Ok(Some(false)),
            ASK_THE_OBJECT => Ok(None),
            bound => Ok(Some(size()? as i64 >= bound)),
        }
    }

    /// The object in `maxsize`, or an `AttributeError` as for an object of a Python class.
    pub fn maxsize_object(&self, queue: &Ref) -> Result<Ref> {
        self.maxsize
            .get()
            .map_or_else(|| missing(queue, "_maxsize"), Ok)
    }

    /// The container of the items, or an `AttributeError` as for an object of a Python class.
    #[inline(always)]
    pub fn container(&self, queue: &Ref) -> Result<Ref> {
        self.items
            .get()
            .map_or_else(|| missing(queue, "_queue"), Ok)
    }
}

/// Raises `asyncio.QueueEmpty`, `QueueFull` or `QueueShutDown`.
#[cold]
pub fn raise_class<T>(class: &Ref) -> Result<T> {
    // SAFETY: a live exception class.
    unsafe { ffi::PyErr_SetNone(class.as_ptr()) };
    Err(Raised)
}
