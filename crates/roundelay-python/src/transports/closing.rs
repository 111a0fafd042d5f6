//! How a connection ends, and any other transport over a socket.

use crate::imports::names;
use crate::native::{Ref, Result, aside, boolean, integer, none};
use crate::servers::clients;
use crate::sockets::plain;

use super::fields::{OverSocket, SelectorFields, selector};
use super::schedule::{call_soon, unwatch};

/// `is_closing()`, and `_closing`
#[inline]
pub fn is_closing<T: OverSocket>(transport: &Ref) -> Result<Ref> {
    T::settle(transport)?;
    Ok(boolean(selector(transport).closing.get()))
}

/// Sets `_closing`.
pub fn set_closing(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.map_or(Ok(false), Ref::truthy)?;
    selector(transport).closing.set(value);
    Ok(())
}

/// `_conn_lost`
pub fn conn_lost<T: OverSocket>(transport: &Ref) -> Result<Ref> {
    T::settle(transport)?;
    integer(selector(transport).conn_lost.get())
}

/// Sets `_conn_lost`.
pub fn set_conn_lost(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let count = value.map_or(Ok(0.0), Ref::to_f64)?;
    selector(transport).conn_lost.set(count as u64);
    Ok(())
}

/// `close()`: nothing more is read; once everything is sent, the connection is over.
pub fn close<T: OverSocket>(transport: &Ref) -> Result<Ref> {
    T::settle(transport)?;
    let kind = T::of(transport);
    let own: &SelectorFields = kind;
    if own.closing.replace(true) {
        return Ok(none());
    }
    unwatch(own, true)?;
    if kind.nothing_waits() {
        own.conn_lost.set(own.conn_lost.get() + 1);
        unwatch(own, false)?;
        lose(transport, own, &none())?;
    }
    Ok(none())
}

/// `abort()`
pub fn abort(transport: &Ref) -> Result<Ref> {
    // By name, as asyncio does: subprocess and TLS code puts nothing there, but tests do.
    transport.call_method(&names().force_close, [&none()])
}

/// `_force_close(exc)`: the connection is over; what waits is not sent.
pub fn force_close<T: OverSocket>(transport: &Ref, exception: &Ref) -> Result<Ref> {
    T::settle(transport)?;
    let kind = T::of(transport);
    let own: &SelectorFields = kind;
    if own.conn_lost.get() != 0 {
        return Ok(none());
    }
    if !kind.nothing_waits() {
        kind.forget_what_waits()?;
        unwatch(own, false)?;
    }
    if !own.closing.replace(true) {
        unwatch(own, true)?;
    }
    own.conn_lost.set(own.conn_lost.get() + 1);
    lose(transport, own, exception)?;
    Ok(none())
}

/// Has the protocol told of the end in the next turn.
fn lose(transport: &Ref, own: &SelectorFields, exception: &Ref) -> Result<()> {
    let Some(event_loop) = own.event_loop.get() else {
        return Ok(());
    };
    let callback = transport.getattr(&names().call_connection_lost)?;
    call_soon(&event_loop, &callback, Some(exception))
}

/// `_call_connection_lost(exc)`: tells the protocol, and lets go of everything whatever that raises.
pub fn call_connection_lost<T: OverSocket>(transport: &Ref, exception: &Ref) -> Result<Ref> {
    let own = selector(transport);
    let told = match own.protocol.get() {
        Some(protocol) if own.protocol_connected.get() => protocol
            .call_method(&names().connection_lost, [exception])
            .map(drop),
        _ => Ok(()),
    };
    let released = aside(|| {
        release(transport, own)?;
        T::of(transport).tell_of_the_end()
    });
    told.and(released).map(|()| none())
}

/// Lets go of everything, also where the system says that the descriptor was closed already.
fn release(transport: &Ref, own: &SelectorFields) -> Result<()> {
    let closed = match own.sock.get() {
        Some(socket) => plain::close(&socket),
        None => Ok(()),
    };
    let detached = aside(|| {
        drop(own.sock.take());
        drop(own.protocol.take());
        drop(own.event_loop.take());
        if let Some(server) = own.server.get() {
            clients::detach(&server, transport)?;
            drop(own.server.take());
        }
        Ok(())
    });
    closed.and(detached)
}
