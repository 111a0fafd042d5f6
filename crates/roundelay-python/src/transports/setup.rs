//! How a transport begins.

use pyo3::ffi;

use crate::compat::{socket_descriptor, transport_behaviour};
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{Args, Ref, Result, dict, integer, none, raise, string, take_raised};
use crate::statics::Once;

use super::fields::{TransportFields, fields};
use super::reading;
use super::schedule::call_soon;

/// `set_write_buffer_limits()` of a new transport.
const HIGH_WATER: u64 = 64 * 1024;
const LOW_WATER: u64 = HIGH_WATER / 4;

/// `_SelectorTransport.max_size`: how much one read takes.
const MAX_SIZE: usize = 256 * 1024;

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
    if eventloop::native(event_loop).is_none() {
        // SAFETY: a static exception class.
        let class = unsafe { ffi::PyExc_TypeError };
        return raise(class, c"a native transport needs a loop of roundelay's");
    }
    let given = |value: Option<&Ref>| value.filter(|value| !value.is_none()).cloned();
    let own = fields(transport);
    fill(transport, own, event_loop, socket, given(extra))?;
    reading::set_protocol(transport, protocol)?;
    if let Some(server) = given(server) {
        own.server.set(server.clone());
        transport_behaviour::attach(&server, transport)?;
    }
    let fd = integer(own.sock_fd.get().unsigned_abs().into())?;
    let transports = event_loop.getattr(&names().transports)?;
    // SAFETY: live objects.
    crate::native::check(unsafe {
        ffi::PyObject_SetItem(transports.as_ptr(), fd.as_ptr(), transport.as_ptr())
    })?;
    imports().set_nodelay.call([socket])?;
    begin(transport, event_loop, protocol, given(waiter))
}

/// Fills the fields, and the dict behind `get_extra_info()`.
fn fill(
    transport: &Ref,
    own: &TransportFields,
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
    own.high_water.set(integer(HIGH_WATER)?);
    own.low_water.set(integer(LOW_WATER)?);
    own.limits[0].set(LOW_WATER as f64);
    own.limits[1].set(HIGH_WATER as f64);
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

/// Queues the first callbacks, in asyncio's order: the protocol learns of the connection, reading starts,
/// and who waits for the connection goes on.
fn begin(transport: &Ref, event_loop: &Ref, protocol: &Ref, waiter: Option<Ref>) -> Result<()> {
    let made = protocol.getattr(&names().connection_made)?;
    call_soon(event_loop, &made, Some(transport))?;
    call_soon(
        event_loop,
        &transport.getattr(&names().start_reading)?,
        None,
    )?;
    if let Some(waiter) = waiter {
        let finish = event_loop.getattr(&names().call_soon)?;
        finish.call([FINISH.get(), &waiter, &none()])?;
    }
    Ok(())
}
