//! What a native transport is made of.

use std::cell::Cell;
use std::ffi::CStr;
use std::mem::offset_of;
use std::os::fd::RawFd;

use crate::native::{Ref, Slot};

/// The fields of a stream transport, under asyncio's names. All zero bytes are a transport whose `__init__`
/// has not run.
#[repr(C)]
pub struct TransportFields {
    /// The loop, always native; empty once the connection is lost.
    pub event_loop: Slot,
    /// The socket, which owns the descriptor; empty once it is closed.
    pub sock: Slot,
    /// The protocol; empty once the connection is lost.
    pub protocol: Slot,
    /// The server that accepted the connection, if one did.
    pub server: Slot,
    /// What could not be sent yet; see `pending`.
    pub pending: Slot,
    /// A future of `sendfile`, which waits for `pending` to be sent.
    pub empty_waiter: Slot,
    /// Above this size of `pending` the protocol is paused, as the user gave it.
    pub high_water: Slot,
    /// Below this size it is resumed.
    pub low_water: Slot,
    /// The same two as numbers.
    pub limits: [Cell<f64>; 2],
    /// How many bytes a read takes at most.
    pub max_size: Cell<usize>,
    /// Counts from the moment on when `connection_lost` is scheduled.
    pub conn_lost: Cell<u64>,
    /// The number under which the loop knows the transport. Not for system calls.
    pub sock_fd: Cell<RawFd>,
    /// The protocol wants its own buffers filled.
    pub buffered: Cell<bool>,
    /// A protocol was set.
    pub protocol_connected: Cell<bool>,
    /// `close()` was called, or the connection is lost.
    pub closing: Cell<bool>,
    /// `write_eof()` was called.
    pub eof: Cell<bool>,
    /// `pause_reading()` was called.
    pub paused: Cell<bool>,
    /// The protocol's `pause_writing()` was called.
    pub protocol_paused: Cell<bool>,
}

/// The slots, with names that nobody sees; see `sync::derived`.
pub const REFERENCES: [(&CStr, usize); 8] = [
    (c"_native_loop", offset_of!(TransportFields, event_loop)),
    (c"_native_sock", offset_of!(TransportFields, sock)),
    (c"_native_protocol", offset_of!(TransportFields, protocol)),
    (c"_native_server", offset_of!(TransportFields, server)),
    (c"_native_pending", offset_of!(TransportFields, pending)),
    (
        c"_native_empty_waiter",
        offset_of!(TransportFields, empty_waiter),
    ),
    (
        c"_native_high_water",
        offset_of!(TransportFields, high_water),
    ),
    (c"_native_low_water", offset_of!(TransportFields, low_water)),
];

/// Names in `__slots__` of asyncio's abstract transports: each is a word in front of our fields.
const BASE_SLOTS: usize = 5;

/// Where the fields begin: behind those of asyncio's class.
pub const BODY: usize = crate::sync::derived::BODY + BASE_SLOTS * size_of::<usize>();

/// The fields of a transport.
#[inline]
pub fn fields(transport: &Ref) -> &TransportFields {
    // SAFETY: only called for instances of the type that `socket` made, which has the fields at this offset,
    // zeroed by the allocator.
    unsafe { &*transport.as_ptr().cast::<u8>().add(BODY).cast() }
}
