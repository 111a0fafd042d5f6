//! The private attributes of asyncio's transports, which its own methods use, and programs read.

use std::cell::Cell;

use pyo3::ffi;

use crate::attribute;
use crate::native::types::TypeBuilder;
use crate::native::{Raised, Ref, Result, Slot, boolean, integer, none, raised};

use super::fields::{TransportFields, fields};
use super::pending::Pending;

/// An attribute over a field that is an object, `None` if there is none.
macro_rules! object_attribute {
    ($name:literal, $field:ident) => {{
        fn get(transport: &Ref) -> Result<Ref> {
            Ok(shown(&fields(transport).$field))
        }
        fn set(transport: &Ref, value: Option<&Ref>) -> Result<()> {
            fields(transport)
                .$field
                .put(value.filter(|value| !value.is_none()).cloned());
            Ok(())
        }
        attribute!($name, get, set)
    }};
}

/// An attribute over a field that is a truth value.
macro_rules! flag_attribute {
    ($name:literal, $field:ident) => {{
        fn get(transport: &Ref) -> Result<Ref> {
            Ok(boolean(fields(transport).$field.get()))
        }
        fn set(transport: &Ref, value: Option<&Ref>) -> Result<()> {
            let value = value.map_or(Ok(false), Ref::truthy)?;
            fields(transport).$field.set(value);
            Ok(())
        }
        attribute!($name, get, set)
    }};
}

/// Gives a type the attributes.
pub fn fill(builder: TypeBuilder) -> TypeBuilder {
    builder.attributes([
        object_attribute!(c"_loop", event_loop),
        object_attribute!(c"_sock", sock),
        object_attribute!(c"_protocol", protocol),
        object_attribute!(c"_server", server),
        object_attribute!(c"_empty_waiter", empty_waiter),
        flag_attribute!(c"_protocol_connected", protocol_connected),
        flag_attribute!(c"_closing", closing),
        flag_attribute!(c"_eof", eof),
        flag_attribute!(c"_paused", paused),
        flag_attribute!(c"_protocol_paused", protocol_paused),
        attribute!(c"_buffer", buffer),
        attribute!(c"_sock_fd", sock_fd),
        attribute!(c"_read_ready_cb", read_ready_cb),
        attribute!(c"_conn_lost", conn_lost, set_conn_lost),
        attribute!(c"_high_water", high_water, set_high_water),
        attribute!(c"_low_water", low_water, set_low_water),
        attribute!(c"max_size", max_size, set_max_size),
    ])
}

fn shown(slot: &Slot) -> Ref {
    slot.get().unwrap_or_else(none)
}

/// What waits to be sent, as asyncio's own transport would show it. A copy: what is done to it has no effect.
fn buffer(transport: &Ref) -> Result<Ref> {
    let pieces = match Pending::of(&fields(transport).pending) {
        Some(pending) => pending.shown()?,
        None => crate::native::list(Vec::new())?,
    };
    crate::compat::transport_behaviour::shown_buffer(&pieces)
}

fn sock_fd(transport: &Ref) -> Result<Ref> {
    // SAFETY: attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromLong(fields(transport).sock_fd.get().into())) }
}

/// What reads, while anything may be read. asyncio's own TLS tests look at it.
fn read_ready_cb(transport: &Ref) -> Result<Ref> {
    if fields(transport).closing.get() {
        return Ok(none());
    }
    transport.getattr(&crate::imports::names().read_ready)
}

fn conn_lost(transport: &Ref) -> Result<Ref> {
    integer(fields(transport).conn_lost.get())
}

fn set_conn_lost(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let count = value.map_or(Ok(0.0), Ref::to_f64)?;
    fields(transport).conn_lost.set(count as u64);
    Ok(())
}

fn high_water(transport: &Ref) -> Result<Ref> {
    Ok(shown(&fields(transport).high_water))
}

fn low_water(transport: &Ref) -> Result<Ref> {
    Ok(shown(&fields(transport).low_water))
}

fn set_high_water(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let own: &TransportFields = fields(transport);
    set_limit(&own.high_water, &own.limits[1], value)
}

fn set_low_water(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let own: &TransportFields = fields(transport);
    set_limit(&own.low_water, &own.limits[0], value)
}

/// Keeps the object that was given, and the number that it stands for: any that can be compared will do.
fn set_limit(slot: &Slot, number: &Cell<f64>, value: Option<&Ref>) -> Result<()> {
    let value = value.cloned().unwrap_or_else(none);
    number.set(match value.to_f64() {
        Ok(number) => number,
        // SAFETY: a static exception class.
        Err(Raised) if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_OverflowError) } != 0 => {
            drop(crate::native::take_raised());
            f64::INFINITY
        }
        Err(Raised) => return Err(Raised),
    });
    slot.set(value);
    Ok(())
}

fn max_size(transport: &Ref) -> Result<Ref> {
    integer(fields(transport).max_size.get() as u64)
}

fn set_max_size(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.cloned().unwrap_or_else(none);
    // SAFETY: live.
    let size = unsafe { ffi::PyLong_AsSize_t(value.as_ptr()) };
    if size == usize::MAX && raised() {
        return Err(Raised);
    }
    fields(transport).max_size.set(size);
    Ok(())
}
