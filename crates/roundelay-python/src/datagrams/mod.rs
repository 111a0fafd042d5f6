//! Datagrams: `_SelectorDatagramTransport` of asyncio's `selector_events` module, native.
//!
//! [`object`] makes the type; [`fields`] says what a transport is made of besides what every transport over a
//! socket has, [`receiving`] and [`sending`] what it does. How it begins and ends and who owns the descriptor
//! is as in [`crate::transports`].

mod fields;
mod object;
mod receiving;
mod sending;

pub use object::make_type;
