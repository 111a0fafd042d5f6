//! asyncio's event loop and vocabulary, for Rust futures on one thread.
//!
//! This crate has two storeys.
//! The engine is what any asyncio-like loop is made of, generic over what is ready: [`Ready`], [`Timers`], [`Clock`], [`Reactor`], [`Inbox`] with [`Wakeup`], and the decisions of one turn.

#[cfg(not(unix))]
compile_error!("roundelay needs a Unix system: it waits for file descriptors");

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

pub use clock::{Clock, VirtualClock};
pub use inbox::Inbox;
pub use order::{Order, SplitMix};
pub use reactor::{Interest, Reactor, Readiness};
pub use ready::Ready;
pub use timers::{TimerId, Timers};
pub use turn::{Pacer, poll_timeout};
pub use wakeup::{Wakeup, Woken};
