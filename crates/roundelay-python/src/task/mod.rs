//! The native Task: a true subclass of `_asyncio.Task`, stepped from the loop's ring.

mod body;
pub mod cancel;
pub mod eager;
mod label;
pub mod members;
pub mod object;
pub mod step;
pub mod waits_for;
pub mod wakeup;
mod yielded;

pub use body::{Sleeping, TaskFlags, body, coroutine_of};
pub use object::{SIZE, TASK, create};
