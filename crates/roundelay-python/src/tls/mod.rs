//! TLS: `SSLProtocol` and `_SSLProtocolTransport` of asyncio's `sslproto` module, native.
//!
//! The user's own `ssl.SSLContext` makes the SSL object, and everything that it can be asked is asked of that.
//! [`protocol`] makes the type that stands between a transport and the user's protocol, [`fields`] says what it
//! is made of and [`attributes`] what Python sees of that; [`setup`] is how a connection begins, [`incoming`] and
//! [`outgoing`] (with [`exit`]) are the two directions, [`flow`] the limits of what waits, [`engine`] drives the SSL
//! object.
//! [`transport`] is what the user writes to, [`stock`] has what is asyncio's own.

mod attributes;
mod engine;
mod exit;
mod fields;
mod flow;
mod incoming;
mod outgoing;
mod protocol;
mod setup;
mod stock;
mod transport;

use std::ffi::CStr;

use crate::compat::tls_behaviour;
use crate::native::attributes::missing;
use crate::native::{Ref, Result};

pub use fields::plain;
pub use incoming::{MAX_SIZE, received};

/// Makes the types; returns them by name. There are none in a Python without `ssl`.
pub fn make_types() -> Result<Vec<(&'static CStr, Ref)>> {
    if !stock::fetch()? {
        return Ok(vec![]);
    }
    tls_behaviour::probe(&stock::stock().protocol, &stock::stock().ssl_object)?;
    let transport = transport::make_type()?;
    let protocol = protocol::make_type()?;
    Ok(vec![
        (c"SSLProtocol", protocol),
        (c"SSLProtocolTransport", transport),
    ])
}
