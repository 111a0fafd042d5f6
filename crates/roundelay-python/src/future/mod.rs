//! The native Future: a true subclass of `_asyncio.Future` with its own storage.

pub mod any;
mod body;
pub mod collector;
pub mod collector_callback;
pub mod iterator;
pub mod members;
pub mod object;
pub mod outcome;
mod waiters;

pub use body::{FutureBody, State, body};
pub use object::{FUTURE, new_pending};
pub use waiters::Waiter;

use crate::combinators::gather::GATHERING;
use crate::native::Ref;
use crate::task::TASK;

/// The body of `object` if it is exactly a native future, task or gather. Subclasses written in Python
/// may override any method, so they take the documented way.
#[inline]
pub fn native(object: &Ref) -> Option<&FutureBody> {
    let ty = object.type_ptr();
    (ty == TASK.get() || ty == FUTURE.get() || ty == GATHERING.get()).then(|| body(object))
}
