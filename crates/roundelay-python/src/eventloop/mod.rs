//! The event loop: `roundelay._core.LoopBase`, over the engine of the `roundelay` crate.
//!
//! Python's `roundelay.EventLoop` derives from it and from `asyncio.SelectorEventLoop`, whose Python
//! code still provides what is not native yet (sockets, subprocesses, the executor, error reports).

pub mod alone;
mod by_descriptor;
mod data;
mod fileno;
pub mod handle;
pub mod handle_run;
mod look_ahead;
mod methods;
mod object;
mod poll;
mod run;
mod schedule;
pub mod sleeps;
mod tasks;
pub mod time;
mod timer_order;
pub mod transport_table;
mod turn;
pub mod watch;
pub mod watch_once;
mod word;

pub use data::{LoopData, after_fork_in_child, generation};
pub use object::{data, is_native, is_plain, make_type, native, register_class};
pub use schedule::{
    call_soon, call_soon_now, call_soon_with, check_closed as check_open, current_or_policy, push,
    running, running_or_error,
};
pub use tasks::create_task;
pub use watch::watched;
pub use word::Word;
