//! `sock_sendall`, `sock_sendto`.

use pyo3::ffi;

use crate::compat::socket_descriptor::is_socket;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::eventloop;
use crate::imports::names;
use crate::native::buffer::{BufferView, content};
use crate::native::{Raised, Ref, Result, check as check_status, integer, none, take_raised};
use crate::system::{Now, datagram, stream, unless_it_waits};

use super::checks::{by_stock, check, is_unchanged};
use super::operation::{self, Kind, Operation, fields};
use super::plain::{audit, family};

pub static SENDALL: AsyncDef = AsyncDef {
    name: "sock_sendall",
    qualname: "BaseSelectorEventLoop.sock_sendall",
    parameters: &["sock", "data"],
    positional: 2,
    required: 2,
    resume: send_all,
};

static SENDALL_KIND: Kind = Kind {
    name: "sock_sendall",
    readable: false,
    attempt: try_send_rest,
};

pub static SENDTO: AsyncDef = AsyncDef {
    name: "sock_sendto",
    qualname: "BaseSelectorEventLoop.sock_sendto",
    parameters: &["sock", "data", "address"],
    positional: 3,
    required: 3,
    resume: send_to,
};

static SENDTO_KIND: Kind = Kind {
    name: "sock_sendto",
    readable: false,
    attempt: try_sendto,
};

/// Slot of the operation that waits, behind the loop and the arguments.
const OPERATION: usize = 4;

fn send_all(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        operation::end(frame, OPERATION)?;
        return sent.value().map(Flow::Return);
    }
    let (event_loop, socket, data) = (frame.argument(0), frame.argument(1), frame.argument(2));
    if !is_unchanged(&event_loop) {
        return by_stock(frame, &SENDALL);
    }
    check(&event_loop, &socket)?;
    let sent = send(&socket, &data)?.unwrap_or(0);
    if sent == length(&data)? {
        return Ok(Flow::Return(none()));
    }
    let rest = match content(&data) {
        Some(_) => data,
        // What follows is sent from where it is now; it can be changed, but not resized.
        // SAFETY: live; a new reference or null.
        None => unsafe { Ref::owned_or_raised(ffi::PyMemoryView_FromObject(data.as_ptr())) }?,
    };
    let operation = operation::make(&SENDALL_KIND, &event_loop, &socket, [Some(rest), None])?;
    fields(&operation).count.set(sent);
    operation::wait(frame, OPERATION, operation)
}

/// `len(data)`
fn length(data: &Ref) -> Result<usize> {
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(data.as_ptr()) };
    check_status(length as std::ffi::c_int)?;
    Ok(length as usize)
}

/// `socket.send(data)`
fn send(socket: &Ref, data: &Ref) -> Result<Now<usize>> {
    if is_socket(socket) {
        if let Some(content) = content(data) {
            return stream::send_content(socket, content);
        }
        match BufferView::readable(data) {
            Ok(view) => return stream::send_content(socket, view.bytes()),
            // Python's own method has the words for what is wrong.
            Err(Raised) => drop(take_raised()),
        }
    }
    let count = unless_it_waits(socket.call_method(&names().send, [data]))?;
    Ok(match count {
        Some(count) => Some(size_of_part(&count)?),
        None => None,
    })
}

/// A count that a method returned.
fn size_of_part(count: &Ref) -> Result<usize> {
    // SAFETY: live.
    let number = unsafe { ffi::PyLong_AsSsize_t(count.as_ptr()) };
    if number == -1 && crate::native::raised() {
        return Err(crate::native::Raised);
    }
    Ok(number as usize)
}

/// Sends what is left, or a part of it; a result comes back when nothing is left.
fn try_send_rest(own: &Operation) -> Result<Now<Ref>> {
    let (socket, data) = (Operation::held(&own.socket), Operation::held(&own.first));
    let start = own.count.get();
    let sent = match content(&data) {
        Some(content) if is_socket(&socket) => {
            stream::send_content(&socket, content.get(start..).unwrap_or_default())?
        }
        _ => send(&socket, &rest_of(&data, start)?)?,
    };
    own.count.set(start.saturating_add(sent.unwrap_or(0)));
    Ok((own.count.get() == length(&data)?).then(none))
}

/// `data[start:]`, as a view.
fn rest_of(data: &Ref, start: usize) -> Result<Ref> {
    // SAFETY: live objects; new references or null.
    unsafe {
        let view = Ref::owned_or_raised(ffi::PyMemoryView_FromObject(data.as_ptr()))?;
        let start = integer(start as u64)?;
        let none = std::ptr::null_mut();
        let slice = Ref::owned_or_raised(ffi::PySlice_New(start.as_ptr(), none, none))?;
        Ref::owned_or_raised(ffi::PyObject_GetItem(view.as_ptr(), slice.as_ptr()))
    }
}

fn send_to(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        operation::end(frame, OPERATION)?;
        return sent.value().map(Flow::Return);
    }
    let (event_loop, socket) = (frame.argument(0), frame.argument(1));
    if !is_unchanged(&event_loop) {
        return by_stock(frame, &SENDTO);
    }
    check(&event_loop, &socket)?;
    let arguments = [frame.slot(2).get(), frame.slot(3).get()];
    let operation = operation::make(&SENDTO_KIND, &event_loop, &socket, arguments)?;
    operation::start(frame, OPERATION, operation)
}

fn try_sendto(own: &Operation) -> Result<Now<Ref>> {
    let socket = Operation::held(&own.socket);
    let (data, address) = (Operation::held(&own.first), Operation::held(&own.second));
    let event_loop = Operation::held(&own.event_loop);
    let known = &eventloop::data(&event_loop).known_addresses;
    if is_socket(&socket)
        && let Some(target) = known.plain(family(&socket), &address)
        && let Some(content) = content(&data)
    {
        audit("socket.sendto", &socket, &address)?;
        return datagram::send_content_to(&socket, content, &target)?
            .map(|count| integer(count as u64))
            .transpose();
    }
    unless_it_waits(socket.call_method(&names().sendto, [&data, &address]))
}
