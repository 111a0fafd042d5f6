//! The state of a loop.

use std::cell::{Cell, RefCell};

use pyo3::ffi;
use roundelay::{Clock, Pacer, Reactor, Readiness, Ready, TimerId, Timers};

use crate::compat::context::Contexts;
use crate::native::{Ref, Slot};
use crate::statics::GilCell;
use crate::system::is_lack_of_resources;
use crate::system::known_addresses::KnownAddresses;
use crate::system::landing::Landing;
use crate::transports::held::Holding;

use super::by_descriptor::ByDescriptor;
use super::word::Word;

/// See [`generation`].
static GENERATION: GilCell<u32> = GilCell::new(0);

/// How often this process is the child of a fork.
pub fn generation() -> u32 {
    GENERATION.get()
}

/// Notes that this process is a new child; see [`LoopData::reactor`].
pub fn after_fork_in_child() {
    GENERATION.set(GENERATION.get().wrapping_add(1));
}

/// A point in the loop's time in seconds, ordered as floats are. Never NaN.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct When(pub f64);

impl Eq for When {}

#[allow(clippy::derive_ord_xor_partial_ord)]
impl Ord for When {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The handles of one descriptor.
#[derive(Default)]
pub struct Watch {
    /// Run while the descriptor is readable.
    pub reader: Option<Ref>,
    /// Run while the descriptor is writable.
    pub writer: Option<Ref>,
    /// What was given for the descriptor, if that was no number. It may be closed by now, and is known all the
    /// same: asyncio's selectors find it by identity.
    pub file: Option<Ref>,
    /// How the reactor watches it.
    pub mode: Mode,
}

/// How a reactor watches a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It reports it as long as it is ready.
    #[default]
    Always,
    /// It reports it once. Only one of reader and writer is there.
    Once,
    /// It has reported it, and is silent until it is told anew.
    Asleep,
}

/// The state of a loop. Touched only by attached threads, so the GIL serialises all access but to the
/// reactor, which is made for sharing. No borrow of a `RefCell` lives across a call into Python.
pub struct LoopData {
    /// What is ready, in the order in which it will run.
    pub ready: RefCell<Ready<Word>>,
    /// What becomes ready later. A word of kind `Sleep` owns the sleeping task.
    pub timers: RefCell<Timers<When, Word>>,
    /// Handles by descriptor. What is in here is registered with the reactor.
    pub watched: RefCell<ByDescriptor<Watch>>,
    /// By descriptor: whether the reactor probably knows it still, asleep, though it is not watched any more.
    pub asleep: RefCell<Vec<bool>>,
    /// Waits for descriptors. Gone once the loop is closed.
    pub reactor: RefCell<Option<std::sync::Arc<Reactor>>>,
    /// The process that made the reactor, counted by `fork`.
    generation: Cell<u32>,
    /// Wakes the reactor from other threads. Gone once the loop is closed.
    pub wakeup: RefCell<Option<roundelay::Wakeup>>,
    /// What the last wait found; kept for its memory.
    pub readiness: RefCell<Readiness>,
    /// Where connections, datagrams and pipes are read to.
    pub landing: Landing,
    /// Whom datagrams come from and go to.
    pub known_addresses: KnownAddresses,
    /// Polls since one let go of the interpreter; see `poll`.
    pub attached_polls: Cell<u32>,
    /// When to poll.
    pub pacer: RefCell<Pacer>,
    /// Which transports hold small writes back.
    pub holding: Holding,
    /// Real or virtual.
    pub clock: Clock,
    /// Timers due within this many seconds from now count as due.
    pub resolution: f64,
    /// `hash(loop)`, for the dict of current tasks.
    pub hash: Cell<ffi::Py_hash_t>,
    /// Somebody has put a scheduling method of their own on the instance (a `call_soon`, say), which everything
    /// must go through.
    pub patched: Cell<bool>,
    /// `time()` is the user's own, on the instance or in its class; see `time`.
    pub own_time: Cell<bool>,
    /// The task that ran last is still published as the current one.
    pub published: Cell<bool>,
    /// Somebody has put a method of their own on the instance that stands between native and asyncio's code
    /// about sockets; see `sockets`.
    pub hooked: Cell<bool>,
    /// Weak references to transports by descriptor; see `transport_table`.
    pub transports: RefCell<ByDescriptor<Ref>>,
    /// Debug mode.
    pub debug: Cell<bool>,
    /// `close()` was called.
    pub closed: Cell<bool>,
    /// `stop()` was called; the present turn is the last.
    pub stopping: Cell<bool>,
    /// `threading.get_ident()` of the thread that runs the loop, zero if none does.
    pub thread: Cell<u64>,
    /// Descriptors that the loop watches for itself (its self-pipe).
    pub internal: Cell<usize>,
    /// Under a virtual clock: how many pieces of work other threads do for the program. Time stands still
    /// until they are done.
    pub outside: Cell<usize>,
    /// The task factory, if one is set.
    pub task_factory: Slot,
    /// How many entries of the ring are sleeps that are over; see `sleeps`.
    pub due_sleeps: Cell<usize>,
    /// Their tasks were marked, because somebody looked.
    pub sleeps_marked: Cell<bool>,
    /// What the last step ran in, for the next one.
    pub contexts: Contexts,
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl LoopData {
    /// A loop that is not running.
    pub fn new(clock: Clock) -> std::io::Result<Self> {
        let reactor = Reactor::new()?;
        Ok(Self {
            ready: RefCell::new(Ready::new()),
            timers: RefCell::new(Timers::new()),
            watched: RefCell::default(),
            asleep: RefCell::default(),
            wakeup: RefCell::new(Some(reactor.wakeup())),
            reactor: RefCell::new(Some(std::sync::Arc::new(reactor))),
            generation: Cell::new(GENERATION.get()),
            readiness: RefCell::new(Readiness::new()),
            landing: Landing::default(),
            known_addresses: KnownAddresses::default(),
            attached_polls: Cell::new(0),
            pacer: RefCell::new(Pacer::new()),
            holding: Holding::default(),
            resolution: clock.resolution().as_secs_f64(),
            clock,
            hash: Cell::new(0),
            patched: Cell::new(false),
            own_time: Cell::new(false),
            hooked: Cell::new(false),
            transports: RefCell::default(),
            published: Cell::new(false),
            debug: Cell::new(false),
            closed: Cell::new(false),
            stopping: Cell::new(false),
            thread: Cell::new(0),
            internal: Cell::new(0),
            outside: Cell::new(0),
            task_factory: Slot::empty(),
            due_sleeps: Cell::new(0),
            sleeps_marked: Cell::new(false),
            contexts: Contexts::new(),
        })
    }

    /// Puts a word behind all that is ready.
    #[inline]
    pub fn push(&self, word: Word) {
        self.ready.borrow_mut().push(word);
    }

    /// Has `word` become ready at `when` (seconds of the loop's clock).
    #[inline]
    pub fn add_timer(&self, when: f64, word: Word) -> u32 {
        // A NaN compares false with everything: asyncio takes it for due at once, and so it is here.
        let when = if when.is_nan() {
            f64::NEG_INFINITY
        } else {
            when
        };
        self.timers.borrow_mut().insert(When(when), word).0
    }

    /// Takes back what `add_timer` was given, if the timer was not due yet.
    pub fn cancel_timer(&self, timer: u32) -> Option<Word> {
        self.timers.borrow_mut().cancel(TimerId(timer))
    }

    /// Puts `word` in the place of what `add_timer` was given.
    pub fn replace_timer(&self, timer: u32, word: Word) -> Option<Word> {
        self.timers.borrow_mut().replace(TimerId(timer), word)
    }

    /// The loop's time in seconds, the same number as `time.monotonic()` of a real clock.
    #[inline]
    pub fn time(&self) -> f64 {
        let now = self.clock.now();
        // As CPython converts its nanoseconds, so that the two agree to the last bit. There are 292 years in
        // 63 bits of them, whose conversion is one instruction. (Reckoned in 128 bits first, the compiler would
        // convert those, by a call.)
        match i64::try_from(now.as_secs()) {
            Ok(seconds) if seconds < i64::MAX / NANOS_PER_SECOND => {
                (seconds * NANOS_PER_SECOND + i64::from(now.subsec_nanos())) as f64 / 1e9
            }
            _ => now.as_nanos() as f64 / 1e9,
        }
    }

    /// The reactor, if the loop is not closed. A forked child shares the kernel's list of descriptors with
    /// its parent, so the first use there makes a reactor of its own, watching the same descriptors.
    pub fn reactor(&self) -> std::io::Result<Option<std::sync::Arc<Reactor>>> {
        let inherited = self.generation.get() != GENERATION.get();
        if inherited && self.reactor.borrow().is_some() {
            // If that fails, the next use tries again, and never takes the parent's.
            let own = self.same_reactor()?;
            self.asleep.borrow_mut().clear();
            self.wakeup.replace(Some(own.wakeup()));
            // Dropping the inherited one leaves the parent's alone.
            drop(self.reactor.replace(Some(std::sync::Arc::new(own))));
        }
        self.generation.set(GENERATION.get());
        Ok(self.reactor.borrow().clone())
    }

    /// A new reactor that watches what the loop watches.
    fn same_reactor(&self) -> std::io::Result<Reactor> {
        let own = Reactor::new()?;
        for (fd, watch) in self.watched.borrow().iter() {
            let told = match watch.mode {
                Mode::Always => own.add(*fd, watch.interest()),
                Mode::Once => own.arm(*fd, watch.interest(), false),
                Mode::Asleep => Ok(()),
            };
            // A descriptor that the child has closed is not watched any more, and its number may be that of
            // something that cannot be. Without memory or room others would be deaf for ever.
            if let Err(error) = told
                && error.raw_os_error().is_some_and(is_lack_of_resources)
            {
                return Err(error);
            }
        }
        Ok(own)
    }

    /// Wakes the loop out of its wait, if it is not closed.
    pub fn wake(&self) {
        if self.generation.get() != GENERATION.get() {
            // A forked child has nobody to wake but its parent.
            return;
        }
        if let Some(wakeup) = &*self.wakeup.borrow() {
            wakeup.wake();
        }
    }

    /// Whether a thread runs the loop.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.thread.get() != 0
    }

    /// Everything the loop holds on to, taken out; to be dropped by the caller.
    pub fn take_everything(&self) -> (Vec<Word>, Vec<Word>, Vec<Watch>) {
        let ready = self.ready.borrow_mut().drain();
        let timers = self.timers.borrow_mut().drain();
        self.due_sleeps.set(0);
        self.sleeps_marked.set(false);
        let watched = std::mem::take(&mut *self.watched.borrow_mut());
        (ready, timers, watched.into_values().collect())
    }
}
