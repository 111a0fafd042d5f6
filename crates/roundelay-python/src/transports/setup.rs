//! How a transport begins.

use pyo3::ffi;

use crate::compat::socket_descriptor;
use crate::eventloop;
use crate::imports::names;
use crate::native::gc::generic_alloc;
use crate::native::{Args, Ref, Result, aside, dict, none, raise, string};
use crate::servers::clients;
use crate::sockets::plain;
use crate::statics::{Once, TypeCell, unset};

use super::fields::{SelectorFields, TransportFields, fields};
use super::reading;
use super::schedule::{call_soon, call_soon_with};

/// `_SelectorTransport.max_size`: how much one read takes.
pub const MAX_SIZE: usize = 256 * 1024;

/// The type of stream transports.
pub static TRANSPORT: TypeCell = unset();

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
    let (extra, server) = (given(extra), given(server));
    build(
        transport,
        event_loop,
        socket,
        protocol,
        given(waiter),
        extra,
        server,
    )
}

/// `loop._make_socket_transport()` of a native loop and a `socket.socket`.
pub fn create(
    event_loop: &Ref,
    socket: &Ref,
    protocol: &Ref,
    waiter: Option<Ref>,
    extra: Option<Ref>,
    server: Option<Ref>,
) -> Result<Ref> {
    if cfg!(Py_3_12) {
        let fd = socket_descriptor::descriptor(socket)?;
        eventloop::transport_table::refuse(event_loop, fd, Some(socket))?;
    }
    // SAFETY: the type is made.
    let transport = unsafe { generic_alloc(TRANSPORT.get()) }?;
    build(
        &transport, event_loop, socket, protocol, waiter, extra, server,
    )?;
    Ok(transport)
}

fn build(
    transport: &Ref,
    event_loop: &Ref,
    socket: &Ref,
    protocol: &Ref,
    waiter: Option<Ref>,
    extra: Option<Ref>,
    server: Option<Ref>,
) -> Result<()> {
    let own = fields(transport);
    fill(transport, own, event_loop, socket, extra)?;
    reading::set_protocol(transport, protocol)?;
    let Some(server) = server else {
        return join(transport, own, event_loop, socket, protocol, waiter);
    };
    own.server.set(server.clone());
    clients::attach(&server, transport)?;
    let joined = join(transport, own, event_loop, socket, protocol, waiter);
    if joined.is_err() {
        // Or the server would wait for a connection that never was.
        drop(own.server.take());
        aside(|| clients::detach(&server, transport))?;
    }
    joined
}

/// From here on the loop knows of the transport.
fn join(
    transport: &Ref,
    own: &TransportFields,
    event_loop: &Ref,
    socket: &Ref,
    protocol: &Ref,
    waiter: Option<Ref>,
) -> Result<()> {
    enter(transport, own, event_loop)?;
    plain::set_nodelay(socket)?;
    let start = Some(&names().start_reading);
    begin(transport, event_loop, protocol, start, waiter)
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
    put(&extra, &names().socket, &plain::shown(socket)?)?;
    put(&extra, &names().sockname, &plain::own_address(socket)?)?;
    // SAFETY: live objects.
    let known = unsafe { ffi::PySequence_Contains(extra.as_ptr(), names().peername.as_ptr()) };
    crate::native::check(known)?;
    if known == 0 {
        put(&extra, &names().peername, &plain::peer_address(socket)?)?;
    }
    own.sock.set(socket.clone());
    own.sock_fd.set(socket_descriptor::descriptor(socket)?);
    Ok(())
}

/// `extra[name] = value`
pub fn put(extra: &Ref, name: &Ref, value: &Ref) -> Result<()> {
    // SAFETY: live objects.
    crate::native::check(unsafe {
        ffi::PyObject_SetItem(extra.as_ptr(), name.as_ptr(), value.as_ptr())
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
        call_soon_with(event_loop, FINISH.get(), &[&waiter, &none()])?;
    }
    Ok(())
}
