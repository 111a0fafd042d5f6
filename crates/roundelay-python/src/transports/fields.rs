//! What a native transport over a socket is made of.

use std::cell::Cell;
use std::ffi::CStr;
use std::mem::offset_of;
use std::ops::Deref;
use std::os::fd::RawFd;

use crate::imports::names;
use crate::native::{Ref, Result, Slot, string};

use super::flow_control::FlowControl;
use super::held;
use super::pausing::Pausable;
use super::pending::Pending;
use super::schedule::Watched;

/// The fields of every transport over a socket, under the names of asyncio's `_SelectorTransport`. All zero
/// bytes are a transport whose `__init__` has not run.
#[repr(C)]
pub struct SelectorFields {
    /// The loop, always native; empty once the connection is lost.
    pub event_loop: Slot,
    /// The socket, which owns the descriptor; empty once it is closed.
    pub sock: Slot,
    /// The protocol; empty once the connection is lost.
    pub protocol: Slot,
    /// The server that accepted the connection, if one did.
    pub server: Slot,
    /// When the protocol is paused.
    pub flow: FlowControl,
    /// How many bytes a read takes at most.
    pub max_size: Cell<usize>,
    /// Counts from the moment on when `connection_lost` is scheduled.
    pub conn_lost: Cell<u64>,
    /// The number under which the loop knows the transport. Not for system calls.
    pub sock_fd: Cell<RawFd>,
    /// A protocol was set.
    pub protocol_connected: Cell<bool>,
    /// `close()` was called, or the connection is lost.
    pub closing: Cell<bool>,
    /// `pause_reading()` was called.
    pub paused: Cell<bool>,
}

/// The slots, with names that nobody sees; see `sync::derived`.
pub const SELECTOR_REFERENCES: [(&CStr, usize); 6] = [
    (c"_native_loop", offset_of!(SelectorFields, event_loop)),
    (c"_native_sock", offset_of!(SelectorFields, sock)),
    (c"_native_protocol", offset_of!(SelectorFields, protocol)),
    (c"_native_server", offset_of!(SelectorFields, server)),
    (
        c"_native_high_water",
        offset_of!(SelectorFields, flow.high_water),
    ),
    (
        c"_native_low_water",
        offset_of!(SelectorFields, flow.low_water),
    ),
];

/// The fields of a stream transport.
#[repr(C)]
pub struct TransportFields {
    /// Comes first: see [`selector`].
    selector: SelectorFields,
    /// What could not be sent yet; see `pending`.
    pub pending: Slot,
    /// A future of `sendfile`, which waits for `pending` to be sent.
    pub empty_waiter: Slot,
    /// The protocol wants its own buffers filled.
    pub buffered: Cell<bool>,
    /// `write_eof()` was called.
    pub eof: Cell<bool>,
    /// What is pending is held back, and goes out when the callback ends; see `held`.
    pub holds: Cell<bool>,
    /// Nothing was written in front of what is held back by the same callback.
    pub held_first: Cell<bool>,
    /// The callback before wrote several times.
    pub writes_often: Cell<bool>,
}

/// The slots that a stream transport has besides those of every transport over a socket.
pub const STREAM_REFERENCES: [(&CStr, usize); 2] = [
    (c"_native_pending", offset_of!(TransportFields, pending)),
    (
        c"_native_empty_waiter",
        offset_of!(TransportFields, empty_waiter),
    ),
];

/// One kind of transports over sockets.
pub trait OverSocket: Deref<Target = SelectorFields> {
    /// The fields of a transport of this kind.
    fn of(transport: &Ref) -> &Self;

    /// Sends what is held back, before somebody asks about the transport or ends it.
    fn settle(_transport: &Ref) -> Result<()> {
        Ok(())
    }

    /// Whether everything is sent.
    fn nothing_waits(&self) -> bool;

    /// Forgets what waits to be sent.
    fn forget_what_waits(&self) -> Result<()>;

    /// The protocol knows of the end, and the socket is closed: tells everybody else.
    fn tell_of_the_end(&self) -> Result<()>;
}

impl Deref for TransportFields {
    type Target = SelectorFields;

    #[inline]
    fn deref(&self) -> &SelectorFields {
        &self.selector
    }
}

impl Watched for SelectorFields {
    #[inline]
    fn event_loop(&self) -> &Slot {
        &self.event_loop
    }

    #[inline]
    fn descriptor(&self) -> RawFd {
        self.sock_fd.get()
    }
}

impl Pausable for SelectorFields {
    #[inline]
    fn of(transport: &Ref) -> &Self {
        selector(transport)
    }

    #[inline]
    fn is_closing(&self) -> bool {
        self.closing.get()
    }

    #[inline]
    fn paused(&self) -> &Cell<bool> {
        &self.paused
    }
}

impl OverSocket for TransportFields {
    fn of(transport: &Ref) -> &Self {
        fields(transport)
    }

    #[inline]
    fn settle(transport: &Ref) -> Result<()> {
        held::release(transport)
    }

    fn nothing_waits(&self) -> bool {
        Pending::size_of(&self.pending) == 0
    }

    fn forget_what_waits(&self) -> Result<()> {
        if let Some(pending) = Pending::of(&self.pending) {
            pending.clear();
        }
        Ok(())
    }

    fn tell_of_the_end(&self) -> Result<()> {
        let Some(waiter) = self.empty_waiter.get() else {
            return Ok(());
        };
        // SAFETY: a static exception class.
        let class = unsafe { Ref::borrowed(pyo3::ffi::PyExc_ConnectionError) };
        let error = class.call([&string("Connection is closed by peer")?])?;
        waiter
            .call_method(&names().set_exception, [&error])
            .map(drop)
    }
}

impl<T: OverSocket> Watched for T {
    #[inline]
    fn event_loop(&self) -> &Slot {
        &self.event_loop
    }

    #[inline]
    fn descriptor(&self) -> RawFd {
        self.sock_fd.get()
    }
}

/// Names in `__slots__` of asyncio's abstract transports: each is a word in front of our fields.
const BASE_SLOTS: usize = 5;

/// Where the fields begin: behind those of asyncio's class.
pub const BODY: usize = crate::sync::derived::BODY + BASE_SLOTS * size_of::<usize>();

/// The fields of a transport over a socket, of whatever kind.
#[inline]
pub fn selector(transport: &Ref) -> &SelectorFields {
    // SAFETY: only called for instances of the types that `socket` and `datagrams` made, whose fields begin
    // with these at this offset, zeroed by the allocator.
    unsafe { &*transport.as_ptr().cast::<u8>().add(BODY).cast() }
}

/// The fields of a stream transport.
#[inline]
pub fn fields(transport: &Ref) -> &TransportFields {
    // SAFETY: only called for instances of the type that `socket` made, which has the fields at this offset,
    // zeroed by the allocator.
    unsafe { &*transport.as_ptr().cast::<u8>().add(BODY).cast() }
}
