//! How a connection ends.

use crate::compat::transport_behaviour;
use crate::imports::names;
use crate::native::{Ref, Result, aside, none, string};

use super::fields::{TransportFields, fields};
use super::pending::Pending;
use super::schedule::{call_soon, unwatch};

/// `close()`: nothing more is read; once everything is sent, the connection is over.
pub fn close(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.closing.get() {
        return Ok(none());
    }
    own.closing.set(true);
    unwatch(own, true)?;
    if Pending::size_of(&own.pending) == 0 {
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
pub fn force_close(transport: &Ref, exception: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.conn_lost.get() != 0 {
        return Ok(none());
    }
    if let Some(pending) = Pending::of(&own.pending)
        && Pending::size_of(&own.pending) > 0
    {
        pending.clear();
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
fn lose(transport: &Ref, own: &TransportFields, exception: &Ref) -> Result<()> {
    let Some(event_loop) = own.event_loop.get() else {
        return Ok(());
    };
    let callback = transport.getattr(&names().call_connection_lost)?;
    call_soon(&event_loop, &callback, Some(exception))
}

/// `_call_connection_lost(exc)`: tells the protocol, and lets go of everything whatever that raises.
pub fn call_connection_lost(transport: &Ref, exception: &Ref) -> Result<Ref> {
    let own = fields(transport);
    let told = match own.protocol.get() {
        Some(protocol) if own.protocol_connected.get() => protocol
            .call_method(&names().connection_lost, [exception])
            .map(drop),
        _ => Ok(()),
    };
    let released = aside(|| release(transport, own));
    told.and(released).map(|()| none())
}

fn release(transport: &Ref, own: &TransportFields) -> Result<()> {
    if let Some(socket) = own.sock.get() {
        socket.call_method(&names().close, [])?;
    }
    drop(own.sock.take());
    drop(own.protocol.take());
    drop(own.event_loop.take());
    if let Some(server) = own.server.get() {
        transport_behaviour::detach(&server, transport)?;
        drop(own.server.take());
    }
    if let Some(waiter) = own.empty_waiter.get() {
        // SAFETY: a static exception class.
        let class = unsafe { Ref::borrowed(pyo3::ffi::PyExc_ConnectionError) };
        let error = class.call([&string("Connection is closed by peer")?])?;
        waiter.call_method(&names().set_exception, [&error])?;
    }
    Ok(())
}
