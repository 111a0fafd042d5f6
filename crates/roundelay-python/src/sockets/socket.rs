//! Python's sockets: what they are, and how a descriptor becomes one.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use pyo3::ffi;

use crate::compat::socket_descriptor::descriptor;
use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, aside, integer, string};
use crate::system::address::{Family, integer_of};
use crate::system::connection::NONBLOCK;

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

/// Whether the socket has a timeout of zero.
pub fn is_non_blocking(socket: &Ref) -> Result<bool> {
    socket
        .call_method(&names().gettimeout, [])?
        .equals(&names().zero)
}

/// The `socket.socket` that owns a descriptor which does not block.
pub fn adopt(fd: OwnedFd, shape: &Shape) -> Result<Ref> {
    let kind = integer_of(&shape.kind).ok_or(Raised)? as u64 | NONBLOCK;
    let class = &imports().socket_class;
    // SAFETY: a live class, whose `tp_new` takes no notice of its arguments; a new reference or null.
    let socket = unsafe {
        let arguments = crate::native::tuple(&[])?;
        let ty = class.as_ptr().cast::<ffi::PyTypeObject>();
        let Some(new) = (*ty).tp_new else {
            return Err(Raised);
        };
        Ref::owned_or_raised(new(ty, arguments.as_ptr(), std::ptr::null_mut()))?
    };
    let number = integer(fd.as_raw_fd().unsigned_abs().into())?;
    // What `socket.socket.__init__` does.
    let made = imports().raw_socket_init.call([
        &socket,
        &shape.family,
        &integer(kind)?,
        &shape.protocol,
        &number,
    ]);
    let owns = aside(|| descriptor(&socket)).is_ok_and(|own| own == fd.as_raw_fd());
    if owns {
        // Two owners for no longer than this: nothing ran in between.
        let _ = fd.into_raw_fd();
    }
    made?;
    socket.setattr(&names().io_refs, &names().zero)?;
    socket.setattr(&names().closed_flag, &crate::native::boolean(false))?;
    Ok(socket)
}

/// Tells whoever audits the interpreter what is about to be done, as Python's own method does.
pub fn audit(event: &str, socket: &Ref, address: &Ref) -> Result<()> {
    imports()
        .audit
        .call([&string(event)?, socket, address])
        .map(drop)
}
