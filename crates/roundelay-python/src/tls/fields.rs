//! What the two objects of a TLS connection are made of, under asyncio's names.

use std::cell::Cell;
use std::ffi::CStr;
use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::openssl::Connection;
use crate::compat::unchanged::Unchanged;
use crate::native::{Ref, Slot, raised, take_raised};
use crate::statics::{TypeCell, unset};
use crate::sync::derived;

use super::engine::Kind;

/// The type `SSLProtocol`.
pub static PROTOCOL: TypeCell = unset();

/// The type `_SSLProtocolTransport`.
pub static TRANSPORT: TypeCell = unset();

/// What native code relies on in a protocol: the methods of asyncio's that it does the work of without calling
/// them, and the attributes that it reads from fields.
pub static PROTOCOL_UNCHANGED: Unchanged = Unchanged::new(
    &[
        "get_buffer",
        "buffer_updated",
        "pause_writing",
        "resume_writing",
        "_write_appdata",
        "_do_write",
        "_process_outgoing",
        "_do_read",
        "_do_read__buffered",
        "_do_read__copied",
        "_control_app_writing",
        "_control_ssl_reading",
        "_get_write_buffer_size",
        "_get_read_buffer_size",
        "max_size",
    ],
    &[
        "_state",
        "_transport",
        "_app_protocol",
        "_app_protocol_is_buffer",
        "_app_protocol_get_buffer",
        "_app_protocol_buffer_updated",
        "_sslobj",
        "_incoming",
        "_outgoing",
        "_write_backlog",
        "_write_buffer_size",
        "_ssl_writing_paused",
        "_ssl_reading_paused",
        "_app_writing_paused",
        "_app_reading_paused",
        "_incoming_high_water",
        "_incoming_low_water",
        "_outgoing_high_water",
        "_outgoing_low_water",
    ],
);

/// The same of a transport.
pub static TRANSPORT_UNCHANGED: Unchanged = Unchanged::new(&[], &["_ssl_protocol", "_closed"]);

/// The fields of a protocol. All zero bytes are one whose `__init__` has not run; an empty slot is an attribute
/// that was never set, or `None` where that is what asyncio's attribute begins with.
#[repr(C)]
pub struct ProtocolFields {
    /// `_loop`, of any kind.
    pub event_loop: Slot,
    /// `_app_protocol`: the user's; empty is `None`, from `connection_lost` on.
    pub app_protocol: Slot,
    /// `_app_protocol_get_buffer` and `_app_protocol_buffer_updated`, bound, of a `BufferedProtocol`.
    pub get_buffer: Slot,
    pub buffer_updated: Slot,
    /// `_app_transport`: the user's; empty is `None`, before it is made and from `connection_lost` on.
    pub app_transport: Slot,
    /// `_transport`, of any kind; empty is `None`, before `connection_made` and from `connection_lost` on.
    pub transport: Slot,
    /// `_sslobj`
    pub ssl_object: Slot,
    /// `_incoming`: the BIO that ciphertext is read from.
    pub incoming: Slot,
    /// `_outgoing`: the BIO that ciphertext is written to.
    pub outgoing: Slot,
    /// The `_ssl._SSLSocket` in `ssl_object`, once `engine` is known and is not asyncio's way.
    pub inner: Slot,
    /// `_state`
    pub state: Slot,
    /// `_app_state`
    pub app_state: Slot,
    /// `_write_backlog`: a deque of what could not be encrypted yet; made when it is first asked for.
    pub backlog: Slot,
    /// `_waiter`: a future that is done once the handshake is; empty is `None`.
    pub waiter: Slot,
    /// `_sslcontext`
    pub context: Slot,
    /// `_server_side`
    pub server_side: Slot,
    /// `_server_hostname`; empty is `None`.
    pub server_hostname: Slot,
    /// `_extra`: what `get_extra_info` knows.
    pub extra: Slot,
    /// `_ssl_handshake_timeout`, in seconds.
    pub handshake_timeout: Slot,
    /// `_ssl_shutdown_timeout`, in seconds.
    pub shutdown_timeout: Slot,
    /// `_handshake_start_time`; empty is `None`.
    pub handshake_start: Slot,
    /// `_handshake_timeout_handle`; empty is `None`.
    pub handshake_timer: Slot,
    /// `_shutdown_timeout_handle`; empty is `None`.
    pub shutdown_timer: Slot,
    /// `_ssl_buffer`, for transports that are not native; made when it is first asked for.
    pub buffer: Slot,
    /// `_ssl_buffer_view`, over it.
    pub buffer_view: Slot,
    /// `_incoming_high_water` and so on, as the user gave them.
    pub incoming_high: Slot,
    pub incoming_low: Slot,
    pub outgoing_high: Slot,
    pub outgoing_low: Slot,
    /// The same as numbers.
    pub limits: Limits,
    /// `_write_buffer_size`: bytes in `backlog`.
    pub write_buffer_size: Cell<i64>,
    /// `_conn_lost`
    pub conn_lost: Cell<u64>,
    /// How ciphertext is made and read; unknown while zero, and again when one of the objects is replaced.
    pub engine: Cell<Kind>,
    /// What OpenSSL's functions are called on, once `engine` says that they are.
    pub connection: Cell<Connection>,
    /// `_app_protocol_is_buffer`
    pub app_protocol_is_buffer: Cell<bool>,
    /// `_app_transport_created`
    pub app_transport_created: Cell<bool>,
    /// `_ssl_writing_paused`: the transport has enough to send.
    pub ssl_writing_paused: Cell<bool>,
    /// `_ssl_reading_paused`: the transport was told to read no more.
    pub ssl_reading_paused: Cell<bool>,
    /// `_app_writing_paused`: the user's protocol was told to write no more.
    pub app_writing_paused: Cell<bool>,
    /// `_app_reading_paused`: the user wants nothing to read.
    pub app_reading_paused: Cell<bool>,
    /// `_eof_received`
    pub eof_received: Cell<bool>,
}

/// Limits of what waits, in bytes.
#[repr(C)]
pub struct Limits {
    pub incoming_high: Cell<f64>,
    pub incoming_low: Cell<f64>,
    pub outgoing_high: Cell<f64>,
    pub outgoing_low: Cell<f64>,
}

/// A slot for each of these fields of a struct, with a name that nobody sees; see `sync::derived`.
macro_rules! references {
    ($fields:ident: $($field:ident),*) => {
        &[$((
            match CStr::from_bytes_with_nul(concat!("_native_", stringify!($field), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name with a null byte"),
            },
            offset_of!($fields, $field),
        )),*]
    };
}

/// The slots of a protocol.
pub const PROTOCOL_REFERENCES: &[(&CStr, usize)] = references!(ProtocolFields:
    event_loop, app_protocol, get_buffer, buffer_updated, app_transport, transport, ssl_object,
    incoming, outgoing, inner, state, app_state, backlog, waiter, context, server_side,
    server_hostname, extra, handshake_timeout, shutdown_timeout, handshake_start,
    handshake_timer, shutdown_timer, buffer, buffer_view, incoming_high, incoming_low,
    outgoing_high, outgoing_low
);

/// The fields of a transport.
#[repr(C)]
pub struct TransportFields {
    /// `_loop`
    pub event_loop: Slot,
    /// `_ssl_protocol`; empty is `None`, once `close()` was called twice.
    pub protocol: Slot,
    /// `_closed`
    pub closed: Cell<bool>,
}

/// The slots of a transport.
pub const TRANSPORT_REFERENCES: &[(&CStr, usize)] =
    references!(TransportFields: event_loop, protocol);

/// Names in `__slots__` of asyncio's abstract transports: each is a word in front of our fields.
const BASE_SLOTS: usize = 5;

/// Where the fields of a transport begin: behind those of asyncio's class.
pub const TRANSPORT_BODY: usize = derived::BODY + BASE_SLOTS * size_of::<usize>();

/// The fields of a protocol.
#[inline]
pub fn fields(protocol: &Ref) -> &ProtocolFields {
    // SAFETY: only called for instances of `PROTOCOL`.
    unsafe { derived::fields(protocol) }
}

/// The fields of an object that is a protocol of ours of which nothing that native code relies on is the
/// user's.
#[inline]
pub fn plain(object: &Ref) -> Option<&ProtocolFields> {
    (object.is_exact(PROTOCOL.get()) && PROTOCOL_UNCHANGED.is_unchanged(object))
        .then(|| fields(object))
}

/// The fields of a transport.
#[inline]
pub fn transport_fields(transport: &Ref) -> &TransportFields {
    // SAFETY: only called for instances of `TRANSPORT`, which have the fields at this offset, zeroed by the
    // allocator.
    unsafe { &*transport.as_ptr().cast::<u8>().add(TRANSPORT_BODY).cast() }
}

impl ProtocolFields {
    /// How many things wait to be encrypted. (`len(self._write_backlog)`)
    #[inline]
    pub fn backlog_length(&self) -> usize {
        let Some(backlog) = self.backlog.get() else {
            return 0;
        };
        // SAFETY: live.
        let length = unsafe { ffi::PyObject_Size(backlog.as_ptr()) };
        if length < 0 && raised() {
            // No deque: somebody else's object, which asyncio's own code will deal with.
            drop(take_raised());
            return 1;
        }
        length as usize
    }
}
