//! The life of a task, from creation to outcome. Every change of a task's state passes here.

#![forbid(unsafe_code)]

use std::cell::{Cell, Ref, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use crate::TaskError;
use crate::group::Group;
use crate::registry::AnyTask;

/// What the handle of a task and its running part share.
pub(crate) struct TaskState<T> {
    /// By order of creation in its loop. The first is 1.
    number: u64,
    /// Where the task was created.
    origin: &'static Location<'static>,
    phase: Cell<Phase>,
    /// What makes the loop run the task once more. Present until the task is done; it keeps the task's memory, so the end takes it out.
    waker: RefCell<Option<Waker>>,
    /// Present from the end of the task until somebody has awaited it.
    outcome: RefCell<Option<Result<T, TaskError>>>,
    /// Who is to be told about the end. There is one handle, so there is at most one.
    waiter: RefCell<Option<Waiter<T>>>,
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Ready, running or waiting for something.
    Pending,
    /// Asked to end. The next run of the task drops its future instead of polling it.
    Cancelling,
    /// Ended with a result.
    Finished,
    /// Ended by being cancelled.
    Cancelled,
    /// Ended by a panic.
    Panicked,
}

/// Who waits for a task.
pub(crate) enum Waiter<T> {
    /// A future that awaits the handle.
    Future(Waker),
    /// A group that the task is a member of, under this index.
    Group(Rc<Group<T>>, usize),
}

impl<T> TaskState<T> {
    pub(crate) fn new(number: u64, origin: &'static Location<'static>) -> Self {
        Self {
            number,
            origin,
            phase: Cell::new(Phase::Pending),
            waker: RefCell::new(None),
            outcome: RefCell::new(None),
            waiter: RefCell::new(None),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn is_done(&self) -> bool {
        !matches!(self.phase(), Phase::Pending | Phase::Cancelling)
    }

    pub(crate) fn is_cancelling(&self) -> bool {
        self.phase() == Phase::Cancelling
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.phase() == Phase::Cancelled
    }

    pub(crate) fn short_name(&self) -> String {
        format!("Task-{}", self.number)
    }

    /// Says how the task is woken, when it is created.
    pub(crate) fn set_waker(&self, waker: Waker) {
        self.waker.replace(Some(waker));
    }

    /// Asks the task to end. `false` if it has ended already.
    pub(crate) fn cancel(&self) -> bool {
        if self.is_done() {
            return false;
        }
        self.phase.set(Phase::Cancelling);
        // Cloned out of the borrow: waking runs code that may come back here.
        let waker = self.waker.borrow().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Ends the task and tells whoever waits.
    pub(crate) fn end(&self, outcome: Result<T, TaskError>) {
        debug_assert!(!self.is_done(), "a task ends once");
        self.phase.set(match &outcome {
            Ok(_) => Phase::Finished,
            Err(TaskError::Cancelled) => Phase::Cancelled,
            Err(TaskError::Panicked(_)) => Phase::Panicked,
        });
        self.outcome.replace(Some(outcome));
        drop(self.waker.take());
        let waiter = self.waiter.take();
        match waiter {
            Some(Waiter::Future(waker)) => waker.wake(),
            Some(Waiter::Group(group, index)) => {
                group.member_ended(index, self.outcome().as_deref())
            }
            None => {}
        }
    }

    pub(crate) fn outcome(&self) -> Option<Ref<'_, Result<T, TaskError>>> {
        Ref::filter_map(self.outcome.borrow(), Option::as_ref).ok()
    }

    /// Takes the outcome of a task that is done.
    ///
    /// # Panics
    ///
    /// If it has been taken already.
    #[track_caller]
    pub(crate) fn take_outcome(&self) -> Result<T, TaskError> {
        match self.outcome.take() {
            Some(outcome) => outcome,
            None => panic!(
                "the outcome of {} has been taken already",
                self.short_name()
            ),
        }
    }

    pub(crate) fn set_waiter(&self, waiter: Waiter<T>) {
        // The old one is dropped here, outside of the borrow.
        drop(self.waiter.replace(Some(waiter)));
    }

    pub(crate) fn clear_waiter(&self) {
        drop(self.waiter.take());
    }
}

impl<T> AnyTask for TaskState<T> {
    fn cancel(&self) -> bool {
        self.cancel()
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn name(&self) -> String {
        format!("{} from {}", self.short_name(), self.origin)
    }
}
