//! Python's sockets: what they are, and how a descriptor becomes one.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use pyo3::ffi;

use crate::compat::socket_descriptor::{descriptor, is_socket};
use crate::compat::unchanged::Unchanged;
use crate::imports::{imports, names};
use crate::native::gc::generic_alloc;
use crate::native::{
    Raised, Ref, Result, aside, boolean, int_value, integer, is_os_error, none, string, take_raised,
};
use crate::system::address::{self, Family, SocketAddress, integer_of};
use crate::system::connection::{self, NONBLOCK, STREAM};

/// What C's socket says under a name, without making a member of an enumeration of it.
fn bare(socket: &Ref, member: &Ref) -> Option<Ref> {
    // SAFETY: a member descriptor and a live instance of its class; a new reference or null.
    let value = unsafe {
        let get = (*member.type_ptr()).tp_descr_get?;
        Ref::owned_or_raised(get(
            member.as_ptr(),
            socket.as_ptr(),
            socket.type_ptr().cast(),
        ))
    };
    match value {
        Ok(value) => Some(value),
        Err(Raised) => {
            drop(crate::native::take_raised());
            None
        }
    }
}

/// The family of a `socket.socket`.
pub fn family(socket: &Ref) -> Family {
    let family = bare(socket, &imports().socket_family);
    Family::of(family.as_ref().and_then(integer_of).unwrap_or(-1))
}

/// The kind of a `socket.socket`, in the system's numbers: family, type and protocol.
#[derive(Clone)]
pub struct Shape {
    pub family: Ref,
    pub kind: Ref,
    pub protocol: Ref,
}

/// The shape of a `socket.socket`.
pub fn shape(socket: &Ref) -> Option<Shape> {
    Some(Shape {
        family: bare(socket, &imports().socket_family)?,
        kind: bare(socket, &imports().socket_type)?,
        protocol: bare(socket, &imports().socket_proto)?,
    })
}

static CLOSING: Unchanged = Unchanged::new(&["close", "_real_close"], &[]);

/// Takes down what the class has. Called once, when the module is made.
pub fn prepare() -> Result<()> {
    CLOSING.prepare(&imports().socket_class)
}

/// `socket.close()`
pub fn close(socket: &Ref) -> Result<()> {
    if !is_socket(socket) || !CLOSING.is_class_unchanged(socket.type_ptr()) {
        return socket.call_method(&names().close, []).map(drop);
    }
    socket.setattr(&names().closed_flag, &boolean(true))?;
    // Files that were made of it keep it open.
    if int_value(&socket.getattr(&names().io_refs)?).is_some_and(|count| count <= 0) {
        imports().raw_socket_close.call([socket])?;
    }
    Ok(())
}

/// Whether this is a `socket.socket`, of type `SOCK_STREAM`.
pub fn is_stream(socket: &Ref) -> bool {
    is_socket(socket) && {
        let kind = bare(socket, &imports().socket_type);
        kind.as_ref().and_then(integer_of) == Some(STREAM as i64)
    }
}

/// Whether a `socket.socket` has a timeout of zero.
pub fn is_non_blocking(socket: &Ref) -> Result<bool> {
    match bare(socket, &imports().socket_timeout) {
        Some(timeout) if !timeout.is_none() => Ok(timeout.to_f64()? == 0.0),
        _ => Ok(false),
    }
}

/// The `socket.socket` that owns a descriptor which does not block.
pub fn adopt(fd: OwnedFd, shape: &Shape) -> Result<Ref> {
    let socket = blank()?;
    let number = integer(fd.as_raw_fd().unsigned_abs().into())?;
    let kind = integer(integer_of(&shape.kind).ok_or(Raised)? as u64 | NONBLOCK)?;
    let made =
        imports()
            .raw_socket_init
            .call([&socket, &shape.family, &kind, &shape.protocol, &number]);
    let owns = aside(|| descriptor(&socket)).is_ok_and(|own| own == fd.as_raw_fd());
    if owns {
        // Two owners for no longer than this: nothing ran in between.
        let _ = fd.into_raw_fd();
    }
    made?;
    Ok(socket)
}

/// A new socket of TCP or of the family Unix that does not block: `socket.socket(family, SOCK_STREAM, protocol)`.
pub fn open_stream(family: Family) -> Result<Ref> {
    let socket = blank()?;
    let (family, protocol) = match family {
        Family::V4 => (&imports().af_inet, &imports().ipproto_tcp),
        Family::V6 => (&imports().af_inet6, &imports().ipproto_tcp),
        _ => (&imports().af_unix, &names().zero),
    };
    let kind = integer(STREAM | NONBLOCK)?;
    imports()
        .raw_socket_init
        .call([&socket, family, &kind, protocol])?;
    Ok(socket)
}

/// A `socket.socket` without a descriptor. Its `__init__` does what is done here, and calls that of the class in
/// C behind it.
fn blank() -> Result<Ref> {
    // SAFETY: a live class, whose `tp_new` takes no notice of its arguments; a new reference or null.
    let socket = unsafe {
        let arguments = crate::native::tuple(&[])?;
        let ty = imports().socket_class.as_ptr().cast::<ffi::PyTypeObject>();
        let Some(new) = (*ty).tp_new else {
            return Err(Raised);
        };
        Ref::owned_or_raised(new(ty, arguments.as_ptr(), std::ptr::null_mut()))?
    };
    socket.setattr(&names().io_refs, &names().zero)?;
    socket.setattr(&names().closed_flag, &boolean(false))?;
    Ok(socket)
}

/// Whether `socket.socket`, as asyncio's module finds it now, is the class that is known here.
pub fn class_is_known() -> Result<bool> {
    let module = imports().base_events.getattr(&names().socket)?;
    Ok(module.getattr(&names().socket)?.is(&imports().socket_class))
}

/// `asyncio.trsock.TransportSocket(socket)`
pub fn shown(socket: &Ref) -> Result<Ref> {
    // SAFETY: a class written in Python whose instances have a slot and nothing else.
    let view = unsafe { generic_alloc(imports().transport_socket.as_ptr().cast()) }?;
    view.setattr(&names().sock_attr, socket)?;
    Ok(view)
}

/// `socket.getsockname()`, or `None` if that raises an `OSError`.
pub fn own_address(socket: &Ref) -> Result<Ref> {
    none_if_refused(address_of(
        socket,
        &names().getsockname,
        connection::own_address,
    ))
}

/// `socket.getpeername()`, or `None` if that raises an `OSError`.
pub fn peer_address(socket: &Ref) -> Result<Ref> {
    none_if_refused(address_of(
        socket,
        &names().getpeername,
        connection::peer_address,
    ))
}

/// What the system says, or the method of a socket that is not plain.
fn address_of(
    socket: &Ref,
    method: &Ref,
    ask: fn(&Ref) -> Result<Option<SocketAddress>>,
) -> Result<Ref> {
    if is_socket(socket)
        && family(socket) != Family::Other
        && let Some(address) = ask(socket)?
        && let Some(shown) = address::shown(Some(&address))?
    {
        return Ok(shown);
    }
    socket.call_method(method, [])
}

fn none_if_refused(address: Result<Ref>) -> Result<Ref> {
    address.or_else(|raised| {
        if !is_os_error() {
            return Err(raised);
        }
        drop(take_raised());
        Ok(none())
    })
}

/// Has small writes go out at once, if the socket says that it is one of TCP.
pub fn set_nodelay(socket: &Ref) -> Result<()> {
    if !is_socket(socket) {
        return imports().set_nodelay.call([socket]).map(drop);
    }
    let says = |member: &Ref| bare(socket, member).as_ref().and_then(integer_of);
    if matches!(family(socket), Family::V4 | Family::V6)
        && says(&imports().socket_type) == Some(STREAM as i64)
        && says(&imports().socket_proto).is_some_and(connection::is_tcp)
    {
        connection::set_nodelay(socket)?;
    }
    Ok(())
}

/// Tells whoever audits the interpreter what is about to be done, as Python's own method does.
pub fn audit(event: &str, socket: &Ref, address: &Ref) -> Result<()> {
    imports()
        .audit
        .call([&string(event)?, socket, address])
        .map(drop)
}
