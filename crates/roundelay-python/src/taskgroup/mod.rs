//! `asyncio.TaskGroup`, native.
//!
//! A group is told of its tasks as a gather is of its children (see `future::collector`). It derives from
//! asyncio's own class as the locks do; in a subclass written by the user every hook of asyncio's class is
//! called through the instance.

mod create;
mod done;
mod exit;
mod object;

pub use done::child_done;
pub use object::{TASK_GROUP, callback, make_type};
