//! How a transport begins.

use pyo3::ffi;

use crate::compat::{socket_descriptor, transport_behaviour};
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{Args, Ref, Result, dict, none, raise, string, take_raised};
use crate::statics::Once;

use super::fields::{SelectorFields, fields};
use super::reading;
use super::schedule::call_soon;

/// `_SelectorTransport.max_size`: how much one read takes.
pub const MAX_SIZE: usize = 256 * 1024;

/// `_set_result_unless_cancelled`, which wakes who waits for the connection.
static FINISH: Once<Ref> = Once::new();

/// Takes what is needed from our module. Called once, when it is made.
pub fn prepare(module: &Ref) -> Result<()> {
    FINISH.set(module.getattr(&string("_set_result_unless_cancelled")?)?);
    Ok(())
}

/// `__init__(loop, sock, protocol, waiter=None, extra=None, server=None)`
pub fn init(transport: &Ref, args: Args<'_>) -> Result<()> {
    let [event_loop, socket, protocol, waiter, extra, server] = args.bind(
        "_SelectorSocketTransport.__init__",
        ["loop", "sock", "protocol", "waiter", "extra", "server"],
        6,
        3,
    )?;
    let (Some(event_loop), Some(socket), Some(protocol)) = (event_loop, socket, protocol) else {
        unreachable!("three are required");
    };
    check_loop(event_loop)?;
    let own = fields(transport);
    fill(transport, own, event_loop, socket, given(extra))?;
    reading::set_protocol(transport, protocol)?;
    if let Some(server) = given(server) {
        own.server.set(server.clone());
        transport_behaviour::attach(&server, transport)?;
    }
    enter(transport, own, event_loop)?;
    imports().set_nodelay.call([socket])?;
    begin(
        transport,
        event_loop,
        protocol,
        Some(&names().start_reading),
        given(waiter),
    )
}

/// An argument that is not `None`.
pub fn given(value: Option<&Ref>) -> Option<Ref> {
    value.filter(|value| !value.is_none()).cloned()
}

/// Refuses a loop that is not ours.
pub fn check_loop(event_loop: &Ref) -> Result<()> {
    if eventloop::native(event_loop).is_some() {
        return Ok(());
    }
    // SAFETY: a static exception class.
    let class = unsafe { ffi::PyExc_TypeError };
    raise(class, c"a native transport needs a loop of roundelay's")
}

/// Enters the transport into the loop's table, where it looks for those that have a socket.
pub fn enter(transport: &Ref, own: &SelectorFields, event_loop: &Ref) -> Result<()> {
    eventloop::transport_table::put(event_loop, own.sock_fd.get(), transport)
}

/// Fills the fields, and the dict behind `get_extra_info()`.
pub fn fill(
    transport: &Ref,
    own: &SelectorFields,
    event_loop: &Ref,
    socket: &Ref,
    extra: Option<Ref>,
) -> Result<()> {
    let extra = match extra {
        Some(extra) => extra,
        None => dict(&[])?,
    };
    transport.setattr(&names().extra, &extra)?;
    own.event_loop.set(event_loop.clone());
    own.flow.begin()?;
    own.max_size.set(MAX_SIZE);
    put(
        &extra,
        "socket",
        &imports().transport_socket.call([socket])?,
    )?;
    put(&extra, "sockname", &address(socket, &names().getsockname)?)?;
    let peername = string("peername")?;
    // SAFETY: live objects.
    let known = unsafe { ffi::PySequence_Contains(extra.as_ptr(), peername.as_ptr()) };
    crate::native::check(known)?;
    if known == 0 {
        put(&extra, "peername", &address(socket, &names().getpeername)?)?;
    }
    own.sock.set(socket.clone());
    own.sock_fd.set(socket_descriptor::descriptor(socket)?);
    Ok(())
}

/// `extra[name] = value`
fn put(extra: &Ref, name: &str, value: &Ref) -> Result<()> {
    let name = string(name)?;
    // SAFETY: live objects.
    crate::native::check(unsafe {
        ffi::PyObject_SetItem(extra.as_ptr(), name.as_ptr(), value.as_ptr())
    })
}

/// What a socket says of one of its ends; `None` if it raises an `OSError`.
fn address(socket: &Ref, name: &Ref) -> Result<Ref> {
    socket.call_method(name, []).or_else(|raised| {
        // SAFETY: a static exception class.
        if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_OSError) } == 0 {
            return Err(raised);
        }
        drop(take_raised());
        Ok(none())
    })
}

/// Queues the first callbacks, in asyncio's order: the protocol learns of the connection, reading starts
/// with the method of that name, and who waits for the connection goes on.
pub fn begin(
    transport: &Ref,
    event_loop: &Ref,
    protocol: &Ref,
    start: Option<&Ref>,
    waiter: Option<Ref>,
) -> Result<()> {
    let made = protocol.getattr(&names().connection_made)?;
    call_soon(event_loop, &made, Some(transport))?;
    if let Some(start) = start {
        call_soon(event_loop, &transport.getattr(start)?, None)?;
    }
    if let Some(waiter) = waiter {
        let finish = event_loop.getattr(&names().call_soon)?;
        finish.call([FINISH.get(), &waiter, &none()])?;
    }
    Ok(())
}
