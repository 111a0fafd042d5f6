//! The fields of a reader, its attributes, and what else of asyncio the reader needs.

use std::cell::Cell;

use pyo3::ffi;

use crate::compat::unchanged::Unchanged;
use crate::native::types::TypeBuilder;
use crate::native::{Ref, Result, Slot, none};
use crate::statics::{Once, TypeCell, unset};
use crate::sync::derived;
use crate::{attribute, flag_attribute, optional_attribute, slot_attribute};

use super::buffer::Buffer;
use crate::native::attributes::missing;

/// The type `roundelay.StreamReader`.
pub static READER: TypeCell = unset();

/// What the native methods rely on.
pub static UNCHANGED: Unchanged = Unchanged::new(
    &[
        "exception",
        "set_exception",
        "set_transport",
        "feed_data",
        "feed_eof",
        "read",
        "readline",
        "readuntil",
        "_wakeup_waiter",
        "_maybe_resume_transport",
        "_wait_for_data",
    ],
    &[
        "_limit",
        "_loop",
        "_buffer",
        "_eof",
        "_waiter",
        "_exception",
        "_transport",
        "_paused",
    ],
);

/// asyncio's own methods, for readers that are not as asyncio made them.
pub struct Stock {
    pub init: Ref,
    pub exception: Ref,
    pub set_exception: Ref,
    pub set_transport: Ref,
    pub feed_data: Ref,
    pub feed_eof: Ref,
    pub at_eof: Ref,
    pub wakeup_waiter: Ref,
    pub maybe_resume_transport: Ref,
    pub wait_for_data: Ref,
    pub read: Ref,
    pub readexactly: Ref,
    pub readline: Ref,
    pub readuntil: Ref,
    pub next: Ref,
}

pub static STOCK: Once<Stock> = Once::new();

/// What `limit` is if it is not given.
pub const DEFAULT_LIMIT: u64 = 65536;

/// All zero bytes are a reader whose `__init__` has not run.
#[repr(C)]
pub struct ReaderFields {
    /// `_loop`
    pub event_loop: Slot,
    /// `_limit`: whatever object the user gave.
    pub limit: Slot,
    /// `_waiter`: the future of the one who waits for data.
    pub waiter: Slot,
    /// `_exception`
    pub exception: Slot,
    /// `_transport`: what is paused while there is too much.
    pub transport: Slot,
    /// `_buffer`
    pub buffer: Buffer,
    /// `limit` as a number; zero if it is no plain `int` above zero.
    pub bound: Cell<usize>,
    /// `_eof`
    pub eof: Cell<bool>,
    /// `_paused`: whether reading from the transport was paused.
    pub paused: Cell<bool>,
}

/// The fields of a reader.
#[inline]
pub fn fields(reader: &Ref) -> &ReaderFields {
    // SAFETY: only called for instances of `READER` and its subclasses.
    unsafe { derived::fields(reader) }
}

/// The fields of a reader of which nothing is the user's; nothing for any other object.
#[inline]
pub fn plain(object: &Ref) -> Option<&ReaderFields> {
    (object.is_instance(READER.get()) && is_plain(object)).then(|| fields(object))
}

/// The same of an object that is known to be a reader.
#[inline]
pub fn is_plain(reader: &Ref) -> bool {
    UNCHANGED.is_unchanged(reader) && fields(reader).is_usable()
}

impl ReaderFields {
    /// Whether native code understands the values of the attributes.
    #[inline]
    pub fn is_usable(&self) -> bool {
        self.buffer.is_usable() && self.bound.get() > 0
    }

    /// Sets `_limit`.
    pub fn set_limit(&self, limit: Ref) {
        let bound = if limit.is_exact(&raw mut ffi::PyLong_Type) {
            let mut overflow = 0;
            // SAFETY: a live `int`; no error is set for one, however large.
            let number =
                unsafe { ffi::PyLong_AsLongLongAndOverflow(limit.as_ptr(), &mut overflow) };
            if overflow > 0 { i64::MAX } else { number }
        } else {
            0
        };
        self.bound.set(usize::try_from(bound).unwrap_or(0));
        self.limit.set(limit);
    }
}

/// Gives the type its attributes.
pub fn add_attributes(builder: TypeBuilder) -> TypeBuilder {
    builder.attributes([
        slot_attribute!(c"_loop", fields, event_loop),
        attribute!(c"_limit", get_limit, set_limit),
        attribute!(c"_buffer", get_buffer, set_buffer),
        flag_attribute!(c"_eof", fields, eof),
        optional_attribute!(c"_waiter", fields, waiter),
        optional_attribute!(c"_exception", fields, exception),
        optional_attribute!(c"_transport", fields, transport),
        flag_attribute!(c"_paused", fields, paused),
    ])
}

fn get_limit(reader: &Ref) -> Result<Ref> {
    let limit = fields(reader).limit.get();
    limit.map_or_else(|| missing(reader, c"_limit"), Ok)
}

fn set_limit(reader: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return missing(reader, c"_limit");
    };
    fields(reader).set_limit(value.clone());
    Ok(())
}

fn get_buffer(reader: &Ref) -> Result<Ref> {
    let array = fields(reader).buffer.array()?;
    array.map_or_else(|| missing(reader, c"_buffer"), Ok)
}

fn set_buffer(reader: &Ref, value: Option<&Ref>) -> Result<()> {
    let own = fields(reader);
    if value.is_none() && !own.buffer.array.is_some() {
        return missing(reader, c"_buffer");
    }
    own.buffer.replace(value.cloned());
    Ok(())
}

/// `__getstate__()`
pub fn get_state(reader: &Ref) -> Result<Ref> {
    derived::state(
        reader,
        &[
            c"_limit",
            c"_buffer",
            c"_eof",
            c"_waiter",
            c"_exception",
            c"_transport",
            c"_paused",
        ],
    )
}

/// The attribute `_transport`.
pub fn transport(own: &ReaderFields) -> Ref {
    own.transport.get().unwrap_or_else(none)
}
