//! From the socket to the protocol: one datagram for each time that the loop finds the socket readable, as
//! asyncio does it, so that what a datagram sets going runs before the next one comes.

use pyo3::ffi;

use crate::eventloop;
use crate::imports::names;
use crate::native::{Ref, Result, none, take_raised, while_handling};
use crate::system::datagram;
use crate::transports::reading::or_fatal;

use super::fields::{DatagramFields, fields};

/// `_read_ready()`: the loop found the socket readable.
pub fn read_ready(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    let (Some(socket), Some(event_loop)) = (own.sock.get(), own.event_loop.get()) else {
        return Ok(none());
    };
    if own.conn_lost.get() != 0 {
        return Ok(none());
    }
    let state = eventloop::data(&event_loop);
    let mut scratch = state.scratch.take();
    let most = own.max_size.get();
    let outcome = datagram::receive_from(&socket, own.family.get(), &mut scratch, most);
    state.scratch.replace(scratch);
    let message = "Fatal read error on datagram transport";
    if let Some(Some((data, sender))) = tell_or_fatal(transport, own, outcome, message)? {
        let protocol = own.protocol.get().unwrap_or_else(none);
        protocol.call_method(&names().datagram_received, [&data, &sender])?;
    }
    Ok(none())
}

/// What came out of a step. The protocol is told of an error of the system, and may raise one of its own; any
/// other error but those that end the program is the end of the transport. Nothing comes back of either.
pub fn tell_or_fatal<T>(
    transport: &Ref,
    own: &DatagramFields,
    outcome: Result<T>,
    message: &str,
) -> Result<Option<T>> {
    // SAFETY: a static exception class; an exception is set.
    let of_the_system =
        outcome.is_err() && unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_OSError) != 0 };
    if !of_the_system {
        return or_fatal(transport, outcome, message);
    }
    let Some(exception) = take_raised() else {
        return Ok(None);
    };
    let protocol = own.protocol.get().unwrap_or_else(none);
    let told = while_handling(&exception, || {
        protocol.call_method(&names().error_received, [&exception])
    });
    told.map(|_| None)
}
