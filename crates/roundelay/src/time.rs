//! Time as tasks see it: `now`, `sleep`, `yield_now`.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::TimerId;
use crate::current;
use crate::event_loop::EventLoop;

/// The time of the running loop, as asyncio's `loop.time()`: for measuring how long something took.
///
/// # Panics
///
/// If no loop runs on this thread.
#[track_caller]
#[must_use]
pub fn now() -> Duration {
    current::get().now()
}

/// Lets every other ready task run once, as `asyncio.sleep(0)` does.
///
/// ```
/// use roundelay::{gather, run, yield_now};
///
/// # if cfg!(miri) { return }
/// run(async {
///     let count = async |side: &'static str| {
///         for step in 1..=2 {
///             println!("{side} {step}"); // left 1, right 1, left 2, right 2
///             yield_now().await;
///         }
///     };
///     gather(["left", "right"].map(count)).await;
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Waits for `duration`, counted from the moment when the future is first polled.
///
/// Other tasks run meanwhile. A duration of zero is a [`yield_now`].
/// Tasks whose sleep ends at the same moment go on in the order in which they fell asleep.
/// A moment that the clock cannot represent never comes.
///
/// # Panics
///
/// The future panics if it is polled where no loop runs, or after its loop has ended.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{run, sleep};
///
/// # if cfg!(miri) { return }
/// run(async {
///     sleep(Duration::from_millis(2)).await;
/// });
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        state: State::New(duration),
    }
}

/// The future of [`sleep`]. Dropping it takes its timer out of the loop.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    state: State,
}

enum State {
    /// Not polled yet.
    New(Duration),
    /// A sleep of no duration: over when polled again.
    Yielding,
    Sleeping {
        event_loop: Rc<EventLoop>,
        /// Valid until the sleeper has been fired or abandoned.
        timer: TimerId,
        sleeper: Rc<Sleeper>,
    },
    /// The end lies beyond the end of time.
    Endless,
    Over,
}

/// No timer is set for a moment later than this, half of what a duration can hold: adding to such a moment would overflow.
const LAST_MOMENT: Duration = Duration::from_secs(u64::MAX / 2);

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &self.state {
            State::New(Duration::ZERO) => {
                context.waker().wake_by_ref();
                self.state = State::Yielding;
                Poll::Pending
            }
            State::New(duration) => {
                let event_loop = current::get();
                let end = event_loop.now().checked_add(*duration);
                self.state = match end.filter(|&end| end <= LAST_MOMENT) {
                    Some(end) => {
                        let sleeper = Rc::new(Sleeper::new(context.waker().clone()));
                        let timer = event_loop.insert_timer(end, Rc::clone(&sleeper));
                        State::Sleeping {
                            event_loop,
                            timer,
                            sleeper,
                        }
                    }
                    None => State::Endless,
                };
                Poll::Pending
            }
            State::Sleeping { sleeper, .. } => {
                if sleeper.poll(context.waker()).is_pending() {
                    return Poll::Pending;
                }
                self.state = State::Over;
                Poll::Ready(())
            }
            State::Endless => Poll::Pending,
            State::Yielding | State::Over => {
                self.state = State::Over;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let State::Sleeping {
            event_loop,
            timer,
            sleeper,
        } = &self.state
        {
            if sleeper.is_waiting() {
                drop(event_loop.cancel_timer(*timer));
            }
        }
    }
}

/// What the timer heap holds for a sleep: whom to wake, and whether that has happened.
pub(crate) struct Sleeper {
    phase: Cell<Phase>,
    /// Present while waiting.
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// The timer is in the heap.
    Waiting,
    /// The timer has left the heap because it was due.
    Fired,
    /// The timer has left the heap because the loop ended.
    Abandoned,
}

impl Sleeper {
    fn new(waker: Waker) -> Self {
        Self {
            phase: Cell::new(Phase::Waiting),
            waker: RefCell::new(Some(waker)),
        }
    }

    fn is_waiting(&self) -> bool {
        self.phase.get() == Phase::Waiting
    }

    /// Called by the loop with a timer that is due.
    pub(crate) fn fire(&self) {
        self.phase.set(Phase::Fired);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Called by the loop when it ends before the timer.
    pub(crate) fn abandon(&self) {
        self.phase.set(Phase::Abandoned);
        drop(self.waker.take());
    }

    fn poll(&self, waker: &Waker) -> Poll<()> {
        match self.phase.get() {
            Phase::Fired => Poll::Ready(()),
            Phase::Abandoned => panic!("the event loop of this sleep has ended"),
            Phase::Waiting => {
                let known = self
                    .waker
                    .borrow()
                    .as_ref()
                    .is_some_and(|known| known.will_wake(waker));
                if !known {
                    // The old waker is dropped here, outside of the borrow.
                    drop(self.waker.replace(Some(waker.clone())));
                }
                Poll::Pending
            }
        }
    }
}
