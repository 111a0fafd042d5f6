//! `sock_connect`.

use pyo3::ffi;

use crate::compat::socket_descriptor::is_socket;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::imports::names;
use crate::native::{
    Ref, Result, dict, integer, items, none, raise_object, string, text_of, tuple,
};
use crate::system::address::{Family, Target, integer_of, plain};
use crate::system::{Now, connection, unless_it_waits};

use super::checks::{by_stock, check, is_unchanged};
use super::literal;
use super::operation::{self, Kind, Operation};
use super::plain::{audit, family, is_non_blocking, shape};

pub static CONNECT: AsyncDef = AsyncDef {
    name: "sock_connect",
    qualname: "BaseSelectorEventLoop.sock_connect",
    parameters: &["sock", "address"],
    positional: 2,
    required: 2,
    resume: connect,
};

static CONNECT_KIND: Kind = Kind {
    name: "sock_connect",
    readable: false,
    attempt: try_outcome,
};

/// Slot of the operation that waits, behind the loop and the arguments.
const OPERATION: usize = 3;

/// The address is being looked up.
const RESOLVING: u8 = 1;
/// The socket connects, or asyncio's own method does all of it.
const CONNECTING: u8 = 2;

fn connect(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match frame.stage().get() {
        RESOLVING => {
            let address = first_address(&sent.value()?)?;
            begin(frame, &address, None)
        }
        CONNECTING => {
            operation::end(frame, OPERATION)?;
            sent.value().map(Flow::Return)
        }
        _ => start(frame),
    }
}

fn start(frame: Frame<'_>) -> Result<Flow> {
    let (event_loop, socket, address) = (frame.argument(0), frame.argument(1), frame.argument(2));
    if !is_unchanged(&event_loop) {
        frame.stage().set(CONNECTING);
        return by_stock(frame, &CONNECT);
    }
    check(&event_loop, &socket)?;
    if !is_socket(&socket) {
        frame.stage().set(CONNECTING);
        return by_stock(frame, &CONNECT);
    }
    let family = family(&socket);
    if !matches!(family, Family::V4 | Family::V6) {
        return begin(frame, &address, None);
    }
    // SAFETY: live.
    if unsafe { ffi::PyTuple_CheckExact(address.as_ptr()) } != 0
        && has_usual_protocol(&socket)
        && let [host, port, rest @ ..] = items(&address).as_slice()
        && rest.len() <= 2
        && let Some(resolved) = literal::resolve(host, port, rest, &[family])?
    {
        return begin(frame, &resolved.address, resolved.target);
    }
    frame.stage().set(RESOLVING);
    resolve(&event_loop, &socket, &address).map(Flow::Await)
}

/// Whether it is a socket of TCP or UDP.
fn has_usual_protocol(socket: &Ref) -> bool {
    let Some(shape) = shape(socket) else {
        return false;
    };
    let usual = |kind: &Ref| integer_of(kind).is_some_and(connection::is_stream_or_datagram);
    usual(&shape.kind) && integer_of(&shape.protocol).is_some_and(connection::is_tcp_or_udp)
}

/// `self._ensure_resolved(address, family=..., type=..., proto=..., loop=self)`
fn resolve(event_loop: &Ref, socket: &Ref, address: &Ref) -> Result<Ref> {
    let of = |name: &str| socket.getattr(&string(name)?);
    let keywords = dict(&[
        (c"family", &of("family")?),
        (c"type", &of("type")?),
        (c"proto", &of("proto")?),
        (c"loop", event_loop),
    ])?;
    event_loop
        .getattr(&names().ensure_resolved)?
        .call_tuple(&tuple(&[address])?, Some(&keywords))
}

/// `_, _, _, _, address = resolved[0]`
fn first_address(resolved: &Ref) -> Result<Ref> {
    // SAFETY: live objects; new references or null.
    let five = unsafe {
        let first = Ref::owned_or_raised(ffi::PySequence_GetItem(resolved.as_ptr(), 0))?;
        Ref::owned_or_raised(ffi::PySequence_Tuple(first.as_ptr()))?
    };
    match <[Ref; 5]>::try_from(items(&five)) {
        Ok([.., address]) => Ok(address),
        Err(few) => crate::native::raise_text(
            // SAFETY: a static exception class.
            unsafe { ffi::PyExc_ValueError },
            &if few.len() < 5 {
                format!(
                    "not enough values to unpack (expected 5, got {})",
                    few.len()
                )
            } else {
                "too many values to unpack (expected 5)".to_owned()
            },
        ),
    }
}

/// Connects, and waits for the outcome if there is none at once.
fn begin(frame: Frame<'_>, address: &Ref, target: Option<Target>) -> Result<Flow> {
    let (event_loop, socket) = (frame.argument(0), frame.argument(1));
    frame.stage().set(CONNECTING);
    if try_connect(&socket, address, target)?.is_some() {
        return Ok(Flow::Return(none()));
    }
    let operation = connect_operation(&event_loop, &socket, address)?;
    operation::wait(frame, OPERATION, operation)
}

/// What waits for a socket to be connected to an address.
pub fn connect_operation(event_loop: &Ref, socket: &Ref, address: &Ref) -> Result<Ref> {
    let arguments = [Some(address.clone()), None];
    operation::make(&CONNECT_KIND, event_loop, socket, arguments)
}

/// `socket.connect(address)`
pub fn try_connect(socket: &Ref, address: &Ref, target: Option<Target>) -> Result<Now<()>> {
    if is_socket(socket)
        && let Some(target) = target.or_else(|| plain(family(socket), address))
        && is_non_blocking(socket)?
    {
        audit("socket.connect", socket, address)?;
        return connection::connect(socket, &target);
    }
    let outcome = socket.call_method(&names().connect, [address]);
    Ok(unless_it_waits(outcome)?.map(drop))
}

/// The socket is writable: it is connected, or will never be.
fn try_outcome(own: &Operation) -> Result<Now<Ref>> {
    let socket = Operation::held(&own.socket);
    match connection::connect_error(&socket)? {
        None => Ok(None),
        Some(None) => Ok(Some(none())),
        Some(Some(number)) => refused(number, &Operation::held(&own.first)),
    }
}

/// `raise OSError(number, f'Connect call failed {address}')`
#[cold]
fn refused<T>(number: i32, address: &Ref) -> Result<T> {
    // SAFETY: live; a new reference or null.
    let shown = unsafe { Ref::owned_or_raised(ffi::PyObject_Str(address.as_ptr())) }?;
    let text = string(&format!("Connect call failed {}", text_of(&shown)?))?;
    // SAFETY: a static exception class.
    let class = unsafe { Ref::borrowed(ffi::PyExc_OSError) };
    let error = class.call([&integer(number.unsigned_abs().into())?, &text])?;
    raise_object(error)
}
