//! `sock_recv`, `sock_recv_into`, `sock_recvfrom`, `sock_recvfrom_into`.

use pyo3::ffi;

use crate::compat::socket_descriptor::is_socket;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::eventloop;
use crate::imports::names;
use crate::native::{Ref, Result, check as check_status, integer};
use crate::system::{Now, address, datagram, stream, unless_it_waits};

use super::checks::{by_stock, check, is_unchanged};
use super::operation::{self, Kind, Operation};
use super::plain::family;

pub static RECV: AsyncDef = AsyncDef {
    name: "sock_recv",
    qualname: "BaseSelectorEventLoop.sock_recv",
    parameters: &["sock", "n"],
    positional: 2,
    required: 2,
    resume: |frame, sent| receive(frame, sent, &RECV, &RECV_KIND),
};

static RECV_KIND: Kind = Kind {
    name: "sock_recv",
    readable: true,
    attempt: try_recv,
};

pub static RECV_INTO: AsyncDef = AsyncDef {
    name: "sock_recv_into",
    qualname: "BaseSelectorEventLoop.sock_recv_into",
    parameters: &["sock", "buf"],
    positional: 2,
    required: 2,
    resume: |frame, sent| receive(frame, sent, &RECV_INTO, &RECV_INTO_KIND),
};

static RECV_INTO_KIND: Kind = Kind {
    name: "sock_recv_into",
    readable: true,
    attempt: try_recv_into,
};

pub static RECVFROM: AsyncDef = AsyncDef {
    name: "sock_recvfrom",
    qualname: "BaseSelectorEventLoop.sock_recvfrom",
    parameters: &["sock", "bufsize"],
    positional: 2,
    required: 2,
    resume: |frame, sent| receive(frame, sent, &RECVFROM, &RECVFROM_KIND),
};

static RECVFROM_KIND: Kind = Kind {
    name: "sock_recvfrom",
    readable: true,
    attempt: try_recvfrom,
};

pub static RECVFROM_INTO: AsyncDef = AsyncDef {
    name: "sock_recvfrom_into",
    qualname: "BaseSelectorEventLoop.sock_recvfrom_into",
    parameters: &["sock", "buf", "nbytes"],
    positional: 3,
    required: 2,
    resume: |frame, sent| receive(frame, sent, &RECVFROM_INTO, &RECVFROM_INTO_KIND),
};

static RECVFROM_INTO_KIND: Kind = Kind {
    name: "sock_recvfrom_into",
    readable: true,
    attempt: try_recvfrom_into,
};

/// Slot of the operation that waits, behind the loop and the arguments.
const OPERATION: usize = 4;

/// The body of all four.
fn receive(
    frame: Frame<'_>,
    sent: Sent,
    definition: &'static AsyncDef,
    kind: &'static Kind,
) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        operation::end(frame, OPERATION)?;
        return sent.value().map(Flow::Return);
    }
    let (event_loop, socket) = (frame.argument(0), frame.argument(1));
    if !is_unchanged(&event_loop) {
        return by_stock(frame, definition);
    }
    check(&event_loop, &socket)?;
    let (first, mut second) = (frame.argument(2), frame.slot(3).get());
    if definition.positional == 3 {
        second = Some(whole_buffer_unless(second, &first)?);
    }
    let operation = operation::make(kind, &event_loop, &socket, [Some(first), second])?;
    operation::start(frame, OPERATION, operation)
}

/// `nbytes or len(buf)`
fn whole_buffer_unless(count: Option<Ref>, buffer: &Ref) -> Result<Ref> {
    if let Some(count) = count
        && count.truthy()?
    {
        return Ok(count);
    }
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(buffer.as_ptr()) };
    check_status(length as std::ffi::c_int)?;
    integer(length as u64)
}

/// Above this size Python's own method is called, which reads into the object that it returns.
const MOST: i64 = 256 * 1024;

/// How many bytes are wanted, if that is a plain number.
fn plain_size(object: &Ref) -> Option<usize> {
    let size = address::integer_of(object)?;
    (1..=MOST).contains(&size).then_some(size as usize)
}

fn try_recv(own: &Operation) -> Result<Now<Ref>> {
    let (socket, size) = (Operation::held(&own.socket), Operation::held(&own.first));
    let (Some(most), true) = (plain_size(&size), is_socket(&socket)) else {
        return unless_it_waits(socket.call_method(&names().recv, [&size]));
    };
    let event_loop = Operation::held(&own.event_loop);
    let landing = &eventloop::data(&event_loop).landing;
    landing.receive(&socket, most)
}

fn try_recv_into(own: &Operation) -> Result<Now<Ref>> {
    let (socket, buffer) = (Operation::held(&own.socket), Operation::held(&own.first));
    if !is_socket(&socket) {
        return unless_it_waits(socket.call_method(&names().recv_into, [&buffer]));
    }
    stream::receive_into(&socket, &buffer)?
        .map(|count| integer(count as u64))
        .transpose()
}

fn try_recvfrom(own: &Operation) -> Result<Now<Ref>> {
    let (socket, size) = (Operation::held(&own.socket), Operation::held(&own.first));
    let (Some(most), true) = (plain_size(&size), is_socket(&socket)) else {
        return unless_it_waits(socket.call_method(&names().recvfrom, [&size]));
    };
    let event_loop = Operation::held(&own.event_loop);
    let state = eventloop::data(&event_loop);
    let (landing, known) = (&state.landing, &state.known_addresses);
    datagram::receive_from(&socket, family(&socket), landing, known, most)?
        .map(|(data, address)| crate::native::tuple(&[&data, &address]))
        .transpose()
}

/// Python's own method takes care of the buffer's size.
fn try_recvfrom_into(own: &Operation) -> Result<Now<Ref>> {
    let socket = Operation::held(&own.socket);
    let (buffer, size) = (Operation::held(&own.first), Operation::held(&own.second));
    unless_it_waits(socket.call_method(&names().recvfrom_into, [&buffer, &size]))
}
