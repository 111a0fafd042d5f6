//! The type of datagram transports. It derives from asyncio's own; what is not defined here or for every
//! transport over a socket is asyncio's Python code.

use std::ffi::CStr;

use pyo3::ffi;

use crate::imports::names;
use crate::native::types::TypeBuilder;
use crate::native::{Args, Ref, Result, integer, none};
use crate::sync::derived;
use crate::system::datagram::family_of;
use crate::transports::fields::{BODY, OverSocket, SELECTOR_REFERENCES};
use crate::transports::setup::{self, given};
use crate::{
    attribute, closing_attributes, init_slot, method, method0, named_method, optional_attribute,
    selector_methods,
};

use super::fields::{DatagramFields, REFERENCES, fields};
use super::{receiving, sending};

/// Makes the type; returns it with the name that the package uses.
pub fn make_type() -> Result<(&'static CStr, Ref)> {
    let base = derived::base(c"asyncio.selector_events", "_SelectorDatagramTransport")?;
    let builder = derived::bare_builder::<DatagramFields>(
        c"asyncio.selector_events._SelectorDatagramTransport",
        &base,
        BODY,
        &[&SELECTOR_REFERENCES[..], &REFERENCES].concat(),
    )?
    .slot(init_slot!(init));
    let builder = selector_methods!(builder, DatagramFields);
    let builder = add_attributes(crate::transports::attributes::fill_selector(builder));
    let builder = builder.attributes(closing_attributes!(DatagramFields));
    let class = builder.methods(methods()).build(Some(&base))?;
    Ok((c"DatagramTransport", class))
}

fn methods() -> Vec<ffi::PyMethodDef> {
    vec![
        method0!(
            c"_read_ready",
            receiving::read_ready,
            c"_read_ready($self, /)\n--\n\n"
        ),
        method!(
            c"sendto",
            sending::send_to_method,
            c"sendto($self, data, addr=None)\n--\n\nSend data to the transport."
        ),
        method0!(
            c"_sendto_ready",
            sending::sendto_ready,
            c"_sendto_ready($self, /)\n--\n\n"
        ),
        method0!(
            c"get_write_buffer_size",
            sending::get_write_buffer_size,
            c"get_write_buffer_size($self, /)\n--\n\nReturn the current size of the write buffer."
        ),
        named_method!(
            c"set_protocol",
            "protocol",
            set_protocol,
            c"set_protocol($self, protocol)\n--\n\nSet a new protocol."
        ),
    ]
}

fn add_attributes(builder: TypeBuilder) -> TypeBuilder {
    builder.attributes([
        optional_attribute!(c"_address", fields, address),
        attribute!(c"_buffer", queue),
        attribute!(c"_buffer_size", queue_size),
    ])
}

/// `__init__(loop, sock, protocol, address=None, waiter=None, extra=None)`
fn init(transport: &Ref, args: Args<'_>) -> Result<()> {
    let [event_loop, socket, protocol, address, waiter, extra] = args.bind(
        "_SelectorDatagramTransport.__init__",
        ["loop", "sock", "protocol", "address", "waiter", "extra"],
        6,
        3,
    )?;
    let (Some(event_loop), Some(socket), Some(protocol)) = (event_loop, socket, protocol) else {
        unreachable!("three are required");
    };
    setup::check_loop(event_loop)?;
    let own = fields(transport);
    setup::fill(transport, own, event_loop, socket, given(extra))?;
    set_protocol(transport, protocol)?;
    setup::enter(transport, own, event_loop)?;
    own.address.put(given(address));
    own.family.set(family_of(socket)?);
    let peer = crate::native::string("peername")?;
    let extra = transport.getattr(&names().extra)?;
    // SAFETY: live objects; a new reference or null.
    let peer = unsafe { ffi::PyObject_GetItem(extra.as_ptr(), peer.as_ptr()) };
    // SAFETY: as above.
    let peer = unsafe { Ref::owned_or_raised(peer) }?;
    own.connected.set(peer.truthy()?);
    let start = Some(&names().start_reading);
    setup::begin(transport, event_loop, protocol, start, given(waiter))
}

/// `set_protocol(protocol)`
fn set_protocol(transport: &Ref, protocol: &Ref) -> Result<Ref> {
    let own = DatagramFields::of(transport);
    own.protocol_connected.set(true);
    own.protocol.set(protocol.clone());
    Ok(none())
}

fn queue(transport: &Ref) -> Result<Ref> {
    fields(transport).waiting_or_new()
}

fn queue_size(transport: &Ref) -> Result<Ref> {
    integer(fields(transport).queue_size.get() as u64)
}
