//! Pipes: `_UnixReadPipeTransport` and `_UnixWritePipeTransport` of asyncio's `unix_events` module, native.
//!
//! [`object`] makes the types, which derive from asyncio's own classes and leave to them what is rare;
//! [`fields`] says what a transport is made of, [`setup`] how it begins, [`reading`] and [`writing`] what it does
//! while it lives, [`closing`] how it ends. What waits to be written and when the protocol is paused is as in
//! [`crate::transports`].
//!
//! # Who owns a descriptor
//!
//! The file object, and nobody else. A transport asks it for the number at every system call, so a file that was
//! closed behind its back gives "Bad file descriptor". The number that it keeps (`_fileno`) only names the entry
//! in the loop's table of readers and writers, which the transport leaves before it closes the file.

mod closing;
mod fields;
mod object;
mod reading;
mod setup;
mod writing;

pub use object::make_types;
