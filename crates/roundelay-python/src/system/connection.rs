//! How connections come about: connecting, accepting, and what is asked of a socket meanwhile.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags, sockopt};

use crate::native::{Ref, Result};

use super::address::{SocketAddress, Target};
use super::{Now, call, call_at_once};

/// `socket.accept()`: the descriptor, which belongs to the caller and does not block, and the peer's address.
pub fn accept(socket: &Ref) -> Result<Now<(OwnedFd, Option<SocketAddress>)>> {
    call(socket, |fd| {
        net::acceptfrom_with(fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
    })
}

/// `socket.connect(address)` of a socket that does not block. One that is under way would have to wait.
pub fn connect(socket: &Ref, target: &Target) -> Result<Now<()>> {
    call(socket, |fd| {
        let done = match target {
            Target::Ip(target) => net::connect(fd, target),
            Target::Unix(target) => net::connect(fd, target),
        };
        match done {
            Err(Errno::INPROGRESS | Errno::ALREADY) => Err(Errno::AGAIN),
            done => done,
        }
    })
}

/// What became of a connection that was under way: the number of its error, if it failed.
pub fn connect_error(socket: &Ref) -> Result<Now<Option<i32>>> {
    let error = call(socket, |fd| sockopt::socket_error(fd))?;
    Ok(error.map(|outcome| outcome.err().map(Errno::raw_os_error)))
}

/// Added to the type of a socket whose descriptor does not block (`socket.SOCK_NONBLOCK`).
pub const NONBLOCK: u64 = SocketFlags::NONBLOCK.bits() as u64;

/// `socket.SOCK_STREAM`
pub const STREAM: u64 = net::SocketType::STREAM.as_raw() as u64;

/// Whether this is the number of one of the two types that have ports.
pub fn is_stream_or_datagram(kind: i64) -> bool {
    [net::SocketType::STREAM, net::SocketType::DGRAM]
        .iter()
        .any(|known| i64::from(known.as_raw()) == kind)
}

/// Whether this is the number of TCP.
pub fn is_tcp(protocol: i64) -> bool {
    i64::from(net::ipproto::TCP.as_raw().get()) == protocol
}

/// Whether this is the number of TCP, of UDP, or of whatever belongs to the type.
pub fn is_tcp_or_udp(protocol: i64) -> bool {
    is_tcp(protocol) || i64::from(net::ipproto::UDP.as_raw().get()) == protocol || protocol == 0
}

/// Has small writes go out at once (TCP).
pub fn set_nodelay(socket: &Ref) -> Result<()> {
    call_at_once(socket, |fd| sockopt::set_tcp_nodelay(fd, true))
}

/// `socket.getsockname()`
pub fn own_address(socket: &Ref) -> Result<Option<SocketAddress>> {
    call_at_once(socket, |fd| net::getsockname(fd)).map(Some)
}

/// `socket.getpeername()`
pub fn peer_address(socket: &Ref) -> Result<Option<SocketAddress>> {
    call_at_once(socket, |fd| net::getpeername(fd))
}
