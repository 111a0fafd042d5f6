//! Reading and writing connected sockets.

use std::io::IoSlice;

use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags};

use crate::compat::socket_descriptor::is_socket;
use crate::native::buffer::{BufferView, bytes, content};
use crate::native::{Raised, Ref, Result, list, string, take_raised};

use super::{Now, call, unless_it_waits};

/// Most pieces that one call takes on any system that we know (`IOV_MAX`).
pub const MOST_PIECES: usize = 1024;

/// Neither waits nor raises SIGPIPE.
pub fn send_flags() -> SendFlags {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let quiet = SendFlags::NOSIGNAL;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let quiet = SendFlags::empty();
    SendFlags::DONTWAIT | quiet
}

/// `socket.name(argument)` of an object that is no `socket.socket`.
#[cold]
pub fn call_method(socket: &Ref, name: &str, argument: &Ref) -> Result<Now<Ref>> {
    unless_it_waits(socket.call_method(&string(name)?, [argument]))
}

/// The same for methods that say how many bytes they moved.
fn count_by_method(socket: &Ref, name: &str, argument: &Ref) -> Result<Now<usize>> {
    match call_method(socket, name, argument)? {
        Some(count) => Ok(Some(count.to_f64()? as usize)),
        None => Ok(None),
    }
}

/// `socket.recv_into(buffer)`
pub fn receive_into(socket: &Ref, buffer: &Ref) -> Result<Now<usize>> {
    if !is_socket(socket) {
        return count_by_method(socket, "recv_into", buffer);
    }
    match BufferView::writable(buffer) {
        Ok(mut view) => call(socket, |fd| {
            let (_, count) = net::recv(fd, view.memory(), RecvFlags::DONTWAIT)?;
            Ok(count)
        }),
        Err(Raised) => {
            drop(take_raised());
            // Raises what Python's own method says of such a buffer.
            count_by_method(socket, "recv_into", buffer)
        }
    }
}

/// `socket.send(data)`, and whether that is all of it.
pub fn send(socket: &Ref, data: &Ref) -> Result<Now<(usize, bool)>> {
    if let Some(content) = content(data).filter(|_| is_socket(socket)) {
        return Ok(whole(content, send_content(socket, content)?));
    }
    let view = BufferView::readable(data)?;
    if is_socket(socket) {
        return Ok(whole(view.bytes(), send_content(socket, view.bytes())?));
    }
    let count = count_by_method(socket, "send", data)?;
    Ok(count.map(|count| (count, count >= view.bytes().len())))
}

/// The same for bytes that are no object: how many were sent.
pub fn send_part(socket: &Ref, part: &[u8]) -> Result<Now<usize>> {
    if !is_socket(socket) {
        return count_by_method(socket, "send", &bytes(part)?);
    }
    send_content(socket, part)
}

/// How much was sent, and whether that is all of `content`.
#[inline]
fn whole(content: &[u8], count: Now<usize>) -> Now<(usize, bool)> {
    count.map(|count| (count, count == content.len()))
}

/// The same of a `socket.socket` and bytes.
#[inline]
pub fn send_content(socket: &Ref, content: &[u8]) -> Result<Now<usize>> {
    call(socket, |fd| net::send(fd, content, send_flags()))
}

/// `socket.sendmsg(pieces)`; of more than [`MOST_PIECES`] the first ones.
pub fn send_all(socket: &Ref, pieces: &[IoSlice<'_>]) -> Result<Now<usize>> {
    let pieces = &pieces[..pieces.len().min(MOST_PIECES)];
    if !is_socket(socket) {
        let pieces: Result<Vec<Ref>> = pieces.iter().map(|piece| bytes(piece)).collect();
        return count_by_method(socket, "sendmsg", &list(pieces?)?);
    }
    call(socket, |fd| match pieces {
        [only] => net::send(fd, only, send_flags()),
        many => net::sendmsg(fd, many, &mut SendAncillaryBuffer::default(), send_flags()),
    })
}
