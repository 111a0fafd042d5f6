//! Sending and receiving datagrams.

use pyo3::ffi;
use rustix::net::{self, RecvFlags};

use crate::compat::socket_descriptor::is_socket;
use crate::imports::names;
use crate::native::buffer::{BufferView, content};
use crate::native::{Raised, Ref, Result, integer, items, raise_text, take_raised};

use super::address::Target;
use super::known_addresses::KnownAddresses;
use super::landing::Landing;
use super::stream::send_flags;
use super::{Now, call, unless_it_waits};

pub use super::address::{Family, family_of};

/// `socket.recvfrom(most)`: the data, and the address of who sent it.
pub fn receive_from(
    socket: &Ref,
    family: Family,
    landing: &Landing,
    known: &KnownAddresses,
    most: usize,
) -> Result<Now<(Ref, Ref)>> {
    if family == Family::Other || !is_socket(socket) {
        return receive_by_method(socket, most);
    }
    let received = landing.lend(most, |buffer| {
        let received = call(socket, |fd| {
            let (_, size, sender) = net::recvfrom(fd, &mut *buffer, RecvFlags::DONTWAIT)?;
            Ok((size, sender))
        })?;
        received
            .map(|(size, sender)| Ok((landing.bytes(&buffer[..size])?, sender)))
            .transpose()
    })?;
    let Some((data, sender)) = received else {
        return Ok(None);
    };
    match known.shown(sender.as_ref())? {
        Some(sender) => Ok(Some((data, sender))),
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

/// `socket.sendto(data, address)`; the address is that of `target`, if it is a plain one.
pub fn send_to(socket: &Ref, data: &Ref, address: &Ref, target: Option<Target>) -> Result<Now<()>> {
    if let Some(target) = target {
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
        Target::Ip(target) => net::sendto(fd, content, send_flags(), target),
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
