//! Queues: `Queue`, `PriorityQueue` and `LifoQueue` of asyncio's `queues` module, native.
//!
//! [`object`] makes the types, [`fields`] says what a queue is made of, [`container`] where its items are,
//! [`operations`] what its methods do and which of them call which; [`get_put`] has the coroutines,
//! [`finished`] the event that `join` waits for, [`attributes`] what asyncio keeps under private names.

mod attributes;
mod container;
mod fields;
mod finished;
mod get_put;
mod object;
mod operations;

pub use object::make_types;
