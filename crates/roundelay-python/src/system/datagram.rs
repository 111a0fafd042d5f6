//! Sending and receiving datagrams.

use pyo3::ffi;
use rustix::buffer::spare_capacity;
use rustix::net::{self, RecvFlags};

use crate::compat::socket_descriptor::is_socket;
use crate::imports::names;
use crate::native::buffer::{BufferView, bytes, content};
use crate::native::{Raised, Ref, Result, integer, items, raise_text, take_raised};

use super::address::{self, Target};
use super::stream::send_flags;
use super::{Now, call, unless_it_waits};

pub use super::address::{Family, family_of};

/// `socket.recvfrom(most)`, by way of `scratch`, which is empty before and after and is grown to `most`: the
/// data, and the address of who sent it.
pub fn receive_from(
    socket: &Ref,
    family: Family,
    scratch: &mut Vec<u8>,
    most: usize,
) -> Result<Now<(Ref, Ref)>> {
    if family == Family::Other || !is_socket(socket) {
        return receive_by_method(socket, most);
    }
    scratch.reserve_exact(most);
    let received = call(socket, |fd| {
        let (_, _, sender) = net::recvfrom(fd, spare_capacity(scratch), RecvFlags::DONTWAIT)?;
        Ok(sender)
    })?;
    let Some(sender) = received else {
        return Ok(None);
    };
    let data = bytes(scratch);
    scratch.clear();
    match address::shown(sender.as_ref())? {
        Some(sender) => Ok(Some((data?, sender))),
        // SAFETY: a static exception class.
        None => raise_text(
            unsafe { ffi::PyExc_OSError },
            "a datagram came from an address of another family than the socket's",
        ),
    }
}

#[cold]
fn receive_by_method(socket: &Ref, most: usize) -> Result<Now<(Ref, Ref)>> {
    let outcome = socket.call_method(&names().recvfrom, [&integer(most as u64)?]);
    let Some(pair) = unless_it_waits(outcome)? else {
        return Ok(None);
    };
    // SAFETY: live; a new reference or null.
    let pair = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(pair.as_ptr())) }?;
    match <[Ref; 2]>::try_from(items(&pair)) {
        Ok([data, sender]) => Ok(Some((data, sender))),
        // SAFETY: a static exception class.
        Err(_) => raise_text(
            unsafe { ffi::PyExc_ValueError },
            "recvfrom() did not return two values",
        ),
    }
}

/// `socket.send(data)`
pub fn send(socket: &Ref, data: &Ref) -> Result<Now<()>> {
    let sent = with_content(socket, data, |content| {
        call(socket, |fd| net::send(fd, content, send_flags()))
    });
    match sent {
        Some(sent) => Ok(sent?.map(drop)),
        None => Ok(unless_it_waits(socket.call_method(&names().send, [data]))?.map(drop)),
    }
}

/// `socket.sendto(data, address)`
pub fn send_to(socket: &Ref, family: Family, data: &Ref, address: &Ref) -> Result<Now<()>> {
    if let Some(target) = address::plain(family, address) {
        let sent = with_content(socket, data, |content| {
            send_content_to(socket, content, &target)
        });
        if let Some(sent) = sent {
            return Ok(sent?.map(drop));
        }
    }
    let outcome = socket.call_method(&names().sendto, [data, address]);
    Ok(unless_it_waits(outcome)?.map(drop))
}

/// The same with bytes, to an address that is known; how many bytes were sent comes back.
pub fn send_content_to(socket: &Ref, content: &[u8], target: &Target) -> Result<Now<usize>> {
    call(socket, |fd| match target {
        Target::V4(target) => net::sendto(fd, content, send_flags(), target),
        Target::V6(target) => net::sendto(fd, content, send_flags(), target),
        Target::Unix(target) => net::sendto(fd, content, send_flags(), target),
    })
}

/// Calls `send` with the bytes of `data`, unless the socket or the data is such that Python's own method has
/// to be asked, or knows the words for what is wrong.
#[inline]
fn with_content<T>(socket: &Ref, data: &Ref, send: impl FnOnce(&[u8]) -> T) -> Option<T> {
    if !is_socket(socket) {
        return None;
    }
    if let Some(content) = content(data) {
        return Some(send(content));
    }
    match BufferView::readable(data) {
        Ok(view) => Some(send(view.bytes())),
        Err(Raised) => {
            drop(take_raised());
            None
        }
    }
}
