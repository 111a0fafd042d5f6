//! From the socket to the protocol: one datagram for each time that the loop finds the socket readable, as
//! asyncio does it, so that what a datagram sets going runs before the next one comes. While a datagram sets
//! nothing going and there is nothing else that the loop could do, the next one is read without a turn between.

use crate::eventloop::{self, alone};
use crate::imports::names;
use crate::native::{Ref, Result, is_os_error, none, take_raised, while_handling};
use crate::system::datagram;
use crate::transports::reading::or_fatal;

use super::fields::{DatagramFields, fields};

/// After a look for a second datagram that found none, so many turns go by before the next look. Each costs a
/// call of the system's.
const CALM: u8 = 15;

/// `_read_ready()`: the loop found the socket readable.
pub fn read_ready(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if !read_one(transport, own)? {
        return Ok(none());
    }
    if own.calm.get() > 0 {
        own.calm.set(own.calm.get() - 1);
        return Ok(none());
    }
    for count in 1..alone::MOST {
        let Some(event_loop) = own.event_loop.get().filter(|_| !own.closing.get()) else {
            break;
        };
        let may_send = own.waiting() > 0;
        if may_send || !alone::is_alone(&event_loop, eventloop::data(&event_loop))? {
            break;
        }
        if !read_one(transport, own)? {
            if count == 1 {
                own.calm.set(CALM);
            }
            break;
        }
    }
    Ok(none())
}

/// Gives the protocol the next datagram; whether there was one.
#[inline]
fn read_one(transport: &Ref, own: &DatagramFields) -> Result<bool> {
    let (Some(socket), Some(event_loop)) = (own.sock.get(), own.event_loop.get()) else {
        return Ok(false);
    };
    if own.conn_lost.get() != 0 {
        return Ok(false);
    }
    let state = eventloop::data(&event_loop);
    let outcome = datagram::receive_from(
        &socket,
        own.family.get(),
        &state.landing,
        &state.known_addresses,
        own.max_size.get(),
    );
    let message = "Fatal read error on datagram transport";
    let Some(Some((data, sender))) = tell_or_fatal(transport, own, outcome, message)? else {
        return Ok(false);
    };
    let protocol = own.protocol.get().unwrap_or_else(none);
    protocol.call_method(&names().datagram_received, [&data, &sender])?;
    Ok(true)
}

/// What came out of a step. The protocol is told of an error of the system, and may raise one of its own; any
/// other error but those that end the program is the end of the transport. Nothing comes back of either.
pub fn tell_or_fatal<T>(
    transport: &Ref,
    own: &DatagramFields,
    outcome: Result<T>,
    message: &str,
) -> Result<Option<T>> {
    if outcome.is_ok() || !is_os_error() {
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
