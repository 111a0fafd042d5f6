//! Flow control in both directions: comparing what waits with the limits. Telling anybody is asyncio's own code,
//! which runs when a limit is passed.

use crate::native::{Ref, Result, none};

use super::engine::{Engine, usable};
use super::fields::ProtocolFields;
use super::stock::stock;

/// `_control_app_writing()`: tells the user's protocol when too much waits to be sent, and when it does no more.
pub fn control_app_writing(protocol: &Ref) -> Result<Ref> {
    match usable(protocol)? {
        Some((own, engine)) => check_writing(protocol, own, engine.outgoing_size()?),
        None => stock().control_app_writing.call([protocol]),
    }
}

/// The same, of a protocol that is plain, with so much ciphertext in its BIO.
#[inline]
pub fn check_writing(protocol: &Ref, own: &ProtocolFields, outgoing: usize) -> Result<Ref> {
    let size = (outgoing as i64 + own.write_buffer_size.get()) as f64;
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
    match usable(protocol)? {
        Some((own, engine)) => check_reading(protocol, own, &engine),
        None => stock().control_ssl_reading.call([protocol]),
    }
}

/// The same, of a protocol that is plain.
#[inline]
pub fn check_reading(protocol: &Ref, own: &ProtocolFields, engine: &Engine) -> Result<Ref> {
    let size = engine.incoming_size()? as f64;
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
