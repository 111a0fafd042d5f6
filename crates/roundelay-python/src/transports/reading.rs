//! From the socket to the protocol. One read for each time that the loop finds the socket readable, so that
//! one busy connection does not keep the others waiting.

use pyo3::ffi;

use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{
    Raised, Ref, Result, check, ends_the_program, integer, none, raise, string, take_raised,
    while_handling,
};
use crate::streams;
use crate::system::stream;
use crate::tls;

use super::fields::{SelectorFields, TransportFields, fields, selector};
use super::schedule::{in_debug_mode, unwatch};

/// `_read_ready()`: the loop found the socket readable.
pub fn read_ready(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.conn_lost.get() == 0 {
        if own.buffered.get() {
            match own.protocol.get() {
                Some(protocol) if tls::plain(&protocol).is_some() => {
                    give_ciphertext(transport, own, &protocol)?;
                }
                _ => fill_buffer(transport, own)?,
            }
        } else {
            give_data(transport, own)?;
        }
    }
    Ok(none())
}

/// What came out of a step, unless it failed: then the connection ends with `message`. The exceptions that
/// end the program come back.
pub fn or_fatal<T>(transport: &Ref, outcome: Result<T>, message: &str) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Raised) => fatal(transport, message).map(|_| None),
    }
}

/// `_fatal_error()` with what was raised, which also comes back.
#[cold]
pub fn fatal(transport: &Ref, message: &str) -> Result<Option<Ref>> {
    if ends_the_program() {
        return Err(Raised);
    }
    let Some(exception) = take_raised() else {
        return Ok(None);
    };
    let message = string(message)?;
    while_handling(&exception, || {
        transport.call_method(&names().fatal_error, [&exception, &message])
    })?;
    Ok(Some(exception))
}

const READ_FAILED: &str = "Fatal read error on socket transport";

/// One read for a protocol that is given `bytes`.
fn give_data(transport: &Ref, own: &TransportFields) -> Result<()> {
    let (Some(socket), Some(event_loop)) = (own.sock.get(), own.event_loop.get()) else {
        return Ok(());
    };
    let landing = &eventloop::data(&event_loop).landing;
    let outcome = landing.receive(&socket, own.max_size.get());
    let Some(Some(data)) = or_fatal(transport, outcome, READ_FAILED)? else {
        return Ok(());
    };
    // SAFETY: `receive` gives `bytes`.
    if unsafe { ffi::PyBytes_Size(data.as_ptr()) } == 0 {
        return end_of_file(transport, own);
    }
    let outcome = data_received(&protocol(own), &data);
    let message = "Fatal error: protocol.data_received() call failed.";
    or_fatal(transport, outcome, message).map(drop)
}

/// `protocol.data_received(data)`
#[inline]
fn data_received(protocol: &Ref, data: &Ref) -> Result<()> {
    match streams::data_received(protocol, data) {
        Some(fed) => fed,
        None => protocol
            .call_method(&names().data_received, [data])
            .map(drop),
    }
}

fn protocol(own: &SelectorFields) -> Ref {
    own.protocol.get().unwrap_or_else(none)
}

/// One read for a native TLS protocol.
fn give_ciphertext(transport: &Ref, own: &TransportFields, protocol: &Ref) -> Result<()> {
    let (Some(socket), Some(event_loop)) = (own.sock.get(), own.event_loop.get()) else {
        return Ok(());
    };
    let landing = &eventloop::data(&event_loop).landing;
    let outcome = landing.look(&socket, tls::MAX_SIZE, |data| {
        if data.is_empty() {
            return end_of_file(transport, own);
        }
        let outcome = tls::received(protocol, data);
        let message = "Fatal error: protocol.buffer_updated() call failed.";
        or_fatal(transport, outcome, message).map(drop)
    });
    match or_fatal(transport, outcome, READ_FAILED)? {
        Some(Some(given)) => given,
        Some(None) | None => Ok(()),
    }
}

/// One read into the buffer of a `BufferedProtocol`.
fn fill_buffer(transport: &Ref, own: &TransportFields) -> Result<()> {
    let message = "Fatal error: protocol.get_buffer() call failed.";
    let Some(buffer) = or_fatal(transport, get_buffer(own), message)? else {
        return Ok(());
    };
    let Some(socket) = own.sock.get() else {
        return Ok(());
    };
    let outcome = stream::receive_into(&socket, &buffer);
    let Some(Some(count)) = or_fatal(transport, outcome, READ_FAILED)? else {
        return Ok(());
    };
    if count == 0 {
        return end_of_file(transport, own);
    }
    let count = integer(count as u64)?;
    let outcome = protocol(own).call_method(&names().buffer_updated, [&count]);
    let message = "Fatal error: protocol.buffer_updated() call failed.";
    or_fatal(transport, outcome, message).map(drop)
}

fn get_buffer(own: &TransportFields) -> Result<Ref> {
    let buffer = protocol(own).call_method(&names().get_buffer, [&imports().minus_one])?;
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(buffer.as_ptr()) };
    check(length as std::ffi::c_int)?;
    if length == 0 {
        return raise(
            // SAFETY: a static exception class.
            unsafe { ffi::PyExc_RuntimeError },
            c"get_buffer() returned an empty buffer",
        );
    }
    Ok(buffer)
}

/// The peer has sent all it will send.
#[cold]
fn end_of_file(transport: &Ref, own: &TransportFields) -> Result<()> {
    if in_debug_mode(&own.event_loop) {
        log("debug", transport, "%r received EOF")?;
    }
    let outcome = protocol(own).call_method(&names().eof_received, []);
    let message = "Fatal error: protocol.eof_received() call failed.";
    let Some(keep_open) = or_fatal(transport, outcome, message)? else {
        return Ok(());
    };
    if keep_open.truthy()? {
        // The protocol may go on writing, but there is nothing more to read.
        unwatch(own, true)
    } else {
        // A mock on the instance is respected, as everywhere in this file where a method is called by name.
        transport.call_method(&names().close, []).map(drop)
    }
}

/// `logger.level(text, transport)`
#[cold]
pub fn log(level: &str, transport: &Ref, text: &str) -> Result<()> {
    imports()
        .logger
        .call_method(&string(level)?, [&string(text)?, transport])
        .map(drop)
}

/// `set_protocol(protocol)`
pub fn set_protocol(transport: &Ref, protocol: &Ref) -> Result<Ref> {
    let class = imports().buffered_protocol.as_ptr();
    // SAFETY: live objects.
    let buffered = unsafe { ffi::PyObject_IsInstance(protocol.as_ptr(), class) };
    check(buffered)?;
    let own = fields(transport);
    own.buffered.set(buffered != 0);
    own.protocol_connected.set(true);
    own.protocol.set(protocol.clone());
    Ok(none())
}

/// `get_protocol()`
pub fn get_protocol(transport: &Ref) -> Result<Ref> {
    Ok(protocol(selector(transport)))
}
