//! Transports: connections of the loop, native.
//!
//! [`socket`] makes the type of stream sockets, which derives from asyncio's own class and leaves to it what
//! is rare; [`fields`] says what a transport is made of, [`setup`] how it begins, [`reading`] and [`writing`]
//! what it does while it lives, [`closing`] how it ends. [`pending`] is what waits to be sent, [`held`] why
//! some of it waits for what is written next; [`direct`] is the short way of native code to a transport's
//! methods; [`schedule`] has the ways to the loop; the system calls are made by [`crate::system`].
//!
//! # Who owns a descriptor
//!
//! The Python socket, and nobody else. A transport owns a reference to the socket and asks it for the number
//! at every call; see [`crate::system`]. The number that it keeps (`_sock_fd`) only names the entry in the loop's
//! table of readers and writers, which the transport leaves before it closes the socket.

pub mod attributes;
pub mod closing;
pub mod direct;
pub mod fields;
pub mod flow_control;
pub mod held;
pub mod methods;
pub mod outlet;
pub mod pausing;
pub mod pending;
pub mod reading;
pub mod schedule;
pub mod setup;
mod socket;
pub mod writing;

pub use socket::make_types;
