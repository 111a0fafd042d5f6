//! What a pipe transport is made of.

use std::cell::Cell;
use std::ffi::CStr;
use std::mem::offset_of;
use std::ops::Deref;
use std::os::fd::RawFd;

use crate::native::{Ref, Slot};
use crate::sync::derived;
use crate::system::pipe::Way;
use crate::transports::flow_control::FlowControl;
use crate::transports::pausing::Pausable;
use crate::transports::schedule::Watched;

/// The fields of both kinds, under asyncio's names. All zero bytes are a transport whose `__init__` has not run.
#[repr(C)]
pub struct PipeFields {
    /// The loop, always native; empty once the transport is done.
    pub event_loop: Slot,
    /// The file object, which owns the descriptor; empty once it is closed.
    pub pipe: Slot,
    /// The protocol; empty once the transport is done.
    pub protocol: Slot,
    /// The number under which the loop knows the transport. Not for system calls.
    pub fileno: Cell<RawFd>,
    /// `fileno` was set.
    pub has_fileno: Cell<bool>,
    /// `close()` or `write_eof()` was called, or the other end is gone.
    pub closing: Cell<bool>,
    /// `connection_lost` is scheduled, or was called.
    pub lost: Cell<bool>,
    /// How the file is read or written.
    pub way: Way,
}

/// The fields of a transport that reads.
#[repr(C)]
pub struct ReadFields {
    common: PipeFields,
    /// How many bytes a read takes at most.
    pub max_size: Cell<usize>,
    /// `pause_reading()` was called.
    pub paused: Cell<bool>,
}

/// The fields of a transport that writes.
#[repr(C)]
pub struct WriteFields {
    common: PipeFields,
    /// What could not be written yet; see `transports::pending`.
    pub pending: Slot,
    /// When the protocol is paused.
    pub flow: FlowControl,
    /// How often something was written, or failed to be, when it was over.
    pub conn_lost: Cell<u64>,
}

/// The slots of both kinds, with names that nobody sees; see `sync::derived`.
const REFERENCES: [(&CStr, usize); 3] = [
    (c"_native_loop", offset_of!(PipeFields, event_loop)),
    (c"_native_pipe", offset_of!(PipeFields, pipe)),
    (c"_native_protocol", offset_of!(PipeFields, protocol)),
];

/// One kind of pipe transports.
pub trait OverPipe: Watched + Deref<Target = PipeFields> {
    /// Where the fields begin: behind those of asyncio's class, of which each name in `__slots__` is a word.
    const BODY: usize;

    /// The slots, for the interpreter.
    fn references() -> Vec<(&'static CStr, usize)>;

    /// The fields of a transport of this kind.
    fn of(transport: &Ref) -> &Self;
}

impl Deref for ReadFields {
    type Target = PipeFields;

    #[inline]
    fn deref(&self) -> &PipeFields {
        &self.common
    }
}

impl OverPipe for ReadFields {
    const BODY: usize = derived::BODY + size_of::<usize>();

    fn references() -> Vec<(&'static CStr, usize)> {
        REFERENCES.to_vec()
    }

    #[inline]
    fn of(transport: &Ref) -> &Self {
        // SAFETY: only called for instances of the type that `object` made, which has the fields at this
        // offset, zeroed by the allocator.
        unsafe { &*transport.as_ptr().cast::<u8>().add(Self::BODY).cast() }
    }
}

impl Deref for WriteFields {
    type Target = PipeFields;

    #[inline]
    fn deref(&self) -> &PipeFields {
        &self.common
    }
}

impl OverPipe for WriteFields {
    const BODY: usize = derived::BODY + 5 * size_of::<usize>();

    fn references() -> Vec<(&'static CStr, usize)> {
        let own = [
            (c"_native_pending", offset_of!(WriteFields, pending)),
            (
                c"_native_high_water",
                offset_of!(WriteFields, flow.high_water),
            ),
            (
                c"_native_low_water",
                offset_of!(WriteFields, flow.low_water),
            ),
        ];
        [&REFERENCES[..], &own].concat()
    }

    #[inline]
    fn of(transport: &Ref) -> &Self {
        // SAFETY: as above.
        unsafe { &*transport.as_ptr().cast::<u8>().add(Self::BODY).cast() }
    }
}

/// The fields of a transport that reads.
#[inline]
pub fn read(transport: &Ref) -> &ReadFields {
    <ReadFields as OverPipe>::of(transport)
}

/// The fields of a transport that writes.
#[inline]
pub fn write(transport: &Ref) -> &WriteFields {
    WriteFields::of(transport)
}

impl Watched for ReadFields {
    #[inline]
    fn event_loop(&self) -> &Slot {
        &self.event_loop
    }

    #[inline]
    fn descriptor(&self) -> RawFd {
        self.fileno.get()
    }
}

impl Pausable for ReadFields {
    #[inline]
    fn of(transport: &Ref) -> &Self {
        read(transport)
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

impl Watched for WriteFields {
    #[inline]
    fn event_loop(&self) -> &Slot {
        &self.event_loop
    }

    #[inline]
    fn descriptor(&self) -> RawFd {
        self.fileno.get()
    }
}
