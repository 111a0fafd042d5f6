//! What becomes of an accepted connection: asyncio's `_accept_connection2`, a coroutine in a task of its own.
//!
//! The task is asyncio's doing, and stays: `current_task()` finds it in a protocol's factory, a task factory is
//! asked for it, whoever ends a program cancels it.

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function, object};
use crate::eventloop;
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::{
    Raised, Ref, Result, dict, ends_the_program, none, string, take_raised, while_handling,
};
use crate::task::{self, object::Options};
use crate::transports::setup;

static ACCEPTED: AsyncDef = AsyncDef {
    name: "_accept_connection2",
    qualname: "BaseSelectorEventLoop._accept_connection2",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: accepted,
};

/// The factory of protocols.
const FACTORY: usize = 1;
/// The connection's socket.
const SOCKET: usize = 2;
/// The dict behind `get_extra_info()`.
const EXTRA: usize = 3;
/// The server.
const SERVER: usize = 4;
/// The protocol, once there is one.
const PROTOCOL: usize = 5;
/// The transport, once there is one.
const TRANSPORT: usize = 6;

/// Notes where asyncio's own coroutine is written. Called once, when the module is made.
pub fn prepare() -> Result<()> {
    let stock = imports().selector_loop.getattr(&string(ACCEPTED.name)?)?;
    function::make(&ACCEPTED, stock).map(drop)
}

/// Starts the task.
pub fn start(
    event_loop: &Ref,
    factory: &Ref,
    socket: Ref,
    address: &Ref,
    server: &Ref,
) -> Result<()> {
    let extra = dict(&[])?;
    setup::put(&extra, &names().peername, address)?;
    let coroutine = object::make(&ACCEPTED)?;
    let slots = object::fields(&coroutine).slots(TRANSPORT + 1);
    slots[0].set(event_loop.clone());
    slots[FACTORY].set(factory.clone());
    slots[SOCKET].set(socket);
    slots[EXTRA].set(extra);
    slots[SERVER].put((!server.is_none()).then(|| server.clone()));
    if eventloop::is_plain(event_loop) && !eventloop::data(event_loop).task_factory.is_some() {
        return task::create(event_loop, &coroutine, Options::default()).map(drop);
    }
    event_loop
        .call_method(&names().create_task, [&coroutine])
        .map(drop)
}

fn accepted(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let outcome = match sent {
        Sent::Start => make(frame).map(Flow::Await),
        Sent::Value(_) => Ok(Flow::Return(none())),
        Sent::Raised(exception) => give_up(frame, exception),
    };
    match outcome {
        Err(Raised) if !ends_the_program() => report(frame).map(|()| Flow::Return(none())),
        outcome => outcome,
    }
}

/// Makes protocol and transport; returns what is to be waited for.
fn make(frame: Frame<'_>) -> Result<Ref> {
    let (event_loop, socket) = (frame.argument(0), frame.argument(SOCKET));
    let protocol = frame.argument(FACTORY).call([])?;
    frame.slot(PROTOCOL).set(protocol.clone());
    let waiter = any::create(&event_loop)?;
    let transport = setup::create(
        &event_loop,
        &socket,
        &protocol,
        Some(waiter.clone()),
        frame.slot(EXTRA).take(),
        frame.slot(SERVER).take(),
    )?;
    frame.slot(TRANSPORT).set(transport);
    Ok(waiter)
}

/// The task was cancelled before the protocol knew of its connection.
#[cold]
fn give_up(frame: Frame<'_>, exception: Ref) -> Result<Flow> {
    if let Some(transport) = frame.slot(TRANSPORT).get() {
        transport.call_method(&names().close, [])?;
    }
    crate::native::raise_object(exception)
}

/// Nobody is told, but in debug mode.
#[cold]
fn report(frame: Frame<'_>) -> Result<()> {
    let Some(exception) = take_raised() else {
        return Ok(());
    };
    let event_loop = frame.argument(0);
    if !eventloop::data(&event_loop).debug.get() {
        return Ok(());
    }
    let message = string("Error on transport creation for incoming connection")?;
    let context = dict(&[(c"message", &message), (c"exception", &exception)])?;
    for (name, slot) in [
        (c"protocol", frame.slot(PROTOCOL)),
        (c"transport", frame.slot(TRANSPORT)),
    ] {
        if let Some(value) = slot.get() {
            // SAFETY: live objects, a name that ends with a null byte.
            crate::native::check(unsafe {
                ffi::PyDict_SetItemString(context.as_ptr(), name.as_ptr(), value.as_ptr())
            })?;
        }
    }
    while_handling(&exception, || {
        event_loop
            .call_method(&names().call_exception_handler, [&context])
            .map(drop)
    })
}
