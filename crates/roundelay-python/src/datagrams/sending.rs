//! From the protocol to the socket. A datagram goes out at once while none waits; those that wait go out as soon
//! as the socket has room.

use pyo3::ffi;

use crate::compat::transport_behaviour;
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::buffer::content;
use crate::native::{Args, Ref, Result, check, integer, items, none, raise_text, string, tuple};
use crate::sync::stock_call;
use crate::system::{Now, datagram};
use crate::transports::closing;
use crate::transports::schedule::{or_end, unwatch, watch_for};
use crate::transports::writing::{QUIET_WRITES, is_bytes_like};

use super::fields::{DatagramFields, fields};
use super::receiving::tell_or_fatal;

const SEND_FAILED: &str = "Fatal write error on datagram transport";

/// `sendto(data, addr=None)`
pub fn send_to_method(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some([Some(data), address]) = stock_call::bound(&args, ["data", "addr"], 1) else {
        return stock_call::call(transport, c"sendto", &args);
    };
    let own = fields(transport);
    let Some(socket) = own.sock.get().filter(|_| is_bytes_like(data)) else {
        // asyncio's own method raises what is to be said of it.
        return stock_call::call(transport, c"sendto", &args);
    };
    if is_dropped(data)? {
        return Ok(none());
    }
    let Some(address) = address_for(own, address.cloned().unwrap_or_else(none))? else {
        return Ok(none());
    };
    if own.waiting() == 0 {
        let outcome = send(own, &socket, data, &address);
        match tell_or_fatal(transport, own, outcome, SEND_FAILED)? {
            Some(None) => {
                let watched = watch_for(transport, own, false, &names().sendto_ready);
                if !or_end(transport, watched)? {
                    return Ok(none());
                }
            }
            Some(Some(())) | None => return Ok(none()),
        }
    }
    // What can change is copied.
    // SAFETY: live; a new reference or null.
    let data = unsafe { Ref::owned_or_raised(ffi::PyObject_Bytes(data.as_ptr())) }?;
    let queue = own.waiting_or_new()?;
    queue.call_method(&names().append, [&tuple(&[&data, &address])?])?;
    own.queue_size.set(own.queue_size.get() + counted(&data));
    own.flow.pause_if_full(transport, own.queue_size.get())?;
    Ok(none())
}

/// Whether a datagram is not sent because there is nothing in it.
fn is_dropped(data: &Ref) -> Result<bool> {
    if transport_behaviour::empty_datagrams_are_sent() {
        return Ok(false);
    }
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(data.as_ptr()) };
    check(length as std::ffi::c_int)?;
    Ok(length == 0)
}

/// What a datagram that waits counts for.
fn counted(data: &Ref) -> usize {
    content(data).map_or(0, <[u8]>::len) + transport_behaviour::datagram_header_size()
}

/// Where a datagram for `given` goes; nothing if it goes nowhere any more.
#[inline]
fn address_for(own: &DatagramFields, given: Ref) -> Result<Option<Ref>> {
    let Some(address) = own.address.get() else {
        return Ok(Some(given));
    };
    if !address.truthy()? {
        return Ok(Some(given));
    }
    if !given.is_none() && !given.is(&address) && !given.equals(&address)? {
        let text = crate::native::text_of(&shown(&address)?)?;
        return raise_text(
            // SAFETY: a static exception class.
            unsafe { ffi::PyExc_ValueError },
            &format!("Invalid address: must be None or {text}"),
        );
    }
    if own.conn_lost.get() != 0 {
        if own.conn_lost.get() >= QUIET_WRITES {
            let text = string("socket.send() raised exception.")?;
            imports().logger.call_method(&string("warning")?, [&text])?;
        }
        own.conn_lost.set(own.conn_lost.get() + 1);
        return Ok(None);
    }
    Ok(Some(address))
}

/// `str(object)`
fn shown(object: &Ref) -> Result<Ref> {
    // SAFETY: live; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyObject_Str(object.as_ptr())) }
}

fn send(own: &DatagramFields, socket: &Ref, data: &Ref, address: &Ref) -> Result<Now<()>> {
    if own.connected.get() {
        return datagram::send(socket, data);
    }
    let target = own.event_loop.get().and_then(|event_loop| {
        let known = &eventloop::data(&event_loop).known_addresses;
        known.plain(own.family.get(), address)
    });
    datagram::send_to(socket, data, address, target)
}

/// `_sendto_ready()`: there is room in the socket.
pub fn sendto_ready(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    while own.waiting() > 0
        && let (Some(queue), Some(socket)) = (own.queue.get(), own.sock.get())
    {
        let first = queue.call_method(&names().popleft, [])?;
        let pair = items(&first);
        let [data, address] = pair.as_slice() else {
            continue;
        };
        let outcome = send(own, &socket, data, address);
        if matches!(outcome, Ok(None)) {
            queue.call_method(&names().appendleft, [&first])?;
            break;
        }
        let left = own.queue_size.get().saturating_sub(counted(data));
        own.queue_size.set(left);
        if tell_or_fatal(transport, own, outcome, SEND_FAILED)?.is_none() {
            return Ok(none());
        }
    }
    // May send more.
    own.flow
        .resume_if_drained(transport, own.queue_size.get())?;
    if own.waiting() == 0 {
        unwatch(own, false)?;
        if own.closing.get() {
            closing::call_connection_lost::<DatagramFields>(transport, &none())?;
        }
    }
    Ok(none())
}

/// `get_write_buffer_size()`
pub fn get_write_buffer_size(transport: &Ref) -> Result<Ref> {
    integer(fields(transport).queue_size.get() as u64)
}
