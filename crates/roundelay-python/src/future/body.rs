//! The fields of a native Future, which are also the first fields of a native Task.

use std::cell::Cell;

use crate::compat::layout::BODY;
use crate::native::{Ref, Slot};

use crate::task::TaskFlags;

use super::waiters::WaiterSlot;

/// State of a future. The order is that of `asyncio`'s `_PENDING`, `_CANCELLED`, `_FINISHED`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// No result yet. The only state in which callbacks are kept.
    Pending = 0,
    /// Cancelled; `value` is empty.
    Cancelled = 1,
    /// Has a result in `value`.
    Finished = 2,
    /// Has an exception in `value`; asyncio shows it as finished.
    Failed = 3,
}

/// Fields of a native future. All zero bytes are a future whose `__init__` has not run.
#[repr(C)]
pub struct FutureBody {
    /// The loop; empty until `__init__` has run.
    pub event_loop: Slot,
    /// Result (state `Finished`) or exception (state `Failed`).
    pub value: Slot,
    /// Who is told when the future is done. Empty unless the state is `Pending`, but for
    /// collectors, which are kept until their turn comes.
    pub waiters: WaiterSlot,
    /// What most futures never have.
    rare: Cell<Option<&'static Rare>>,
    /// See [`State`].
    pub state: Cell<State>,
    /// `_asyncio_future_blocking`: set by `__await__`'s iterator, taken by the task that gets the future.
    pub blocking: Cell<bool>,
    /// An exception was set and nobody has looked at it.
    pub log_traceback: Cell<bool>,
    /// The loop is ours, so that callbacks go straight to its ring.
    pub native_loop: Cell<bool>,
    /// Tasks only. They are here because a future's own fields leave just this room.
    pub of_task: TaskFlags,
}

/// Fields that most futures never need; boxed, made on first use, freed with the future.
#[derive(Default)]
pub struct Rare {
    /// The message given to `cancel()`.
    pub cancel_message: SlotDefault,
    /// The `CancelledError` that ended a task, given out once.
    pub cancelled_error: SlotDefault,
    /// Traceback of `value` when it was set, so that `result()` does not lengthen it.
    pub traceback: SlotDefault,
    /// Where the future was made (debug mode).
    pub source_traceback: SlotDefault,
    /// Tasks only: what the next step throws into the coroutine.
    pub throw_next: SlotDefault,
}

/// A slot that is empty by default, and gives up what it holds when it goes.
/// (A plain `Slot` lives in Python's memory, where nothing is dropped by itself.)
pub struct SlotDefault(pub Slot);

impl Default for SlotDefault {
    fn default() -> Self {
        Self(Slot::empty())
    }
}

impl Drop for SlotDefault {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl std::ops::Deref for SlotDefault {
    type Target = Slot;
    fn deref(&self) -> &Slot {
        &self.0
    }
}

impl FutureBody {
    /// The rare fields, if there are any.
    #[inline]
    pub fn rare(&self) -> Option<&Rare> {
        self.rare.get()
    }

    /// The rare fields, made if need be.
    pub fn rare_mut(&self) -> &Rare {
        if let Some(rare) = self.rare.get() {
            return rare;
        }
        let rare: &'static Rare = Box::leak(Box::default());
        self.rare.set(Some(rare));
        rare
    }

    /// Drops the rare fields.
    pub fn drop_rare(&self) {
        if let Some(rare) = self.rare.take() {
            // SAFETY: leaked by `rare_mut`, owned by this future alone, and no longer reachable.
            drop(unsafe { Box::from_raw(std::ptr::from_ref(rare).cast_mut()) });
        }
    }

    /// Whether the future has no outcome yet.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.state.get() == State::Pending
    }

    /// The message given to `cancel()`.
    pub fn cancel_message(&self) -> Option<Ref> {
        self.rare().and_then(|rare| rare.cancel_message.get())
    }

    /// Keeps the message given to `cancel()`.
    pub fn set_cancel_message(&self, message: Option<Ref>) {
        if message.is_some() || self.rare().is_some() {
            self.rare_mut()
                .cancel_message
                .put(message.filter(|message| !message.is_none()));
        }
    }

    /// Visits every reference but the rare ones' box itself.
    ///
    /// # Safety
    /// Called from `tp_traverse` with the collector's arguments.
    pub unsafe fn traverse(
        &self,
        visit: pyo3::ffi::visitproc,
        arg: *mut std::ffi::c_void,
    ) -> std::ffi::c_int {
        let mut slots = vec![&self.event_loop, &self.value];
        if let Some(rare) = self.rare() {
            slots.extend([
                &*rare.cancel_message,
                &*rare.cancelled_error,
                &*rare.traceback,
                &*rare.source_traceback,
                &*rare.throw_next,
            ]);
        }
        for slot in slots {
            // SAFETY: by the caller's contract.
            let status = unsafe { slot.traverse(visit, arg) };
            if status != 0 {
                return status;
            }
        }
        // SAFETY: by the caller's contract.
        unsafe { self.waiters.traverse(visit, arg) }
    }

    /// Drops every reference; the future is then as if `__init__` had not run.
    pub fn clear(&self) {
        drop(self.event_loop.take());
        drop(self.value.take());
        drop(self.waiters.take());
        self.drop_rare();
    }
}

/// The body of a native future or task.
///
/// The reference must be to an instance of a native type or of a subclass: methods get it from the
/// interpreter, which has checked; everyone else asks [`super::native`] first.
#[inline]
pub fn body(future: &Ref) -> &FutureBody {
    // SAFETY: every native type has this body at this offset, and it lives as long as the object.
    unsafe { &*future.as_ptr().cast::<u8>().add(BODY).cast::<FutureBody>() }
}
