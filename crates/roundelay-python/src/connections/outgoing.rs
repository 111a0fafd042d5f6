//! `create_connection` and `create_unix_connection`, where there is one address to connect to, or a socket that
//! is connected.

use crate::coroutine::function::Default;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::imports::imports;
use crate::native::{Raised, Ref, Result, aside, raise_object};
use crate::sockets::{connect_operation, try_connect};
use crate::sockets::{literal, operation, plain};
use crate::system::address::{Family, Target, plain as plain_address};

use super::established::{SOCKET, end, establish, hand_over, is_plain, stage};

pub static CREATE_CONNECTION: AsyncDef = AsyncDef {
    name: "create_connection",
    qualname: "BaseEventLoop.create_connection",
    parameters: &["protocol_factory", "host", "port", "sock"],
    positional: 3,
    required: 1,
    resume: create_connection,
};

/// What it has besides.
pub const DEFAULTS: [(&str, Default); 8] = [
    ("family", Default::Zero),
    ("proto", Default::Zero),
    ("flags", Default::Zero),
    ("local_addr", Default::None),
    ("server_hostname", Default::None),
    ("happy_eyeballs_delay", Default::None),
    ("interleave", Default::None),
    ("all_errors", Default::False),
];

pub static CREATE_UNIX_CONNECTION: AsyncDef = AsyncDef {
    name: "create_unix_connection",
    qualname: "_UnixSelectorEventLoop.create_unix_connection",
    parameters: &["protocol_factory", "path", "sock"],
    positional: 2,
    required: 1,
    resume: create_unix_connection,
};

/// What it has besides.
pub const UNIX_DEFAULTS: [(&str, Default); 1] = [("server_hostname", Default::None)];

/// Slot of the operation that waits for the socket to be connected.
const OPERATION: usize = 5;

fn create_connection(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match frame.stage().get() {
        0 => match begin(frame)? {
            Some(flow) => Ok(flow),
            None => hand_over(frame, &CREATE_CONNECTION),
        },
        stage::CONNECTING => connected(frame, sent),
        _ => end(frame, sent),
    }
}

/// Connects to a literal address, or takes the socket that is given. Nothing comes back for other calls.
fn begin(frame: Frame<'_>) -> Result<Option<Flow>> {
    if !is_plain(frame) {
        return Ok(None);
    }
    match (argument(frame, 2), argument(frame, 3), argument(frame, 4)) {
        (None, None, Some(socket)) if plain::is_stream(&socket) => {
            establish(frame, false).map(Some)
        }
        (Some(host), Some(port), None) if plain::class_is_known()? => {
            let families = [Family::V4, Family::V6];
            match literal::resolve(&host, &port, &[], &families)? {
                Some(literal::Resolved {
                    address,
                    family,
                    target: Some(target),
                }) => connect(frame, family, &address, target).map(Some),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// An argument that is not `None`.
fn argument(frame: Frame<'_>, place: usize) -> Option<Ref> {
    frame.slot(place).get().filter(|value| !value.is_none())
}

fn create_unix_connection(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match frame.stage().get() {
        0 => match begin_unix(frame)? {
            Some(flow) => Ok(flow),
            None => hand_over(frame, &CREATE_UNIX_CONNECTION),
        },
        stage::CONNECTING => connected(frame, sent),
        _ => end(frame, sent),
    }
}

fn begin_unix(frame: Frame<'_>) -> Result<Option<Flow>> {
    if !is_plain(frame) {
        return Ok(None);
    }
    match (argument(frame, 2), argument(frame, 3)) {
        (None, Some(socket))
            if plain::is_stream(&socket) && plain::family(&socket) == Family::Unix =>
        {
            frame.slot(SOCKET).set(socket);
            establish(frame, false).map(Some)
        }
        (Some(path), None) if plain::class_is_known()? => {
            let path = imports().fspath.call([&path])?;
            match plain_address(Family::Unix, &path) {
                Some(target) => connect(frame, Family::Unix, &path, target).map(Some),
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// Makes a socket and connects it.
fn connect(frame: Frame<'_>, family: Family, address: &Ref, target: Target) -> Result<Flow> {
    let socket = plain::open_stream(family)?;
    frame.slot(SOCKET).set(socket.clone());
    let outcome = try_connect(&socket, address, Some(target)).and_then(|done| match done {
        Some(()) => Ok(None),
        None => {
            let operation = connect_operation(&frame.argument(0), &socket, address)?;
            operation::wait(frame, OPERATION, operation).map(Some)
        }
    });
    match outcome {
        Ok(Some(flow)) => {
            frame.stage().set(stage::CONNECTING);
            Ok(flow)
        }
        Ok(None) => establish(frame, true),
        Err(Raised) => {
            aside(|| close(frame))?;
            Err(Raised)
        }
    }
}

/// The socket is connected, or not.
fn connected(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    operation::end(frame, OPERATION)?;
    match sent {
        Sent::Raised(exception) => {
            close(frame)?;
            raise_object(exception)
        }
        _ => establish(frame, true),
    }
}

fn close(frame: Frame<'_>) -> Result<()> {
    plain::close(&frame.argument(SOCKET))
}
