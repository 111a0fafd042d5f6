//! Flow control in both directions: comparing what waits with the limits. Telling anybody is asyncio's own code,
//! which runs when a limit is passed.

use crate::native::{Ref, Result, none};

use super::engine::Engine;
use super::fields::{ProtocolFields, fields, plain};
use super::stock::stock;

/// `_control_app_writing()`: tells the user's protocol when too much waits to be sent, and when it does no more.
pub fn control_app_writing(protocol: &Ref) -> Result<Ref> {
    let size = match plain(protocol) {
        Some(own) => write_buffer_size(own)?,
        None => None,
    };
    let Some(size) = size else {
        return stock().control_app_writing.call([protocol]);
    };
    let own = fields(protocol);
    let passed = if own.app_writing_paused.get() {
        size <= own.limits.outgoing_low.get()
    } else {
        size >= own.limits.outgoing_high.get()
    };
    if passed {
        return stock().control_app_writing.call([protocol]);
    }
    Ok(none())
}

/// `_control_ssl_reading()`: tells the transport when too much waits to be decrypted, and when it does no more.
pub fn control_ssl_reading(protocol: &Ref) -> Result<Ref> {
    let size = match plain(protocol) {
        Some(own) => read_buffer_size(own)?,
        None => None,
    };
    let Some(size) = size else {
        return stock().control_ssl_reading.call([protocol]);
    };
    let own = fields(protocol);
    let passed = if own.ssl_reading_paused.get() {
        size <= own.limits.incoming_low.get()
    } else {
        size >= own.limits.incoming_high.get()
    };
    if passed {
        return stock().control_ssl_reading.call([protocol]);
    }
    Ok(none())
}

/// Bytes that wait to be sent; nothing if asyncio's own code has to count them.
fn write_buffer_size(own: &ProtocolFields) -> Result<Option<f64>> {
    let Some(engine) = Engine::of(own)? else {
        return Ok(None);
    };
    let size = engine.outgoing_size()? as i64 + own.write_buffer_size.get();
    Ok(Some(size as f64))
}

/// Bytes that wait to be decrypted; nothing if asyncio's own code has to count them.
fn read_buffer_size(own: &ProtocolFields) -> Result<Option<f64>> {
    let Some(engine) = Engine::of(own)? else {
        return Ok(None);
    };
    Ok(Some(engine.incoming_size()? as f64))
}
