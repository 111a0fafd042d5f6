//! A future with a time limit.

#![forbid(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::{Elapsed, Sleep, sleep};

/// Waits for a future, but no longer than `duration`, as `asyncio.timeout` does.
///
/// When the time is over the future is dropped, which cancels it. A [`Task`](crate::Task) given by value is cancelled with it; given as `&mut task` it runs on.
/// A future that is ready when it is polled wins, however late it is.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{Elapsed, run, sleep, timeout};
///
/// # if cfg!(miri) { return }
/// run(async {
///     let quick = timeout(Duration::from_secs(5), async { 1 });
///     assert_eq!(quick.await, Ok(1));
///
///     let slow = timeout(Duration::from_millis(1), sleep(Duration::from_secs(5)));
///     assert_eq!(slow.await, Err(Elapsed));
/// });
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: Some(future.into_future()),
        limit: sleep(duration),
    }
}

pin_project! {
    /// The future of [`timeout`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        // `None` once the time is over.
        #[pin]
        future: Option<F>,
        #[pin]
        limit: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(Elapsed));
        };
        if let Poll::Ready(output) = future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        if this.limit.poll(context).is_pending() {
            return Poll::Pending;
        }
        // Whoever hears of the timeout finds the future gone.
        this.future.set(None);
        Poll::Ready(Err(Elapsed))
    }
}
