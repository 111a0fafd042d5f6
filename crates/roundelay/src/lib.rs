#![cfg_attr(not(miri), doc = include_str!("../README.md"))]
#![cfg_attr(
    miri,
    doc = "asyncio for Rust futures. The page with its examples needs a real clock."
)]

#[cfg(not(unix))]
compile_error!("roundelay needs a Unix system: it waits for file descriptors");

// The engine, generic over what is ready.
mod clock;
mod inbox;
mod order;
mod reactor;
mod ready;
mod sync;
mod sys;
mod timers;
mod turn;
mod wakeup;

// asyncio's vocabulary for Rust futures, on that engine.
mod current;
mod error;
mod event_loop;
mod executor;
mod gather;
mod group;
mod registry;
mod supervise;
mod task;
mod task_state;
mod time;
mod timeout;
mod wait;

pub use clock::{Clock, VirtualClock};
pub use inbox::Inbox;
pub use order::{Order, SplitMix};
pub use reactor::{Interest, Reactor, Readiness};
pub use ready::Ready;
pub use timers::{TimerId, Timers};
pub use turn::{Pacer, poll_timeout};
pub use wakeup::{Wakeup, Woken};

pub use error::{Elapsed, Panic, RunError, TaskError};
pub use executor::{Config, run, run_with};
pub use gather::{Gather, GatherResults, TryGather, gather, gather_results, try_gather};
pub use task::{Join, Task, Watch, spawn};
pub use time::{Sleep, YieldNow, now, sleep, yield_now};
pub use timeout::{Timeout, timeout};
pub use wait::{AllCompleted, FirstCompleted, FirstException, ReturnWhen, Wait, wait};
