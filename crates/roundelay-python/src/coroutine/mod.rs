//! Native coroutines: what an `async def` of asyncio's library is here.
//!
//! An [`AsyncDef`] says what such a function is called, which arguments it takes, and how it goes on each
//! time it is resumed. A [`function`] is the callable; a call of it makes an [`object`], which is
//! coroutine-like and does nothing before it is awaited; [`drive`] resumes it.

pub mod bound;
mod definition;
mod drive;
pub mod function;
mod members;
pub mod object;
pub mod wrapper;

pub use definition::{AsyncDef, Flow, Frame, Sent};
pub use object::parts;
