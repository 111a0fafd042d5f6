//! Waiting for several tasks at once.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::task_state::Waiter;
use crate::{Task, TaskError};

/// Counts the tasks of a `gather` or a `wait` as they end, so that whoever waits is woken once and not by each of them.
pub(crate) struct Group<T> {
    /// Members that have not ended.
    left: Cell<usize>,
    /// The first member, by time, whose outcome ended the waiting before all had ended.
    decisive: Cell<Option<usize>>,
    /// Which outcomes end the waiting at once.
    decides: Box<Decides<T>>,
    /// Who waits for the group. Taken when the group is complete.
    waker: RefCell<Option<Waker>>,
}

type Decides<T> = dyn Fn(&Result<T, TaskError>) -> bool;

impl<T> Group<T> {
    /// Makes a group of `tasks`. Until it is left, they tell it and nobody else about their end.
    pub(crate) fn of(
        tasks: &[Task<T>],
        decides: impl Fn(&Result<T, TaskError>) -> bool + 'static,
    ) -> Rc<Self> {
        let group = Rc::new(Self {
            left: Cell::new(tasks.len()),
            decisive: Cell::new(None),
            decides: Box::new(decides),
            waker: RefCell::new(None),
        });
        for (index, task) in tasks.iter().enumerate() {
            let state = task.state();
            match state.is_done() {
                true => group.member_ended(index, state.outcome().as_deref()),
                false => state.set_waiter(Waiter::Group(Rc::clone(&group), index)),
            }
        }
        group
    }

    /// The tasks stop telling the group.
    pub(crate) fn leave(&self, tasks: &[Task<T>]) {
        tasks.iter().for_each(|task| task.state().clear_waiter());
        drop(self.waker.take());
    }

    /// Called when a member ends. Its outcome is missing if somebody has taken it before the group was made.
    pub(crate) fn member_ended(&self, index: usize, outcome: Option<&Result<T, TaskError>>) {
        self.left.set(self.left.get() - 1);
        if self.decisive.get().is_none() && outcome.is_some_and(&self.decides) {
            self.decisive.set(Some(index));
        }
        if self.is_complete() {
            let waker = self.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.left.get() == 0 || self.decisive.get().is_some()
    }

    /// Waits for the decisive member, or for all. The answer is the index of the decisive one, if there is one.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        if self.is_complete() {
            return Poll::Ready(self.decisive.get());
        }
        drop(self.waker.replace(Some(context.waker().clone())));
        Poll::Pending
    }
}
