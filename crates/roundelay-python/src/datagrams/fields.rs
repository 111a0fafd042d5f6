//! What a datagram transport is made of.

use std::cell::Cell;
use std::ffi::CStr;
use std::mem::offset_of;
use std::ops::Deref;

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::{Ref, Result, Slot};
use crate::system::datagram::Family;
use crate::transports::fields::{BODY, OverSocket, SelectorFields};

/// The fields of a datagram transport. All zero bytes are one whose `__init__` has not run.
#[repr(C)]
pub struct DatagramFields {
    /// Comes first, as every transport over a socket has it.
    selector: SelectorFields,
    /// `_address`: where everything goes, if the endpoint was made for one address.
    pub address: Slot,
    /// `_buffer`: a `deque` of the datagrams that could not be sent yet, each a tuple of data and address;
    /// empty until there is one. It can refer to anything, for anything may be given as an address.
    pub queue: Slot,
    /// `_buffer_size`: how much the protocol is paused by.
    pub queue_size: Cell<usize>,
    /// How addresses are written.
    pub family: Cell<Family>,
    /// The socket is connected, so that an address is not needed.
    pub connected: Cell<bool>,
    /// How many turns go by before more than one datagram is looked for in one; see `receiving`.
    pub calm: Cell<u8>,
}

/// The slots besides those that every transport over a socket has.
pub const REFERENCES: [(&CStr, usize); 2] = [
    (c"_native_address", offset_of!(DatagramFields, address)),
    (c"_native_queue", offset_of!(DatagramFields, queue)),
];

/// The fields of a datagram transport.
#[inline]
pub fn fields(transport: &Ref) -> &DatagramFields {
    // SAFETY: only called for instances of the type that `object` made, which has the fields at this offset,
    // zeroed by the allocator.
    unsafe { &*transport.as_ptr().cast::<u8>().add(BODY).cast() }
}

impl Deref for DatagramFields {
    type Target = SelectorFields;

    #[inline]
    fn deref(&self) -> &SelectorFields {
        &self.selector
    }
}

impl DatagramFields {
    /// How many datagrams wait.
    #[inline]
    pub fn waiting(&self) -> usize {
        let queue = self.queue.peek();
        if queue.is_null() {
            return 0;
        }
        // SAFETY: the slot keeps the object alive; a `deque` says its length without running any code.
        let count = unsafe { ffi::PyObject_Size(queue) };
        count.max(0) as usize
    }

    /// The `deque` of those that wait, made if need be.
    pub fn waiting_or_new(&self) -> Result<Ref> {
        if let Some(queue) = self.queue.get() {
            return Ok(queue);
        }
        let queue = imports().deque_class.call([])?;
        self.queue.set(queue.clone());
        Ok(queue)
    }
}

impl OverSocket for DatagramFields {
    fn of(transport: &Ref) -> &Self {
        fields(transport)
    }

    fn nothing_waits(&self) -> bool {
        self.waiting() == 0
    }

    fn forget_what_waits(&self) -> Result<()> {
        match self.queue.get() {
            Some(queue) => queue.call_method(&names().clear, []).map(drop),
            None => Ok(()),
        }
    }

    fn tell_of_the_end(&self) -> Result<()> {
        Ok(())
    }
}
