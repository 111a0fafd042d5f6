//! How a pipe transport ends.

use crate::imports::names;
use crate::native::{Ref, Result, aside, none};
use crate::transports::schedule::{call_soon, unwatch};

use super::fields::{OverPipe, read};

/// `close()` of a transport that reads.
pub fn close(transport: &Ref) -> Result<Ref> {
    if read(transport).closing.get() {
        return Ok(none());
    }
    transport.call_method(&names().close_now, [&none()])
}

/// `_close(exc)` of a transport that reads.
pub fn close_now(transport: &Ref, exception: &Ref) -> Result<Ref> {
    end(transport, read(transport), exception)
}

/// It is over: the protocol is told in the next turn.
pub fn end<T: OverPipe>(transport: &Ref, own: &T, exception: &Ref) -> Result<Ref> {
    own.closing.set(true);
    unwatch(own, true)?;
    lose(transport, own, exception)?;
    Ok(none())
}

/// Has the protocol told of the end in the next turn, once.
pub fn lose<T: OverPipe>(transport: &Ref, own: &T, exception: &Ref) -> Result<()> {
    let Some(event_loop) = own.event_loop.get() else {
        return Ok(());
    };
    if own.lost.replace(true) {
        return Ok(());
    }
    let callback = transport.getattr(&names().call_connection_lost)?;
    call_soon(&event_loop, &callback, Some(exception))
}

/// `_call_connection_lost(exc)`: tells the protocol, and lets go of everything whatever that raises.
pub fn call_connection_lost<T: OverPipe>(transport: &Ref, exception: &Ref) -> Result<Ref> {
    let own = T::of(transport);
    let protocol = own.protocol.get().unwrap_or_else(none);
    let told = protocol
        .call_method(&names().connection_lost, [exception])
        .map(drop);
    let released = aside(|| {
        let pipe = own.pipe.take();
        drop(own.protocol.take());
        drop(own.event_loop.take());
        match pipe {
            Some(pipe) => pipe.call_method(&names().close, []).map(drop),
            None => Ok(()),
        }
    });
    told.and(released).map(|()| none())
}
