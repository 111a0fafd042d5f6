//! The type `_SSLProtocolTransport`: what the user writes to and closes. Nearly all that it does is asking its
//! protocol; what is called often is native.

use pyo3::ffi;

use crate::compat::tls_behaviour;
use crate::imports::names;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result, boolean, none};
use crate::sync::{derived, stock_call};
use crate::{flag_attribute, init_slot, method, method0, optional_attribute, slot_attribute};

use super::fields::{
    ProtocolFields, TRANSPORT, TRANSPORT_BODY, TRANSPORT_REFERENCES, TRANSPORT_UNCHANGED,
    TransportFields, plain, transport_fields as fields,
};
use super::stock::stock;
use super::{outgoing, setup};

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = &stock().transport;
    let builder = derived::bare_builder::<TransportFields>(
        c"asyncio.sslproto._SSLProtocolTransport",
        base,
        TRANSPORT_BODY,
        TRANSPORT_REFERENCES,
    )?
    .slot(init_slot!(setup::init_transport));
    let class = methods(builder)
        .attributes([
            slot_attribute!(c"_loop", fields, event_loop),
            optional_attribute!(c"_ssl_protocol", fields, protocol),
            flag_attribute!(c"_closed", fields, closed),
        ])
        .build(Some(base))?;
    TRANSPORT.set(type_of_class(&class));
    TRANSPORT_UNCHANGED.prepare(&class)?;
    Ok(class)
}

fn methods(builder: TypeBuilder) -> TypeBuilder {
    builder.methods([
        method!(
            c"write",
            write,
            c"write($self, data)\n--\n\nWrite some data bytes to the transport."
        ),
        method!(
            c"writelines",
            write_lines,
            c"writelines($self, list_of_data)\n--\n\nWrite a list (or any iterable) of data bytes to the transport."
        ),
        method0!(
            c"is_closing",
            is_closing,
            c"is_closing($self, /)\n--\n\nReturn True if the transport is closing or closed."
        ),
    ])
}

/// The protocol of a transport of which nothing that matters here is the user's, and its fields.
#[inline]
fn protocol(transport: &Ref) -> Option<Ref> {
    if !TRANSPORT_UNCHANGED.is_class_unchanged(transport.type_ptr()) {
        return None;
    }
    let protocol = fields(transport).protocol.get()?;
    plain(&protocol).is_some().then_some(protocol)
}

/// `write(data)`
fn write(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    if let Some([Some(data)]) = stock_call::bound(&args, ["data"], 1)
        && let Some(protocol) = protocol(transport)
        && is_bytes_like(data)
    {
        // SAFETY: live.
        let length = unsafe { ffi::PyObject_Size(data.as_ptr()) };
        crate::native::check(length as std::ffi::c_int)?;
        return match length {
            0 => Ok(none()),
            _ => outgoing::write_one(&protocol, data),
        };
    }
    args.pass_on_behind(transport, &stock().transport_write)
}

/// `isinstance(data, (bytes, bytearray, memoryview))`
#[inline]
fn is_bytes_like(data: &Ref) -> bool {
    // SAFETY: live; static types.
    unsafe {
        ffi::PyBytes_Check(data.as_ptr()) != 0
            || ffi::PyByteArray_Check(data.as_ptr()) != 0
            || data.is_exact(&raw mut ffi::PyMemoryView_Type)
    }
}

/// `writelines(list_of_data)`
fn write_lines(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    if let Some([Some(lines)]) = stock_call::bound(&args, ["list_of_data"], 1)
        && let Some(protocol) = protocol(transport)
    {
        return outgoing::write_appdata(&protocol, lines);
    }
    args.pass_on_behind(transport, &stock().transport_writelines)
}

/// `is_closing()`
fn is_closing(transport: &Ref) -> Result<Ref> {
    if fields(transport).closed.get() {
        return Ok(boolean(true));
    }
    if !tls_behaviour::closing_asks_below() {
        return Ok(boolean(false));
    }
    let below = fields(transport)
        .protocol
        .get()
        .and_then(|protocol| plain(&protocol).map(|own: &ProtocolFields| own.transport.get()));
    match below {
        Some(None) => Ok(boolean(false)),
        Some(Some(below)) => below.call_method(&names().is_closing, []),
        None => stock().transport_is_closing.call([transport]),
    }
}
