//! `sock_accept`.

use crate::compat::socket_descriptor::is_socket;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::imports::names;
use crate::native::{Ref, Result, boolean, items, tuple};
use crate::system::address::{Family, shown};
use crate::system::{Now, connection, unless_it_waits};

use super::checks::{by_stock, check, is_unchanged};
use super::operation::{self, Kind, Operation};
use super::plain::{adopt, family, is_non_blocking, shape};

pub static ACCEPT: AsyncDef = AsyncDef {
    name: "sock_accept",
    qualname: "BaseSelectorEventLoop.sock_accept",
    parameters: &["sock"],
    positional: 1,
    required: 1,
    resume: accept,
};

static ACCEPT_KIND: Kind = Kind {
    name: "sock_accept",
    readable: true,
    attempt: try_accept,
};

/// Slot of the operation that waits, behind the loop and the argument.
const OPERATION: usize = 2;

fn accept(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        operation::end(frame, OPERATION)?;
        return sent.value().map(Flow::Return);
    }
    let (event_loop, socket) = (frame.argument(0), frame.argument(1));
    if !is_unchanged(&event_loop) {
        return by_stock(frame, &ACCEPT);
    }
    check(&event_loop, &socket)?;
    if !is_socket(&socket) {
        return by_stock(frame, &ACCEPT);
    }
    let operation = operation::make(&ACCEPT_KIND, &event_loop, &socket, [None, None])?;
    operation::start(frame, OPERATION, operation)
}

/// `(connection, address)`
fn try_accept(own: &Operation) -> Result<Now<Ref>> {
    let socket = Operation::held(&own.socket);
    match accepted(&socket)? {
        Some((connection, address)) => tuple(&[&connection, &address]).map(Some),
        None => Ok(None),
    }
}

/// `accept()` of a `socket.socket`, and the connection does not block.
pub fn accepted(socket: &Ref) -> Result<Now<(Ref, Ref)>> {
    if family(socket) == Family::Other || !is_non_blocking(socket)? {
        return accepted_by_method(socket);
    }
    let Some(shape) = shape(socket) else {
        return accepted_by_method(socket);
    };
    let Some((fd, address)) = connection::accept(socket)? else {
        return Ok(None);
    };
    let connection = adopt(fd, &shape)?;
    match shown(address.as_ref())? {
        Some(address) => Ok(Some((connection, address))),
        None => {
            // A family that the system does not give to such a socket.
            let address = connection.call_method(&names().getpeername, [])?;
            Ok(Some((connection, address)))
        }
    }
}

#[cold]
fn accepted_by_method(socket: &Ref) -> Result<Now<(Ref, Ref)>> {
    let Some(pair) = unless_it_waits(socket.call_method(&names().accept, []))? else {
        return Ok(None);
    };
    let [connection, address] = two(&pair)?;
    unless_it_waits(connection.call_method(&names().setblocking, [&boolean(false)]))
        .map(|done| done.map(|_| (connection, address)))
}

/// `first, second = pair`
fn two(pair: &Ref) -> Result<[Ref; 2]> {
    // SAFETY: live; a new reference or null.
    let pair = unsafe { Ref::owned_or_raised(pyo3::ffi::PySequence_Tuple(pair.as_ptr())) }?;
    items(&pair).try_into().or_else(|_| {
        crate::native::raise(
            // SAFETY: a static exception class.
            unsafe { pyo3::ffi::PyExc_ValueError },
            c"accept() did not return two values",
        )
    })
}
