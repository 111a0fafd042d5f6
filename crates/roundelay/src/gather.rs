//! Running futures at the same time and collecting their results in order.

#![forbid(unsafe_code)]

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::group::Group;
use crate::{Task, TaskError, spawn};

/// Runs futures at the same time, each in a task of its own, and gives their results in the order of the futures, as `asyncio.gather` does.
///
/// The tasks are created by the call, in order, and begin in the loop's next turn.
/// If the waiting is cancelled, that is, if the returned future is dropped, so are the tasks.
/// A panic in one of them goes on in whoever awaits, at once; the others run on.
///
/// Futures that can fail give `Result`s here, which is one way to have [errors as values](gather_results). To be told about the first error at once, use [`try_gather`].
/// [`Task`]s can be gathered too; they give `Result`s as when awaited.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{gather, run, sleep};
///
/// # if cfg!(miri) { return }
/// async fn double(number: u64) -> u64 {
///     sleep(Duration::from_millis(10 - number)).await;
///     2 * number
/// }
///
/// // The second one ends first.
/// assert_eq!(run(async { gather([double(1), double(3)]).await }), [2, 6]);
/// ```
#[track_caller]
pub fn gather<I>(futures: I) -> Gather<<I::Item as IntoFuture>::Output>
where
    I: IntoIterator,
    I::Item: IntoFuture<IntoFuture: 'static, Output: 'static>,
{
    Gather {
        children: Children::spawn(futures, Result::is_err),
    }
}

/// Runs futures that can fail at the same time and gives all their results, or the first error.
///
/// This is what `asyncio.gather` does with exceptions: the first error by time goes to whoever awaits, at once, and the other tasks run on.
/// Otherwise it is like [`gather`].
///
/// ```
/// use roundelay::{run, try_gather};
///
/// # if cfg!(miri) { return }
/// async fn parse(text: &'static str) -> Result<i32, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// run(async {
///     assert_eq!(try_gather(["1", "2"].map(parse)).await, Ok(vec![1, 2]));
///     assert!(try_gather(["1", "x"].map(parse)).await.is_err());
/// });
/// ```
#[track_caller]
pub fn try_gather<I, T, E>(futures: I) -> TryGather<T, E>
where
    I: IntoIterator,
    I::Item: IntoFuture<IntoFuture: 'static, Output = Result<T, E>>,
    T: 'static,
    E: 'static,
{
    TryGather {
        children: Children::spawn(futures, |outcome| !matches!(outcome, Ok(Ok(_)))),
    }
}

/// Runs futures at the same time and gives what became of each, as `asyncio.gather(..., return_exceptions=True)` does.
///
/// A panic is a value like any other here: it stands at the place of the future that panicked.
///
/// ```
/// use roundelay::{gather_results, run};
///
/// # if cfg!(miri) { return }
/// let results = run(async {
///     gather_results([3, 0].map(|divisor| async move { 12 / divisor })).await
/// });
/// assert_eq!(*results[0].as_ref().unwrap(), 4);
/// assert_eq!(
///     results[1].as_ref().unwrap_err().to_string(),
///     "the task panicked: attempt to divide by zero",
/// );
/// ```
#[track_caller]
pub fn gather_results<I>(futures: I) -> GatherResults<<I::Item as IntoFuture>::Output>
where
    I: IntoIterator,
    I::Item: IntoFuture<IntoFuture: 'static, Output: 'static>,
{
    GatherResults {
        children: Children::spawn(futures, |_| false),
    }
}

/// The future of [`gather`].
#[must_use = "dropping it cancels the tasks"]
pub struct Gather<T> {
    children: Children<T>,
}

impl<T> Future for Gather<T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<T>> {
        let failed = ready!(self.children.group.poll(context));
        let tasks = self.children.finish();
        if let Some(failed) = failed {
            resume(take(&tasks[failed]));
        }
        Poll::Ready(tasks.iter().map(|task| resume(take(task))).collect())
    }
}

/// The future of [`try_gather`].
#[must_use = "dropping it cancels the tasks"]
pub struct TryGather<T, E> {
    children: Children<Result<T, E>>,
}

impl<T, E> Future for TryGather<T, E> {
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let failed = ready!(self.children.group.poll(context));
        let tasks = self.children.finish();
        if let Some(failed) = failed {
            return Poll::Ready(resume(take(&tasks[failed])).map(|_| Vec::new()));
        }
        Poll::Ready(tasks.iter().map(|task| resume(take(task))).collect())
    }
}

/// The future of [`gather_results`].
#[must_use = "dropping it cancels the tasks"]
pub struct GatherResults<T> {
    children: Children<T>,
}

impl<T> Future for GatherResults<T> {
    type Output = Vec<Result<T, TaskError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.children.group.poll(context));
        Poll::Ready(self.children.finish().iter().map(take).collect())
    }
}

fn take<T>(task: &Task<T>) -> Result<T, TaskError> {
    task.state().take_outcome()
}

/// The result of a child, or its panic.
fn resume<T>(outcome: Result<T, TaskError>) -> T {
    match outcome {
        Ok(result) => result,
        Err(TaskError::Panicked(panic)) => panic.resume(),
        Err(TaskError::Cancelled) => {
            unreachable!(
                "only a loop that ends cancels gathered tasks, and it has ended their parent"
            )
        }
    }
}

/// The tasks of one gathering. They are cancelled if it is dropped before it is finished.
struct Children<T> {
    /// Empty once finished.
    tasks: Vec<Task<T>>,
    group: Rc<Group<T>>,
}

impl<T: 'static> Children<T> {
    #[track_caller]
    fn spawn<I>(futures: I, decides: impl Fn(&Result<T, TaskError>) -> bool + 'static) -> Self
    where
        I: IntoIterator,
        I::Item: IntoFuture<IntoFuture: 'static, Output = T>,
    {
        let mut tasks = Vec::new();
        for future in futures {
            tasks.push(spawn(future.into_future()));
        }
        let group = Group::of(&tasks, decides);
        Self { tasks, group }
    }
}

impl<T> Children<T> {
    fn finish(&mut self) -> Vec<Task<T>> {
        self.group.leave(&self.tasks);
        std::mem::take(&mut self.tasks)
    }
}

impl<T> Drop for Children<T> {
    fn drop(&mut self) {
        self.group.leave(&self.tasks);
        self.tasks.iter().for_each(|task| _ = task.cancel());
    }
}
