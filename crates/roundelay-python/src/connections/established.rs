//! From a connected socket to a transport: `_create_connection_transport()`, and `connect_accepted_socket`, which
//! is that and no more.

use crate::compat::server_behaviour::closes_what_it_cannot_use;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::eventloop;
use crate::future::any;
use crate::imports::names;
use crate::native::{Ref, Result, aside, boolean, raise_object, tuple};
use crate::sockets::{self, by_stock, plain};
use crate::transports::setup;

pub static CONNECT_ACCEPTED_SOCKET: AsyncDef = AsyncDef {
    name: "connect_accepted_socket",
    qualname: "BaseEventLoop.connect_accepted_socket",
    parameters: &["protocol_factory", "sock"],
    positional: 2,
    required: 2,
    resume: connect_accepted_socket,
};

/// The factory of protocols.
const FACTORY: usize = 1;
/// The socket, once it is known which.
pub const SOCKET: usize = 4;
/// The protocol, once there is one.
const PROTOCOL: usize = 5;
/// The transport, once there is one.
const TRANSPORT: usize = 6;

/// Where a body stands that makes a connection; zero is its start.
pub mod stage {
    /// The socket connects.
    pub const CONNECTING: u8 = 1;
    /// The protocol is about to be told of its connection.
    pub const TELLING: u8 = 2;
    /// asyncio's own coroutine does it all.
    pub const STOCK: u8 = 3;
}

fn connect_accepted_socket(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match frame.stage().get() {
        0 => {
            let socket = frame.argument(2);
            if !is_plain(frame) || !plain::is_stream(&socket) {
                return hand_over(frame, &CONNECT_ACCEPTED_SOCKET);
            }
            frame.slot(SOCKET).set(socket);
            establish(frame, false)
        }
        _ => end(frame, sent),
    }
}

/// Whether native code may do what asyncio's does: nobody has put anything in between, or wants to be told.
pub fn is_plain(frame: Frame<'_>) -> bool {
    let event_loop = frame.argument(0);
    sockets::is_unchanged(&event_loop) && !eventloop::data(&event_loop).debug.get()
}

/// Has asyncio's own coroutine do it all.
pub fn hand_over(frame: Frame<'_>, definition: &AsyncDef) -> Result<Flow> {
    frame.stage().set(stage::STOCK);
    by_stock(frame, definition)
}

/// Makes protocol and transport for the socket in its slot, and waits until the protocol knows. `is_ours` says
/// that nobody else has the socket, so that it must not stay open.
pub fn establish(frame: Frame<'_>, is_ours: bool) -> Result<Flow> {
    let socket = frame.argument(SOCKET);
    match make(frame, &socket, is_ours) {
        Ok(waiter) => {
            frame.stage().set(stage::TELLING);
            Ok(Flow::Await(waiter))
        }
        Err(raised) => {
            if is_ours || closes_what_it_cannot_use() {
                aside(|| socket.call_method(&names().close, []))?;
            }
            Err(raised)
        }
    }
}

fn make(frame: Frame<'_>, socket: &Ref, is_ours: bool) -> Result<Ref> {
    let event_loop = frame.argument(0);
    if !is_ours {
        socket.call_method(&names().setblocking, [&boolean(false)])?;
    }
    let protocol = frame.argument(FACTORY).call([])?;
    frame.slot(PROTOCOL).set(protocol.clone());
    let waiter = any::create(&event_loop)?;
    let told = Some(waiter.clone());
    let transport = setup::create(&event_loop, socket, &protocol, told, None, None)?;
    frame.slot(TRANSPORT).set(transport);
    Ok(waiter)
}

/// What came of the waiting: the pair of transport and protocol, or what asyncio's coroutine gave.
pub fn end(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if frame.stage().get() == stage::STOCK {
        return sent.value().map(Flow::Return);
    }
    if let Sent::Raised(exception) = sent {
        let transport = frame.argument(TRANSPORT);
        transport.call_method(&names().close, [])?;
        return raise_object(exception);
    }
    tuple(&[&frame.argument(TRANSPORT), &frame.argument(PROTOCOL)]).map(Flow::Return)
}
