//! The private attributes of asyncio's transports, which its own methods use, and programs read.

use pyo3::ffi;

use crate::native::types::TypeBuilder;
use crate::native::{Raised, Ref, Result, integer, none, raised};
use crate::{attribute, flag_attribute, flow_control_attributes, optional_attribute};

use super::fields::{TransportFields, fields, selector};
use super::held;
use super::pending::Pending;

/// The attributes that tell whether a transport ends; `$kind` is an `OverSocket`.
#[macro_export]
macro_rules! closing_attributes {
    ($kind:ty) => {{
        use $crate::transports::closing;
        [
            $crate::attribute!(
                c"_closing",
                closing::is_closing::<$kind>,
                closing::set_closing
            ),
            $crate::attribute!(
                c"_conn_lost",
                closing::conn_lost::<$kind>,
                closing::set_conn_lost
            ),
        ]
    }};
}

/// Gives a type the attributes that every transport over a socket has.
pub fn fill_selector(builder: TypeBuilder) -> TypeBuilder {
    builder
        .attributes([
            optional_attribute!(c"_loop", selector, event_loop),
            optional_attribute!(c"_sock", selector, sock),
            optional_attribute!(c"_protocol", selector, protocol),
            optional_attribute!(c"_server", selector, server),
            flag_attribute!(c"_protocol_connected", selector, protocol_connected),
            flag_attribute!(c"_paused", selector, paused),
            attribute!(c"_sock_fd", sock_fd),
            attribute!(c"max_size", max_size, set_max_size),
        ])
        .attributes(flow_control_attributes!(selector))
}

/// Gives the type of stream transports the attributes.
pub fn fill(builder: TypeBuilder) -> TypeBuilder {
    fill_selector(builder)
        .attributes(closing_attributes!(TransportFields))
        .attributes([
            optional_attribute!(c"_empty_waiter", fields, empty_waiter),
            flag_attribute!(c"_eof", fields, eof),
            attribute!(c"_buffer", buffer),
            attribute!(c"_read_ready_cb", read_ready_cb),
        ])
}

/// What waits to be sent, as asyncio's own transport would show it. A copy: what is done to it has no effect.
fn buffer(transport: &Ref) -> Result<Ref> {
    held::release(transport)?;
    let pieces = match Pending::of(&fields(transport).pending) {
        Some(pending) => pending.shown()?,
        None => crate::native::list(Vec::new())?,
    };
    crate::compat::transport_behaviour::shown_buffer(&pieces)
}

fn sock_fd(transport: &Ref) -> Result<Ref> {
    // SAFETY: attached; a new reference or null.
    unsafe {
        Ref::owned_or_raised(ffi::PyLong_FromLong(
            selector(transport).sock_fd.get().into(),
        ))
    }
}

/// What reads, while anything may be read. asyncio's own TLS tests look at it.
fn read_ready_cb(transport: &Ref) -> Result<Ref> {
    if fields(transport).closing.get() {
        return Ok(none());
    }
    transport.getattr(&crate::imports::names().read_ready)
}

fn max_size(transport: &Ref) -> Result<Ref> {
    integer(selector(transport).max_size.get() as u64)
}

fn set_max_size(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.cloned().unwrap_or_else(none);
    // SAFETY: live.
    let size = unsafe { ffi::PyLong_AsSize_t(value.as_ptr()) };
    if size == usize::MAX && raised() {
        return Err(Raised);
    }
    selector(transport).max_size.set(size);
    Ok(())
}
