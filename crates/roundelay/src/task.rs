//! Tasks: futures that run on their own, and the handles to them.

#![forbid(unsafe_code)]

use std::cell::Ref;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::TaskError;
use crate::current;
use crate::task_state::{TaskState, Waiter};

/// Starts a future as a task of the running loop, as `asyncio.create_task` does.
///
/// The task begins in the loop's next turn, not before the caller awaits something.
/// It runs on when its handle is dropped, until it ends or the main future does.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// ```
/// use roundelay::{run, spawn};
///
/// # if cfg!(miri) { return }
/// run(async {
///     let task = spawn(async { 6 * 7 });
///     assert!(!task.is_done());
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Task {
        state: crate::supervise::start(&current::get(), future),
    }
}

/// The handle to a task. There is one, and it stays on the thread of its loop.
///
/// Awaiting it gives the task's result, or the reason why there is none.
/// It can be awaited in two ways, which differ when the waiting itself is cancelled, that is, dropped:
///
/// - `task.await` ties the task to whoever waits: if the waiting is cancelled, so is the task. This is what awaiting a task means in asyncio.
/// - `(&mut task).await` only watches: if the waiting is cancelled, the task runs on, as behind `asyncio.shield`.
///
/// Dropping a handle that nobody awaits detaches the task: it runs on.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{TaskError, run, sleep, spawn};
///
/// # if cfg!(miri) { return }
/// run(async {
///     let task = spawn(sleep(Duration::from_secs(60)));
///     task.cancel();
///     assert!(matches!(task.await, Err(TaskError::Cancelled)));
/// });
/// ```
pub struct Task<T> {
    state: Rc<TaskState<T>>,
}

impl<T> Task<T> {
    /// Asks the task to end. `false` means that it has ended already.
    ///
    /// In the loop's next turn the task's future is dropped, at the point where it waits, and whoever awaits the task gets [`TaskError::Cancelled`].
    /// A task that has not begun never does.
    pub fn cancel(&self) -> bool {
        self.state.cancel()
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Whether the task ended because it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.is_cancelled()
    }

    /// How the task ended. `None` while it runs, and after the outcome was taken by awaiting `&mut task`.
    ///
    /// ```
    /// use roundelay::{run, spawn, yield_now};
    ///
    /// # if cfg!(miri) { return }
    /// run(async {
    ///     let task = spawn(async { "12x".parse::<i32>() });
    ///     yield_now().await;
    ///     let outcome = task.outcome().unwrap();
    ///     assert_eq!(outcome.as_ref().unwrap().as_ref().unwrap_err().to_string(), "invalid digit found in string");
    /// });
    /// ```
    #[must_use]
    pub fn outcome(&self) -> Option<Ref<'_, Result<T, TaskError>>> {
        self.state.outcome()
    }

    /// Why the task has no result: the question that asyncio's `task.exception()` answers.
    ///
    /// `None` if it has one, or none yet.
    #[must_use]
    pub fn error(&self) -> Option<Ref<'_, TaskError>> {
        let outcome = self.state.outcome()?;
        Ref::filter_map(outcome, |outcome| outcome.as_ref().err()).ok()
    }

    /// The task's name: `Task-1` is the first of its loop.
    #[must_use]
    pub fn name(&self) -> String {
        self.state.short_name()
    }

    pub(crate) fn state(&self) -> &TaskState<T> {
        &self.state
    }

    fn poll_outcome(&self, context: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        if self.state.is_done() {
            return Poll::Ready(self.state.take_outcome());
        }
        self.state
            .set_waiter(Waiter::Future(context.waker().clone()));
        Poll::Pending
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("phase", &self.state.phase())
            .finish()
    }
}

impl<T> IntoFuture for Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Join<T>;

    fn into_future(self) -> Join<T> {
        Join { task: self }
    }
}

impl<'task, T> IntoFuture for &'task mut Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Watch<'task, T>;

    fn into_future(self) -> Watch<'task, T> {
        Watch { task: self }
    }
}

/// Waits for a task, and cancels it if dropped before.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited, and dropping this one cancels its task"]
pub struct Join<T> {
    task: Task<T>,
}

impl<T> Future for Join<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.poll_outcome(context)
    }
}

impl<T> Drop for Join<T> {
    fn drop(&mut self) {
        self.task.state.clear_waiter();
        self.task.cancel();
    }
}

/// Waits for a task, and leaves it alone if dropped before.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Watch<'task, T> {
    task: &'task mut Task<T>,
}

impl<T> Future for Watch<'_, T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.poll_outcome(context)
    }
}

impl<T> Drop for Watch<'_, T> {
    fn drop(&mut self) {
        self.task.state.clear_waiter();
    }
}
