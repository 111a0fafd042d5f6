//! Running a future to its end, with everything that it spawns.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::current::{self, Entry, Remote};
use crate::error::RunError;
use crate::event_loop::EventLoop;
use crate::{Clock, Order, Woken};

/// What a loop is built from: values that the program may choose, and that cost nothing if it does not.
///
/// ```
/// use roundelay::{Clock, Config, Order, VirtualClock};
///
/// // For a test: no real time passes, and ready tasks run in an order that seed 7 chooses.
/// let config = Config {
///     clock: Clock::Virtual(VirtualClock::new()),
///     order: Order::seeded(7),
/// };
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What the loop takes the time from.
    ///
    /// Under a virtual clock no real time passes: when nothing is ready, the clock jumps to the next timer.
    /// A program under a virtual clock waits for nothing outside of its loop, so with no timer either it has come to a [deadlock](RunError::Deadlock).
    pub clock: Clock,
    /// In which order ready tasks run.
    pub order: Order,
}

/// Runs a future to its end on this thread and returns its output, as `asyncio.run` does.
///
/// Tasks that are still there when the future ends are cancelled before `run` returns.
/// Those that were ready at that moment run once more first, as in asyncio.
///
/// # Panics
///
/// If the thread runs a loop already, if the system has no descriptors left, and if the future panics. [`run_with`] returns the first two as errors.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{run, sleep, spawn};
///
/// # if cfg!(miri) { return }
/// let answer = run(async {
///     let task = spawn(async {
///         sleep(Duration::from_millis(1)).await;
///         41
///     });
///     task.await.unwrap() + 1
/// });
/// assert_eq!(answer, 42);
/// ```
pub fn run<F: Future>(future: F) -> F::Output {
    match run_with(Config::default(), future) {
        Ok(output) => output,
        Err(error) => panic!("{error}"),
    }
}

/// Runs a future like [`run`], on a loop built from `config`.
///
/// # Errors
///
/// If the thread runs a loop already, if the system has no descriptors left, and if a virtual clock meets a deadlock.
///
/// # Panics
///
/// If the future panics, after the remaining tasks have been cancelled.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{Clock, Config, VirtualClock, now, run_with, sleep};
///
/// let config = Config {
///     clock: Clock::Virtual(VirtualClock::new()),
///     ..Config::default()
/// };
/// let end = run_with(config, async {
///     sleep(Duration::from_secs(3600)).await;
///     now()
/// });
/// assert_eq!(end.unwrap(), Duration::from_secs(3600));
/// ```
pub fn run_with<F: Future>(config: Config, future: F) -> Result<F::Output, RunError> {
    let running = Running::start(config)?;
    // The future ends inside of its loop, before the tasks that it leaves behind.
    let finished = running.drive(pin!(future));
    drop(running);
    match finished? {
        Ok(output) => Ok(output),
        Err(payload) => resume_unwind(payload),
    }
}

/// The loop of this thread, from start to end. Dropping it cancels what is left, on a panic too.
struct Running {
    event_loop: Rc<EventLoop>,
}

impl Running {
    fn start(config: Config) -> Result<Self, RunError> {
        if current::is_running() {
            return Err(RunError::AlreadyRunning);
        }
        let event_loop = EventLoop::new(config.clock, config.order).map_err(RunError::Io)?;
        let event_loop = Rc::new(event_loop);
        current::enter(&event_loop);
        Ok(Self { event_loop })
    }

    /// Turns the loop until the main future has finished and the turn after that is over.
    ///
    /// The inner result is an `Err` if the main future panicked.
    fn drive<F: Future>(
        &self,
        mut main: Pin<&mut F>,
    ) -> Result<thread::Result<F::Output>, RunError> {
        let main_waker = Arc::new(MainWaker {
            remote: Arc::clone(&self.event_loop.remote),
            queued: Woken::new(),
        });
        let waker = Waker::from(Arc::clone(&main_waker));
        let mut context = Context::from_waker(&waker);
        let mut finished = None;
        waker.wake_by_ref();
        loop {
            let stop = self.event_loop.turn(|| {
                main_waker.queued.lower();
                if finished.is_some() {
                    return;
                }
                let poll = catch_unwind(AssertUnwindSafe(|| main.as_mut().poll(&mut context)));
                finished = match poll {
                    Ok(Poll::Pending) => return,
                    Ok(Poll::Ready(output)) => Some(Ok(output)),
                    Err(payload) => Some(Err(payload)),
                };
                self.event_loop.push(Entry::Stop);
            })?;
            if stop {
                if let Some(finished) = finished {
                    return Ok(finished);
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.event_loop.close();
        current::leave();
    }
}

/// Wakes the main future, which is no task: it lives on the stack of `run`.
struct MainWaker {
    remote: Arc<Remote>,
    /// Whether an entry for the main future is on its way, so that there is never a second one.
    queued: Woken,
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.raise() {
            self.remote.schedule(Entry::Main);
        }
    }
}
