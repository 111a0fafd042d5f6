//! Socket addresses, as Python's `socket` shows them and takes them.

use core::net::SocketAddr;
use std::io::Write;

use pyo3::ffi;
use rustix::net::{
    AddressFamily, Ipv4Addr, Ipv6Addr, SocketAddrAny, SocketAddrUnix, SocketAddrV4, SocketAddrV6,
};

use crate::native::buffer::{bytes, content};
use crate::native::{Raised, Ref, Result, none, string, tuple};

/// Any address, as the system gives it.
pub type SocketAddress = SocketAddrAny;

/// The families whose addresses are known here. Sockets of others have their methods called.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Family {
    /// Any other one. All zero bytes.
    #[default]
    Other = 0,
    /// IPv4: `(host, port)`.
    V4,
    /// IPv6: `(host, port, flow, scope)`.
    V6,
    /// Unix: a path, or bytes that begin with a zero for an abstract name.
    Unix,
}

impl Family {
    /// The family that has this number.
    pub fn of(number: i64) -> Self {
        let is = |family: AddressFamily| number == i64::from(family.as_raw());
        if is(AddressFamily::INET) {
            Self::V4
        } else if is(AddressFamily::INET6) {
            Self::V6
        } else if is(AddressFamily::UNIX) {
            Self::Unix
        } else {
            Self::Other
        }
    }

    /// The family of an address that has an IP.
    pub fn of_ip(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

/// The address with its port, if it is one of IPv4 or IPv6.
pub fn ip(address: &SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address.clone()).ok()
}

/// The address of a sender as `recvfrom()` shows it, if it is of a family that is known here.
pub fn shown(address: Option<&SocketAddrAny>) -> Result<Option<Ref>> {
    let Some(address) = address else {
        // Who sent it has none: a Unix socket that was never bound.
        return Ok(Some(none()));
    };
    match Family::of(address.address_family().as_raw().into()) {
        Family::V4 | Family::V6 => ip(address).as_ref().map(shown_ip).transpose(),
        Family::Unix => shown_unix(address).map(Some),
        Family::Other => Ok(None),
    }
}

/// The tuple that shows an address of IPv4 or IPv6.
pub fn shown_ip(address: &SocketAddr) -> Result<Ref> {
    match address {
        SocketAddr::V4(address) => shown_v4(address),
        SocketAddr::V6(address) => shown_v6(address),
    }
}

fn shown_v4(address: &SocketAddrV4) -> Result<Ref> {
    tuple(&[&host_v4(address.ip())?, &number(address.port().into())?])
}

fn shown_v6(address: &SocketAddrV6) -> Result<Ref> {
    let ip = address.ip();
    let host = match ip.segments() {
        // As C writes it and Rust does not: the old form of an IPv4 address.
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
            let [.., a, b, c, d] = ip.octets();
            host(&format_args!("::{}", Ipv4Addr::new(a, b, c, d)))?
        }
        _ => host(ip)?,
    };
    tuple(&[
        &host,
        &number(address.port().into())?,
        &number(address.flowinfo())?,
        &number(address.scope_id())?,
    ])
}

/// The text of an IPv4 address. (Every connection has four of them, and the formatting of the standard library
/// takes ten times as long.)
fn host_v4(address: &Ipv4Addr) -> Result<Ref> {
    let mut text = [0; LONGEST_V4];
    let mut length = 0;
    for octet in address.octets() {
        for (unit, show) in [(100, octet > 99), (10, octet > 9), (1, true)] {
            if show {
                text[length] = b'0' + octet / unit % 10;
                length += 1;
            }
        }
        text[length] = b'.';
        length += 1;
    }
    // Without the last dot.
    string(std::str::from_utf8(&text[..length - 1]).unwrap_or_default())
}

/// `255.255.255.255.`
const LONGEST_V4: usize = 16;

/// The text of an address.
fn host(address: &impl std::fmt::Display) -> Result<Ref> {
    let mut text = [0; LONGEST_HOST];
    let mut rest = &mut text[..];
    // Cannot fail: there is room for every address.
    let _ = write!(rest, "{address}");
    let left = rest.len();
    string(std::str::from_utf8(&text[..LONGEST_HOST - left]).unwrap_or_default())
}

/// `INET6_ADDRSTRLEN`
const LONGEST_HOST: usize = 46;

fn number(value: u32) -> Result<Ref> {
    crate::native::integer(value.into())
}

/// The path, or the abstract name behind its zero byte. (What `rustix` has for it gives up on a path that
/// fills its place to the last byte.)
fn shown_unix(address: &SocketAddrAny) -> Result<Ref> {
    // SAFETY: by the type's invariant so many bytes are initialised there.
    let all = unsafe {
        std::slice::from_raw_parts(address.as_ptr().cast::<u8>(), address.addr_len() as usize)
    };
    let path = all.get(OFFSET_OF_PATH..).unwrap_or_default();
    if cfg!(target_os = "linux") && path.first() == Some(&0) {
        return bytes(path);
    }
    let end = path
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(path.len());
    // SAFETY: pointer and length of a slice; a new reference or null.
    unsafe {
        Ref::owned_or_raised(ffi::PyUnicode_DecodeFSDefaultAndSize(
            path.as_ptr().cast(),
            end as ffi::Py_ssize_t,
        ))
    }
}

/// `offsetof(struct sockaddr_un, sun_path)`: two bytes of family, or one each of length and family.
const OFFSET_OF_PATH: usize = 2;

/// Most bytes of a path, with the zero behind it.
const PATH_SIZE: usize = if cfg!(target_os = "linux") { 108 } else { 104 };

/// Where a datagram goes.
pub enum Target {
    Ip(SocketAddr),
    Unix(SocketAddrUnix),
}

/// The address that `sendto()` is given, if it is written as plainly as it can be: numbers, no names to look
/// up, nothing to refuse. Python's own method takes care of all others.
#[inline]
pub fn plain(family: Family, address: &Ref) -> Option<Target> {
    match family {
        Family::V4 => plain_v4(address).map(|address| Target::Ip(address.into())),
        Family::V6 => plain_v6(address).map(|address| Target::Ip(address.into())),
        Family::Unix => plain_unix(address).map(Target::Unix),
        Family::Other => None,
    }
}

fn plain_v4(address: &Ref) -> Option<SocketAddrV4> {
    let [host, port] = parts(address)?;
    let host: Ipv4Addr = text(&host)?.parse().ok()?;
    Some(SocketAddrV4::new(host, port_of(&port)?))
}

fn plain_v6(address: &Ref) -> Option<SocketAddrV6> {
    let (host, port, flow, scope) = if let Some([host, port]) = parts(address) {
        (host, port, 0, 0)
    } else {
        let [host, port, flow, scope] = parts(address)?;
        let flow = small(&flow, MOST_FLOW)?;
        (host, port, flow, small(&scope, u32::MAX)?)
    };
    let host: Ipv6Addr = text(&host)?.parse().ok()?;
    Some(SocketAddrV6::new(host, port_of(&port)?, flow, scope))
}

/// The flow label has 20 bits.
const MOST_FLOW: u32 = 0xf_ffff;

fn plain_unix(address: &Ref) -> Option<SocketAddrUnix> {
    let path = match content(address) {
        Some(path) => path,
        None => text(address)?.as_bytes(),
    };
    match path {
        [] => None,
        #[cfg(target_os = "linux")]
        [0, name @ ..] if path.len() <= PATH_SIZE => SocketAddrUnix::new_abstract_name(name).ok(),
        path if path.len() < PATH_SIZE && path.is_ascii() => SocketAddrUnix::new(path).ok(),
        _ => None,
    }
}

/// Whether this is an IPv4 address, written as `inet_pton()` takes it.
pub fn is_v4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// The same for IPv6.
pub fn is_v6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// The items of a tuple of exactly so many.
fn parts<const N: usize>(address: &Ref) -> Option<[Ref; N]> {
    // SAFETY: exactly a tuple, whose items are counted at once.
    unsafe {
        if ffi::PyTuple_CheckExact(address.as_ptr()) == 0
            || ffi::PyTuple_GET_SIZE(address.as_ptr()) != N as ffi::Py_ssize_t
        {
            return None;
        }
        Some(std::array::from_fn(|place| {
            Ref::borrowed(ffi::PyTuple_GET_ITEM(address.as_ptr(), place as _))
        }))
    }
}

/// The text of an exact `str`, which lives as long as the object, if it is UTF-8.
pub fn text(object: &Ref) -> Option<&str> {
    let mut size = 0;
    // SAFETY: exactly a `str`, which keeps its UTF-8 form for as long as it lives.
    unsafe {
        if ffi::PyUnicode_CheckExact(object.as_ptr()) == 0 {
            return None;
        }
        let data = ffi::PyUnicode_AsUTF8AndSize(object.as_ptr(), &mut size);
        if data.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let text = std::slice::from_raw_parts(data.cast::<u8>(), size as usize);
        std::str::from_utf8(text).ok()
    }
}

/// An exact `int` from zero to `most`.
fn small(object: &Ref, most: u32) -> Option<u32> {
    let value = integer_of(object)?;
    u32::try_from(value).ok().filter(|value| *value <= most)
}

/// The value of an exact `int`, if it is not too large for this.
pub fn integer_of(object: &Ref) -> Option<i64> {
    let mut overflow = 0;
    // SAFETY: exactly an `int`, of which nothing is raised.
    unsafe {
        if ffi::PyLong_CheckExact(object.as_ptr()) == 0 {
            return None;
        }
        let value = ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &mut overflow);
        (overflow == 0).then_some(value)
    }
}

fn port_of(object: &Ref) -> Option<u16> {
    small(object, u16::MAX.into()).map(|port| port as u16)
}

/// The family of a socket.
pub fn family_of(socket: &Ref) -> Result<Family> {
    let number = socket.getattr(&string("family")?)?;
    // SAFETY: live.
    let number = unsafe { ffi::PyLong_AsLongLong(number.as_ptr()) };
    if number == -1 && crate::native::raised() {
        return Err(Raised);
    }
    Ok(Family::of(number))
}
