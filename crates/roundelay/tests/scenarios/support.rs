//! What the scenarios share: a loop without real time, futures that count, a log, and a bound on hanging.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Once;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use roundelay::{Clock, Config, Order, RunError, VirtualClock, run_with};

pub const SECOND: Duration = Duration::from_secs(1);

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn virtual_config() -> Config {
    Config {
        clock: Clock::Virtual(VirtualClock::new()),
        order: Order::Fifo,
    }
}

/// Runs a future under a virtual clock that starts at zero.
pub fn run_virtual<F: Future>(future: F) -> F::Output {
    try_run_virtual(future).unwrap()
}

pub fn try_run_virtual<F: Future>(future: F) -> Result<F::Output, RunError> {
    watchdog();
    run_with(virtual_config(), future)
}

/// Ends the test program if it is still there after two minutes, a hundred times what it needs.
pub fn watchdog() {
    static STARTED: Once = Once::new();
    if cfg!(miri) {
        return;
    }
    STARTED.call_once(|| {
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(120));
            eprintln!("a test hangs");
            std::process::exit(101);
        });
    });
}

/// A shared list of what happened.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn add(&self, event: impl Into<String>) {
        self.0.borrow_mut().push(event.into());
    }

    /// Returns what has been logged, and starts anew.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// How often a future was polled and dropped.
#[derive(Clone, Default)]
pub struct Counts {
    pub polls: Rc<Cell<u32>>,
    pub drops: Rc<Cell<u32>>,
    /// The waker that the last poll brought.
    pub waker: Rc<RefCell<Option<Waker>>>,
}

impl Counts {
    pub fn both(&self) -> (u32, u32) {
        (self.polls.get(), self.drops.get())
    }

    pub fn wake(&self) {
        self.waker.borrow().as_ref().expect("polled").wake_by_ref();
    }

    /// A future that is ready at its poll number `ready_at`, counted from one. It never wakes itself.
    pub fn future(&self, ready_at: u32) -> Counting {
        Counting {
            counts: self.clone(),
            ready_at,
        }
    }
}

pub struct Counting {
    counts: Counts,
    ready_at: u32,
}

impl Future for Counting {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
        let polls = self.counts.polls.get() + 1;
        self.counts.polls.set(polls);
        self.counts.waker.replace(Some(context.waker().clone()));
        match polls >= self.ready_at {
            true => Poll::Ready(polls),
            false => Poll::Pending,
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.counts.drops.set(self.counts.drops.get() + 1);
    }
}

/// Runs a closure when dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Never ready.
pub const NEVER: u32 = u32::MAX;
