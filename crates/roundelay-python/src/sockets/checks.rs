//! What asyncio looks at before it does anything with a socket.

use std::os::fd::RawFd;

use pyo3::ffi;

use crate::compat::socket_descriptor::is_socket;
use crate::compat::unchanged::Unchanged;
use crate::coroutine::{AsyncDef, Flow, Frame};
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, dict, raise, string, tuple};
use crate::statics::Once;

/// The methods that stand between what is native here and what asyncio's code calls for the same.
pub const HOOKS: [&str; 18] = [
    "_add_reader",
    "_add_writer",
    "_remove_reader",
    "_remove_writer",
    "remove_reader",
    "remove_writer",
    "_ensure_fd_no_transport",
    "_ensure_resolved",
    "create_future",
    "getaddrinfo",
    "getnameinfo",
    "run_in_executor",
    "sock_connect",
    "_accept_connection",
    "_accept_connection2",
    "_connect_sock",
    "_create_connection_transport",
    "_make_socket_transport",
];

static UNCHANGED: Unchanged = Unchanged::new(&HOOKS, &[]);

static HOOK_NAMES: Once<Vec<Ref>> = Once::new();

/// The names of the [`HOOKS`].
pub fn hooks() -> &'static [Ref] {
    HOOK_NAMES.get()
}

/// Takes down what the loop's class has. Called once, when it was made.
pub fn prepare(event_loop_class: &Ref) -> Result<()> {
    UNCHANGED.prepare(event_loop_class)?;
    let names: Result<Vec<Ref>> = HOOKS.iter().map(|name| string(name)).collect();
    HOOK_NAMES.set(names?);
    Ok(())
}

/// Whether none of the [`HOOKS`] of a loop is the user's.
#[inline]
pub fn is_unchanged(event_loop: &Ref) -> bool {
    !eventloop::data(event_loop).hooked.get() && UNCHANGED.is_class_unchanged(event_loop.type_ptr())
}

/// Fails unless the socket is a plain one, which in debug mode must not block.
#[inline]
pub fn check(event_loop: &Ref, socket: &Ref) -> Result<()> {
    if !is_socket(socket) {
        imports().check_ssl_socket.call([socket])?;
    }
    if eventloop::data(event_loop).debug.get() {
        check_timeout(socket)?;
    }
    Ok(())
}

#[cold]
fn check_timeout(socket: &Ref) -> Result<()> {
    if socket
        .call_method(&names().gettimeout, [])?
        .equals(&names().zero)?
    {
        return Ok(());
    }
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_ValueError },
        c"the socket must be non-blocking",
    )
}

/// `_ensure_fd_no_transport(fd)`
#[inline]
pub fn no_transport(event_loop: &Ref, fd: RawFd) -> Result<()> {
    eventloop::transport_table::refuse(event_loop, fd, None)
}

/// Awaits asyncio's own method, which calls each hook, with the arguments in the first slots of the frame; the
/// loop is the first of them.
#[cold]
pub fn by_stock(frame: Frame<'_>, definition: &AsyncDef) -> Result<Flow> {
    let method = imports().unix_loop.getattr(&string(definition.name)?)?;
    let (mut arguments, keywords) = (Vec::new(), dict(&[])?);
    for place in 0..=definition.parameters.len() {
        let Some(value) = frame.slot(place).get() else {
            continue;
        };
        if place == arguments.len() && place <= definition.positional {
            arguments.push(value);
        } else {
            let name = string(definition.parameters[place - 1])?;
            // SAFETY: live objects.
            crate::native::check(unsafe {
                ffi::PyDict_SetItem(keywords.as_ptr(), name.as_ptr(), value.as_ptr())
            })?;
        }
    }
    let arguments = tuple(&arguments.iter().collect::<Vec<_>>())?;
    method
        .call_tuple(&arguments, Some(&keywords))
        .map(Flow::Await)
}
