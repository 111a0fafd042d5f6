//! The private attributes of asyncio's protocol, which its own methods use, and tests and programs read.

use pyo3::ffi;

use crate::imports::names;
use crate::native::types::TypeBuilder;
use crate::native::{Raised, Ref, Result, Slot, integer, none, raised, string};
use crate::transports::flow_control::set_limit;
use crate::{attribute, flag_attribute, optional_attribute, slot_attribute};

use super::engine::{Engine, Kind};
use super::fields::fields;
use super::outgoing;

/// An attribute over one of the objects that make and read ciphertext: when it is replaced, how that is done is
/// found out anew.
macro_rules! engine_attribute {
    ($name:literal, $field:ident) => {{
        fn get(protocol: &Ref) -> Result<Ref> {
            match fields(protocol).$field.get() {
                Some(value) => Ok(value),
                None => super::missing(protocol, $name),
            }
        }
        fn set(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
            let own = fields(protocol);
            own.engine.set(Kind::Unknown);
            drop(own.inner.take());
            own.$field.put(value.cloned());
            Ok(())
        }
        attribute!($name, get, set)
    }};
}

/// An attribute over a limit: the object that was given, and the number that it stands for.
macro_rules! limit_attribute {
    ($name:literal, $field:ident) => {{
        fn get(protocol: &Ref) -> Result<Ref> {
            match fields(protocol).$field.get() {
                Some(value) => Ok(value),
                None => super::missing(protocol, $name),
            }
        }
        fn set(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
            let own = fields(protocol);
            set_limit(&own.$field, &own.limits.$field, value)
        }
        attribute!($name, get, set)
    }};
}

/// Gives the type the attributes.
pub fn fill(builder: TypeBuilder) -> TypeBuilder {
    builder.attributes([
        slot_attribute!(c"_loop", fields, event_loop),
        optional_attribute!(c"_app_protocol", fields, app_protocol),
        slot_attribute!(c"_app_protocol_get_buffer", fields, get_buffer),
        slot_attribute!(c"_app_protocol_buffer_updated", fields, buffer_updated),
        flag_attribute!(c"_app_protocol_is_buffer", fields, app_protocol_is_buffer),
        optional_attribute!(c"_app_transport", fields, app_transport),
        flag_attribute!(c"_app_transport_created", fields, app_transport_created),
        optional_attribute!(c"_transport", fields, transport),
        engine_attribute!(c"_sslobj", ssl_object),
        engine_attribute!(c"_incoming", incoming),
        engine_attribute!(c"_outgoing", outgoing),
        slot_attribute!(c"_state", fields, state),
        slot_attribute!(c"_app_state", fields, app_state),
        attribute!(c"_write_backlog", get_backlog, set_backlog),
        attribute!(
            c"_write_buffer_size",
            get_write_buffer_size,
            set_write_buffer_size
        ),
        attribute!(c"_conn_lost", get_conn_lost, set_conn_lost),
        optional_attribute!(c"_waiter", fields, waiter),
        slot_attribute!(c"_sslcontext", fields, context),
        slot_attribute!(c"_server_side", fields, server_side),
        optional_attribute!(c"_server_hostname", fields, server_hostname),
        slot_attribute!(c"_extra", fields, extra),
        slot_attribute!(c"_ssl_handshake_timeout", fields, handshake_timeout),
        slot_attribute!(c"_ssl_shutdown_timeout", fields, shutdown_timeout),
        optional_attribute!(c"_handshake_start_time", fields, handshake_start),
        optional_attribute!(c"_handshake_timeout_handle", fields, handshake_timer),
        optional_attribute!(c"_shutdown_timeout_handle", fields, shutdown_timer),
        attribute!(c"_ssl_buffer", get_buffer, set_buffer),
        attribute!(c"_ssl_buffer_view", get_buffer_view, set_buffer_view),
        limit_attribute!(c"_incoming_high_water", incoming_high),
        limit_attribute!(c"_incoming_low_water", incoming_low),
        limit_attribute!(c"_outgoing_high_water", outgoing_high),
        limit_attribute!(c"_outgoing_low_water", outgoing_low),
        flag_attribute!(c"_ssl_writing_paused", fields, ssl_writing_paused),
        flag_attribute!(c"_ssl_reading_paused", fields, ssl_reading_paused),
        flag_attribute!(c"_app_writing_paused", fields, app_writing_paused),
        flag_attribute!(c"_app_reading_paused", fields, app_reading_paused),
        flag_attribute!(c"_eof_received", fields, eof_received),
        attribute!(c"_driven_by", driven_by),
    ])
}

/// What makes and reads ciphertext, for those who measure or test: `"openssl"` (its functions are called), `"ssl"`
/// (the methods of Python's objects are) or `"asyncio"` (its own code runs).
fn driven_by(protocol: &Ref) -> Result<Ref> {
    string(match Engine::of(fields(protocol))? {
        Some(Engine::Driven(_)) => "openssl",
        Some(Engine::Methods { .. }) => "ssl",
        None => "asyncio",
    })
}

fn get_backlog(protocol: &Ref) -> Result<Ref> {
    outgoing::backlog(fields(protocol))
}

fn set_backlog(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(protocol).backlog.put(value.cloned());
    Ok(())
}

fn get_write_buffer_size(protocol: &Ref) -> Result<Ref> {
    let size = fields(protocol).write_buffer_size.get();
    // SAFETY: attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromLongLong(size)) }
}

fn set_write_buffer_size(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.cloned().unwrap_or_else(none);
    // SAFETY: live.
    let size = unsafe { ffi::PyLong_AsLongLong(value.as_ptr()) };
    if size == -1 && raised() {
        return Err(Raised);
    }
    fields(protocol).write_buffer_size.set(size);
    Ok(())
}

fn get_conn_lost(protocol: &Ref) -> Result<Ref> {
    integer(fields(protocol).conn_lost.get())
}

fn set_conn_lost(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
    let count = value.map_or(Ok(0.0), Ref::to_f64)?;
    fields(protocol).conn_lost.set(count as u64);
    Ok(())
}

/// The buffer that transports of other kinds fill, made when it is first asked for.
fn make_buffer(protocol: &Ref) -> Result<()> {
    let own = fields(protocol);
    let size = protocol.getattr(&names().max_size)?;
    // SAFETY: a static type; then a live object and a new reference or null.
    let (buffer, view) = unsafe {
        let class = Ref::borrowed((&raw mut ffi::PyByteArray_Type).cast());
        let buffer = class.call([&size])?;
        let view = Ref::owned_or_raised(ffi::PyMemoryView_FromObject(buffer.as_ptr()))?;
        (buffer, view)
    };
    own.buffer.set(buffer);
    own.buffer_view.set(view);
    Ok(())
}

fn made(protocol: &Ref, slot: &Slot) -> Result<Ref> {
    if !slot.is_some() {
        make_buffer(protocol)?;
    }
    Ok(slot.get().unwrap_or_else(none))
}

fn get_buffer(protocol: &Ref) -> Result<Ref> {
    made(protocol, &fields(protocol).buffer)
}

fn set_buffer(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(protocol).buffer.put(value.cloned());
    Ok(())
}

fn get_buffer_view(protocol: &Ref) -> Result<Ref> {
    made(protocol, &fields(protocol).buffer_view)
}

fn set_buffer_view(protocol: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(protocol).buffer_view.put(value.cloned());
    Ok(())
}
