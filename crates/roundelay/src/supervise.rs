//! The running part of a task: polls its future, catches its panics, ends it when asked to.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::current::Entry;
use crate::event_loop::EventLoop;
use crate::task_state::TaskState;
use crate::{Panic, TaskError};

/// Starts a future as a task of `event_loop`.
#[track_caller]
pub(crate) fn start<F>(event_loop: &Rc<EventLoop>, future: F) -> Rc<TaskState<F::Output>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let number = event_loop.tasks.borrow_mut().next_number();
    let state = Rc::new(TaskState::new(number, Location::caller()));
    if event_loop.is_closing() {
        // A destructor started a task while the loop was cancelling all tasks. It is cancelled like the others, before it begins.
        drop(future);
        state.end(Err(TaskError::Cancelled));
        return state;
    }
    let task = Rc::clone(&state);
    let place = event_loop.tasks.borrow_mut().insert(task);
    let supervised = Supervised {
        future: Some(future),
        state: Rc::clone(&state),
        event_loop: Rc::clone(event_loop),
        place,
    };
    let remote = Arc::clone(&event_loop.remote);
    let schedule = move |runnable| remote.schedule(Entry::Task(runnable));
    let (runnable, handle) = async_task::spawn_local(supervised, schedule);
    state.set_waker(runnable.waker());
    // Cancelling, waiting and detaching go through the state; the handle below it would only cancel when dropped.
    handle.detach();
    event_loop.push(Entry::Task(runnable));
    state
}

pin_project! {
    struct Supervised<F: Future> {
        // `None` once the task has ended.
        #[pin]
        future: Option<F>,
        state: Rc<TaskState<F::Output>>,
        event_loop: Rc<EventLoop>,
        // Where the loop keeps the task.
        place: usize,
    }
}

impl<F: Future> Future for Supervised<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let mut outcome = match this.future.as_mut().as_pin_mut() {
            Some(future) if !this.state.is_cancelling() => ready!(poll_caught(future, context)),
            _ => Err(TaskError::Cancelled),
        };
        if this.state.is_cancelling() {
            // Asked to end in the very step in which it would have ended: the request came first.
            outcome = Err(TaskError::Cancelled);
        }
        // Whoever hears of the end finds the future gone.
        let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
        if let Err(payload) = dropped {
            outcome = Err(TaskError::Panicked(Panic::new(payload)));
        }
        let removed = this.event_loop.tasks.borrow_mut().remove(*this.place);
        drop(removed);
        this.state.end(outcome);
        Poll::Ready(())
    }
}

fn poll_caught<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Result<F::Output, TaskError>> {
    // The future is dropped right after a panic and never polled again, so nobody sees what the panic left behind.
    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(TaskError::Panicked(Panic::new(payload)))),
    }
}
