//! The fields of a native Task.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::layout::{BODY, base_words, set_base_word};
use crate::future::FutureBody;
use crate::native::{Ref, Slot, none};

use super::label::Label;

/// Whether, and how far, a task is in a native sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Sleeping {
    /// Not in a native sleep.
    No = 0,
    /// The loop's timer `timer` owns the task, or did: `eventloop::sleeps` finds out how far it has come.
    Timer = 1,
    /// The timer was due; an entry of the ring owns the task and will queue its step.
    Due = 2,
}

/// Fields of a native task. All zero bytes are a task whose `__init__` has not run.
#[repr(C)]
pub struct TaskBody {
    /// What it has in common with a future.
    pub future: FutureBody,
    /// The coroutine.
    pub coro: Slot,
    /// The context that every step runs in, or only its variables; see `compat::context`.
    pub context: Slot,
    /// What the task is parked on (`_fut_waiter`); empty while it is queued, sleeping or running.
    pub waiting_on: Slot,
    /// Its name, or the number that one is made from.
    pub label: Label,
    /// Place in the list of all tasks; from 3.14 on the base object has it.
    #[cfg(not(Py_3_14))]
    pub links: Links,
    /// How often `cancel()` was called less how often `uncancel()` was.
    pub cancel_requests: Cell<u32>,
    /// The timer of a native sleep; meaningful in state [`Sleeping::Timer`] only.
    pub timer: Cell<u32>,
    /// Whether the task is in the list of all tasks; before 3.14 `links` says so.
    #[cfg(Py_3_14)]
    pub linked: Cell<bool>,
}

/// What takes one byte each. All zero bytes are those of a task whose `__init__` has not run.
pub struct TaskFlags {
    /// See [`Sleeping`].
    pub sleeping: Cell<Sleeping>,
    /// Entries of the ring for sleeps that were due and then cancelled; each is to be ignored once.
    pub stale_wakeups: Cell<u8>,
    /// `cancel()` came while the task could not be told; the next step throws.
    pub must_cancel: Cell<bool>,
    /// Report the task if it is destroyed while pending.
    pub log_destroy_pending: Cell<bool>,
}

/// Place in the list of all tasks (up to 3.13; see `compat::registry`).
#[cfg(not(Py_3_14))]
pub struct Links {
    /// The task registered before this one; null for the oldest.
    pub older: Cell<*mut ffi::PyObject>,
    /// The task registered after this one, the task itself for the newest. Null while it is in no list.
    pub newer: Cell<*mut ffi::PyObject>,
}

impl TaskBody {
    /// Visits what a task has beyond a future.
    ///
    /// # Safety
    /// Called from `tp_traverse` with the collector's arguments.
    pub unsafe fn traverse(&self, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
        for slot in [&self.coro, &self.context, &self.waiting_on] {
            // SAFETY: by the caller's contract.
            let status = unsafe { slot.traverse(visit, arg) };
            if status != 0 {
                return status;
            }
        }
        // SAFETY: by the caller's contract.
        unsafe { self.label.traverse(visit, arg) }
    }

    /// See [`TaskFlags`].
    #[inline(always)]
    pub fn flags(&self) -> &TaskFlags {
        &self.future.of_task
    }
}

/// The coroutine of a task, borrowed, for a look that calls nothing; null if it has gone.
#[inline]
pub fn coroutine_of(task: &Ref) -> *mut ffi::PyObject {
    body(task).coro.peek()
}

/// Lets the coroutine go.
pub fn drop_coro(task: &Ref) {
    set_base_word(task, base_words().coro, &none());
    drop(body(task).coro.take());
}

/// Drops what a task has beyond a future.
pub fn clear(task: &Ref) {
    drop_coro(task);
    let fields = body(task);
    drop(fields.context.take());
    drop(fields.waiting_on.take());
    fields.label.clear();
}

/// The body of a native task: an instance of the native type or of a subclass.
#[inline]
pub fn body(task: &Ref) -> &TaskBody {
    // SAFETY: every native task has this body at this offset, and it lives as long as the object.
    unsafe { &*task.as_ptr().cast::<u8>().add(BODY).cast::<TaskBody>() }
}
