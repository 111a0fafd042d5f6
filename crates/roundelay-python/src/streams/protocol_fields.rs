//! The fields of a protocol and its attributes.

use std::cell::Cell;
use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::unchanged::Unchanged;
use crate::native::types::TypeBuilder;
use crate::native::{Raised, Ref, Result, Slot, none};
use crate::statics::{TypeCell, unset};
use crate::sync::{derived, waiter_queue};
use crate::{attribute, flag_attribute, optional_attribute, slot_attribute};

/// The type `roundelay.StreamReaderProtocol`.
pub static PROTOCOL: TypeCell = unset();

/// What the native methods rely on. The methods are those that a writer calls.
pub static UNCHANGED: Unchanged = Unchanged::new(
    &["_drain_helper", "_get_close_waiter"],
    &[
        "_loop",
        "_paused",
        "_drain_waiters",
        "_connection_lost",
        "_stream_reader_wr",
        "_stream_reader",
        "_strong_reader",
        "_reject_connection",
        "_task",
        "_transport",
        "_client_connected_cb",
        "_over_ssl",
        "_closed",
        "_stream_writer",
    ],
);

/// The same and the method that transports call.
pub static RECEIVES: Unchanged = Unchanged::new(
    &["data_received"],
    &["_loop", "_stream_reader_wr", "_stream_reader"],
);

/// All zero bytes are a protocol whose `__init__` has not run.
#[repr(C)]
pub struct ProtocolFields {
    /// `_loop`
    pub event_loop: Slot,
    /// `_drain_waiters`: futures of those who wait until they may write; see `waiter_queue`.
    pub drain_waiters: Slot,
    /// `_stream_reader_wr`: a weak reference to the reader; empty is `None`.
    pub reader_reference: Slot,
    /// `_strong_reader`: the reader, until there is a connection whose writer keeps it. Only if there is a
    /// `client_connected_cb`.
    pub strong_reader: Slot,
    /// `_task`: what `client_connected_cb` started; empty is `None`.
    pub task: Slot,
    /// `_transport`; empty is `None`.
    pub transport: Slot,
    /// `_client_connected_cb`; empty is `None`.
    pub client_connected: Slot,
    /// `_closed`: a future that is done when the connection is lost.
    pub closed: Slot,
    /// `_stream_writer`, where asyncio's protocol has one.
    pub stream_writer: Slot,
    /// `_paused`: whether nothing is to be written for now.
    pub paused: Cell<bool>,
    /// `_connection_lost`
    pub connection_lost: Cell<bool>,
    /// `_reject_connection`
    pub reject_connection: Cell<bool>,
    /// `_over_ssl`
    pub over_ssl: Cell<bool>,
}

/// The slots, for the interpreter.
pub const REFERENCES: &[(&std::ffi::CStr, usize)] = &[
    (c"_native_loop", offset_of!(ProtocolFields, event_loop)),
    (
        c"_native_waiters",
        offset_of!(ProtocolFields, drain_waiters),
    ),
    (
        c"_native_reference",
        offset_of!(ProtocolFields, reader_reference),
    ),
    (c"_native_reader", offset_of!(ProtocolFields, strong_reader)),
    (c"_native_task", offset_of!(ProtocolFields, task)),
    (c"_native_transport", offset_of!(ProtocolFields, transport)),
    (
        c"_native_connected",
        offset_of!(ProtocolFields, client_connected),
    ),
    (c"_native_closed", offset_of!(ProtocolFields, closed)),
    (c"_native_writer", offset_of!(ProtocolFields, stream_writer)),
];

/// The fields of a protocol.
#[inline]
pub fn fields(protocol: &Ref) -> &ProtocolFields {
    // SAFETY: only called for instances of `PROTOCOL` and its subclasses.
    unsafe { derived::fields(protocol) }
}

/// The fields of an object that is a protocol of which nothing that a writer or this class's own methods
/// rely on is the user's.
#[inline]
pub fn plain(object: &Ref) -> Option<&ProtocolFields> {
    (object.is_instance(PROTOCOL.get()) && UNCHANGED.is_unchanged(object)).then(|| fields(object))
}

impl ProtocolFields {
    /// `self._stream_reader`
    #[inline]
    pub fn reader(&self) -> Result<Option<Ref>> {
        let Some(reference) = self.reader_reference.get() else {
            return Ok(None);
        };
        // SAFETY: `weakref.ref` is a static type; the result is a new reference or null.
        unsafe {
            if !reference.is_exact(&raw mut ffi::_PyWeakref_RefType) {
                let reader = reference.call([])?;
                return Ok((!reader.is_none()).then_some(reader));
            }
            let mut reader = std::ptr::null_mut();
            if ffi::compat::PyWeakref_GetRef(reference.as_ptr(), &mut reader) < 0 {
                return Err(Raised);
            }
            Ok((!reader.is_null()).then(|| Ref::owned(reader)))
        }
    }
}

/// Gives the type its attributes.
pub fn add_attributes(builder: TypeBuilder) -> TypeBuilder {
    builder.attributes([
        slot_attribute!(c"_loop", fields, event_loop),
        flag_attribute!(c"_paused", fields, paused),
        attribute!(c"_drain_waiters", get_drain_waiters, set_drain_waiters),
        flag_attribute!(c"_connection_lost", fields, connection_lost),
        optional_attribute!(c"_stream_reader_wr", fields, reader_reference),
        attribute!(c"_stream_reader", get_reader),
        slot_attribute!(c"_strong_reader", fields, strong_reader),
        flag_attribute!(c"_reject_connection", fields, reject_connection),
        optional_attribute!(c"_task", fields, task),
        optional_attribute!(c"_transport", fields, transport),
        optional_attribute!(c"_client_connected_cb", fields, client_connected),
        flag_attribute!(c"_over_ssl", fields, over_ssl),
        slot_attribute!(c"_closed", fields, closed),
        slot_attribute!(c"_stream_writer", fields, stream_writer),
    ])
}

fn get_drain_waiters(protocol: &Ref) -> Result<Ref> {
    waiter_queue::as_attribute_always(&fields(protocol).drain_waiters)
}

fn set_drain_waiters(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(protocol).drain_waiters, value)
}

fn get_reader(protocol: &Ref) -> Result<Ref> {
    Ok(fields(protocol).reader()?.unwrap_or_else(none))
}

/// `__getstate__()`
pub fn get_state(protocol: &Ref) -> Result<Ref> {
    derived::state(
        protocol,
        &[
            c"_paused",
            c"_drain_waiters",
            c"_connection_lost",
            c"_stream_reader_wr",
            c"_reject_connection",
            c"_task",
            c"_transport",
            c"_client_connected_cb",
            c"_over_ssl",
            c"_closed",
        ],
    )
}
