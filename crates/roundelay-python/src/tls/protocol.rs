//! The type `SSLProtocol`: what the transport calls, and what drives the SSL object.
//!
//! Native is what runs for each piece of data. What runs once in the life of a connection (the handshake, the
//! shutdown, timeouts, errors) is asyncio's own code, which no two releases have the same; it finds each of its
//! attributes, and calls our methods.

use crate::native::types::type_of_class;
use crate::native::{Ref, Result};
use crate::sync::derived;
use crate::{init_slot, method0, method1};

use super::fields::{PROTOCOL, PROTOCOL_REFERENCES, PROTOCOL_UNCHANGED, ProtocolFields};
use super::stock::stock;
use super::{attributes, flow, incoming, outgoing, setup};

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = &stock().protocol;
    let builder = derived::bare_builder::<ProtocolFields>(
        c"asyncio.sslproto.SSLProtocol",
        base,
        derived::BODY,
        PROTOCOL_REFERENCES,
    )?
    .slot(init_slot!(setup::init))
    .methods([
        method0!(c"_get_app_transport", setup::get_app_transport, c"_get_app_transport($self, /)\n--\n\n"),
        method1!(c"connection_lost", setup::connection_lost, c"connection_lost($self, exc, /)\n--\n\nCalled when the low-level connection is lost or closed."),
        method0!(c"_do_read", incoming::do_read, c"_do_read($self, /)\n--\n\n"),
        method0!(c"_do_read__copied", incoming::read_copied, c"_do_read__copied($self, /)\n--\n\n"),
        method0!(c"_do_read__buffered", incoming::read_into_buffer, c"_do_read__buffered($self, /)\n--\n\n"),
        method1!(c"_write_appdata", outgoing::write_appdata, c"_write_appdata($self, list_of_data, /)\n--\n\n"),
        method0!(c"_do_write", outgoing::do_write, c"_do_write($self, /)\n--\n\n"),
        method0!(c"_process_outgoing", outgoing::process_outgoing, c"_process_outgoing($self, /)\n--\n\n"),
        method0!(c"_control_app_writing", flow::control_app_writing, c"_control_app_writing($self, /)\n--\n\n"),
        method0!(c"_control_ssl_reading", flow::control_ssl_reading, c"_control_ssl_reading($self, /)\n--\n\n"),
        method0!(c"pause_writing", outgoing::pause_writing, c"pause_writing($self, /)\n--\n\nCalled when the low-level transport's buffer goes over the high-water mark."),
        method0!(c"resume_writing", outgoing::resume_writing, c"resume_writing($self, /)\n--\n\nCalled when the low-level transport's buffer drains below the low-water mark."),
    ]);
    let class = attributes::fill(builder).build(Some(base))?;
    PROTOCOL.set(type_of_class(&class));
    crate::compat::own_attributes::without_inline_values(&class);
    PROTOCOL_UNCHANGED.prepare(&class)?;
    Ok(class)
}
