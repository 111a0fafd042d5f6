//! The state of a running loop, and one turn of it.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::current::{Entry, Remote};
use crate::error::RunError;
use crate::registry::Registry;
use crate::time::Sleeper;
use crate::{Clock, Inbox, Order, Reactor, Readiness, Ready, TimerId, Timers, poll_timeout};

/// A running loop.
///
/// It belongs to one thread. The cells are borrowed for single operations only, never while foreign code runs: a waker, a destructor and a task may all come back here.
pub(crate) struct EventLoop {
    ready: RefCell<Ready<Entry>>,
    timers: RefCell<Timers<Duration, Rc<Sleeper>>>,
    clock: Clock,
    /// The tasks that have not ended.
    pub(crate) tasks: RefCell<Registry>,
    pub(crate) remote: Arc<Remote>,
    /// What the loop sleeps in. `None` under a virtual clock, where it never sleeps.
    reactor: Option<(Reactor, RefCell<Readiness>)>,
    /// Entries just taken from the inbox; kept for its memory.
    received: RefCell<Vec<Entry>>,
    /// Set when the main future is over. What is spawned from then on is cancelled at once.
    closing: Cell<bool>,
}

impl EventLoop {
    pub(crate) fn new(clock: Clock, order: Order) -> io::Result<Self> {
        let reactor = match clock.is_virtual() {
            true => None,
            false => Some((Reactor::new()?, RefCell::new(Readiness::new()))),
        };
        let remote = Remote {
            inbox: Inbox::new(),
            wakeup: reactor.as_ref().map(|(reactor, _)| reactor.wakeup()),
        };
        Ok(Self {
            ready: RefCell::new(Ready::with_order(order)),
            timers: RefCell::new(Timers::new()),
            clock,
            tasks: RefCell::new(Registry::new()),
            remote: Arc::new(remote),
            reactor,
            received: RefCell::new(Vec::new()),
            closing: Cell::new(false),
        })
    }

    /// Whether this is the loop that `remote` leads to.
    pub(crate) fn is_at(&self, remote: &Arc<Remote>) -> bool {
        Arc::ptr_eq(&self.remote, remote)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Adds an entry to the ready ring, behind what other threads have sent before.
    pub(crate) fn push(&self, entry: Entry) {
        self.receive();
        self.ready.borrow_mut().push(entry);
    }

    pub(crate) fn insert_timer(&self, at: Duration, sleeper: Rc<Sleeper>) -> TimerId {
        self.timers.borrow_mut().insert(at, sleeper)
    }

    pub(crate) fn cancel_timer(&self, id: TimerId) -> Option<Rc<Sleeper>> {
        self.timers.borrow_mut().cancel(id)
    }

    /// One turn: hear what came from outside, run due timers, run what was ready when the turn began.
    ///
    /// With nothing ready it first sleeps until something is. `run_main` polls the main future.
    /// `true` means that the stop entry was met.
    pub(crate) fn turn(&self, mut run_main: impl FnMut()) -> Result<bool, RunError> {
        self.receive();
        if self.ready.borrow().is_empty() {
            self.wait()?;
            self.receive();
        }
        self.fire_timers();
        let mut stop = false;
        let mut batch_left = self.ready.borrow().len();
        while batch_left > 0 {
            let entry = self.ready.borrow_mut().take(batch_left);
            batch_left -= 1;
            match entry {
                Some(Entry::Task(runnable)) => _ = runnable.run(),
                Some(Entry::Main) => run_main(),
                Some(Entry::Stop) => stop = true,
                None => break,
            }
        }
        Ok(stop)
    }

    /// Moves what other threads sent into the ready ring. Costs one load when there is nothing.
    fn receive(&self) {
        if self.remote.inbox.is_empty() {
            return;
        }
        let mut received = self.received.take();
        self.remote.inbox.take_all(&mut received);
        let mut ready = self.ready.borrow_mut();
        received.drain(..).for_each(|entry| ready.push(entry));
        self.received.replace(received);
    }

    /// Waits for the next deadline or a waker. It may return early; the turn then finds nothing to do.
    fn wait(&self) -> Result<(), RunError> {
        let next = self.timers.borrow_mut().next_deadline();
        match (&self.reactor, next) {
            (Some((reactor, readiness)), _) => {
                let timeout = poll_timeout(false, next, self.clock.now());
                match reactor.wait(&mut readiness.borrow_mut(), timeout) {
                    // A signal handler of the program ran. If it woke a task, the inbox knows.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                    result => result.map_err(RunError::Io),
                }
            }
            (None, Some(deadline)) => {
                self.clock.advance_to(deadline);
                Ok(())
            }
            (None, None) if self.remote.inbox.is_empty() => {
                let mut waiting = vec!["main".to_owned()];
                waiting.extend(self.tasks.borrow().names());
                Err(RunError::Deadlock(waiting))
            }
            (None, None) => Ok(()),
        }
    }

    fn fire_timers(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        // As in asyncio, what is due within the clock's next step is due now: sleeping for less than a step is not possible.
        let before = self.clock.now().saturating_add(self.clock.resolution());
        loop {
            let due = self.timers.borrow_mut().pop_due(before);
            match due {
                Some(sleeper) => sleeper.fire(),
                None => return,
            }
        }
    }

    /// Cancels the tasks that are left, in order of creation, and lets go of everything.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        let tasks = self.tasks.borrow().in_order();
        tasks.iter().for_each(|task| _ = task.cancel());
        drop(tasks);
        while !self.tasks.borrow().is_empty() {
            self.receive();
            let Some(entry) = self.take_any() else {
                // A waker on another thread holds the entry of a task and has not put it into the inbox yet. It is about to.
                thread::yield_now();
                continue;
            };
            if let Entry::Task(runnable) = entry {
                // Tasks catch their own panics; what remains is a destructor of a result. The panic hook has reported it, and the other tasks still have to be ended.
                let _ = std::panic::catch_unwind(|| runnable.run());
            }
        }
        let timers = self.timers.borrow_mut().drain();
        timers.iter().for_each(|sleeper| sleeper.abandon());
        drop(timers);
        drop(self.remote.inbox.close());
        let ready = self.ready.borrow_mut().drain();
        drop(ready);
    }

    fn take_any(&self) -> Option<Entry> {
        let mut ready = self.ready.borrow_mut();
        match ready.len() {
            0 => None,
            left => ready.take(left),
        }
    }
}
