//! Waiting for some of several tasks.

#![forbid(unsafe_code)]

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::group::Group;
use crate::{Sleep, Task, TaskError, sleep};

/// Waits for tasks and gives back those that are done and those that are not, both in the order given, as `asyncio.wait` does.
///
/// `when` is [`FirstCompleted`], [`FirstException`] or [`AllCompleted`].
/// Nothing is cancelled, neither at the end nor when the waiting is: the tasks that are still pending run on.
/// With no tasks at all there is nothing to wait for, and both lists are empty.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{FirstCompleted, run, sleep, spawn, wait};
///
/// # if cfg!(miri) { return }
/// run(async {
///     let tasks = [5, 1000].map(|millis| spawn(sleep(Duration::from_millis(millis))));
///     let (done, pending) = wait(tasks, FirstCompleted).await;
///     assert_eq!((done.len(), pending.len()), (1, 1));
/// });
/// ```
pub fn wait<T: 'static>(
    tasks: impl IntoIterator<Item = Task<T>>,
    when: impl ReturnWhen<T>,
) -> Wait<T> {
    let tasks: Vec<_> = tasks.into_iter().collect();
    let group = Group::of(&tasks, move |outcome| when.is_met_by(outcome));
    Wait {
        tasks,
        group,
        limit: None,
    }
}

/// Which outcome of a task ends a [`wait`] before all tasks are done.
pub trait ReturnWhen<T>: 'static {
    /// Whether the wait ends when a task ends like this.
    fn is_met_by(&self, outcome: &Result<T, TaskError>) -> bool;
}

/// Wait until any task is done.
#[derive(Clone, Copy, Debug)]
pub struct FirstCompleted;

impl<T> ReturnWhen<T> for FirstCompleted {
    fn is_met_by(&self, _outcome: &Result<T, TaskError>) -> bool {
        true
    }
}

/// Wait until any task has returned an error or panicked, or all are done. A cancelled task is no exception.
#[derive(Clone, Copy, Debug)]
pub struct FirstException;

impl<T, E> ReturnWhen<Result<T, E>> for FirstException {
    fn is_met_by(&self, outcome: &Result<Result<T, E>, TaskError>) -> bool {
        matches!(outcome, Ok(Err(_)) | Err(TaskError::Panicked(_)))
    }
}

/// Wait until all tasks are done.
#[derive(Clone, Copy, Debug)]
pub struct AllCompleted;

impl<T> ReturnWhen<T> for AllCompleted {
    fn is_met_by(&self, _outcome: &Result<T, TaskError>) -> bool {
        false
    }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<T> {
    /// Empty once the wait is over.
    tasks: Vec<Task<T>>,
    group: Rc<Group<T>>,
    /// How long to wait at most, if there is a limit.
    limit: Option<Sleep>,
}

impl<T> Wait<T> {
    /// Ends the wait after `duration` at the latest. What is done by then is in the first list, which may be empty.
    ///
    /// ```
    /// use std::time::Duration;
    /// use roundelay::{AllCompleted, run, sleep, spawn, wait};
    ///
    /// # if cfg!(miri) { return }
    /// run(async {
    ///     let tasks = [1, 1000].map(|millis| spawn(sleep(Duration::from_millis(millis))));
    ///     let limit = Duration::from_millis(100);
    ///     let (done, pending) = wait(tasks, AllCompleted).timeout(limit).await;
    ///     assert_eq!((done.len(), pending.len()), (1, 1));
    /// });
    /// ```
    pub fn timeout(mut self, duration: Duration) -> Self {
        self.limit = Some(sleep(duration));
        self
    }
}

impl<T> Future for Wait<T> {
    type Output = (Vec<Task<T>>, Vec<Task<T>>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.group.poll(context).is_pending() {
            let is_over = match &mut self.limit {
                Some(limit) => Pin::new(limit).poll(context).is_ready(),
                None => false,
            };
            if !is_over {
                return Poll::Pending;
            }
        }
        self.group.leave(&self.tasks);
        let tasks = std::mem::take(&mut self.tasks);
        Poll::Ready(tasks.into_iter().partition(Task::is_done))
    }
}

impl<T> Drop for Wait<T> {
    fn drop(&mut self) {
        self.group.leave(&self.tasks);
    }
}
