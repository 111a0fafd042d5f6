//! `open_connection`, `start_server` and their Unix variants.
//!
//! Each takes the arguments that most calls have; a call with others (of TLS, for one) is asyncio's own
//! function, which makes the same streams.

use std::ffi::CStr;

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::eventloop;
use crate::imports::names;
use crate::method0;
use crate::native::{Raised, Ref, Result, integer, items, none, raise_text, string, tuple};
use crate::sync::derived::base;

use super::protocol_fields::PROTOCOL;
use super::reader_fields::{DEFAULT_LIMIT, READER};
use super::rebound::with_globals;
use super::writer::WRITER;

static OPEN_CONNECTION: AsyncDef = AsyncDef {
    name: "open_connection",
    qualname: "open_connection",
    parameters: &["host", "port", "limit"],
    positional: 2,
    required: 0,
    resume: |frame, sent| open(frame, sent, &names().create_connection, 2),
};

static OPEN_UNIX_CONNECTION: AsyncDef = AsyncDef {
    name: "open_unix_connection",
    qualname: "open_unix_connection",
    parameters: &["path", "limit"],
    positional: 1,
    required: 0,
    resume: |frame, sent| open(frame, sent, &names().create_unix_connection, 1),
};

static START_SERVER: AsyncDef = AsyncDef {
    name: "start_server",
    qualname: "start_server",
    parameters: &["client_connected_cb", "host", "port", "limit"],
    positional: 3,
    required: 1,
    resume: |frame, sent| serve(frame, sent, &names().create_server, 2),
};

static START_UNIX_SERVER: AsyncDef = AsyncDef {
    name: "start_unix_server",
    qualname: "start_unix_server",
    parameters: &["client_connected_cb", "path", "limit"],
    positional: 2,
    required: 1,
    resume: |frame, sent| serve(frame, sent, &names().create_unix_server, 1),
};

/// Makes those that there are on this system; returns them with their names.
pub fn make(classes: &[(&'static CStr, Ref)]) -> Result<Vec<(&'static CStr, Ref)>> {
    let module = crate::imports::module(c"asyncio.streams")?;
    let mut made = vec![];
    for (name, definition) in [
        (c"open_connection", &OPEN_CONNECTION),
        (c"start_server", &START_SERVER),
        (c"open_unix_connection", &OPEN_UNIX_CONNECTION),
        (c"start_unix_server", &START_UNIX_SERVER),
    ] {
        if module.getattr_opt(&string(definition.name)?)?.is_some() {
            let stock = base(c"asyncio.streams", definition.name)?;
            let rebound = with_globals(&stock, classes)?;
            made.push((name, function::make(definition, rebound)?));
        }
    }
    Ok(made)
}

/// The class of ours that a cell holds.
fn class(cell: &crate::statics::TypeCell) -> Ref {
    // SAFETY: set when the module was made; our types live as long as the process.
    unsafe { Ref::borrowed(cell.get().cast()) }
}

/// A new reader, and a protocol that feeds it.
fn make_pair(limit: &Ref, callback: &Ref, event_loop: &Ref) -> Result<(Ref, Ref)> {
    let reader = class(&READER).call([limit, event_loop])?;
    let protocol = class(&PROTOCOL).call([&reader, callback, event_loop])?;
    Ok((reader, protocol))
}

/// What was given in a slot, or `None`.
fn given(frame: Frame<'_>, place: usize) -> Ref {
    frame.slot(place).get().unwrap_or_else(none)
}

fn limit(frame: Frame<'_>, place: usize) -> Result<Ref> {
    let given = frame.slot(place).get();
    given.map_or_else(|| integer(DEFAULT_LIMIT), Ok)
}

/// `loop.name(factory, *address)`, with the address in slots from `first` on.
fn create(
    frame: Frame<'_>,
    event_loop: &Ref,
    name: &Ref,
    factory: &Ref,
    first: usize,
    count: usize,
) -> Result<Flow> {
    let created = if count == 2 {
        let (host, port) = (given(frame, first), given(frame, first + 1));
        event_loop.call_method(name, [factory, &host, &port])
    } else {
        event_loop.call_method(name, [factory, &given(frame, first)])
    };
    created.map(Flow::Await)
}

/// Opens a connection to the address in the first `count` slots; the next one has the limit. Slot 4 is the
/// reader, slot 5 the protocol, slot 6 the loop.
fn open(frame: Frame<'_>, sent: Sent, name: &Ref, count: usize) -> Result<Flow> {
    if matches!(sent, Sent::Start) {
        let event_loop = eventloop::running_or_error()?;
        let (reader, protocol) = make_pair(&limit(frame, count)?, &none(), &event_loop)?;
        let factory = answer_with(&protocol)?;
        frame.slot(4).set(reader);
        frame.slot(5).set(protocol);
        frame.slot(6).set(event_loop.clone());
        return create(frame, &event_loop, name, &factory, 0, count);
    }
    let transport = first_of_two(&sent.value()?)?;
    let (reader, protocol) = (frame.argument(4), frame.argument(5));
    let writer = class(&WRITER).call([&transport, &protocol, &reader, &frame.argument(6)])?;
    Ok(Flow::Return(tuple(&[&reader, &writer])?))
}

/// `first, _ = pair`
fn first_of_two(pair: &Ref) -> Result<Ref> {
    // SAFETY: live; a new reference or null.
    let pair = items(&unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(pair.as_ptr())) }?);
    // SAFETY: a static exception class.
    let class = unsafe { ffi::PyExc_ValueError };
    match pair.as_slice() {
        [first, _] => Ok(first.clone()),
        few if few.len() < 2 => raise_text(
            class,
            &format!(
                "not enough values to unpack (expected 2, got {})",
                few.len()
            ),
        ),
        _ => raise_text(class, "too many values to unpack (expected 2)"),
    }
}

/// Starts a server at the address in the `count` slots behind the callback; the next one has the limit.
fn serve(frame: Frame<'_>, sent: Sent, name: &Ref, count: usize) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        return sent.value().map(Flow::Return);
    }
    let event_loop = eventloop::running_or_error()?;
    let limit = limit(frame, count + 1)?;
    let factory = make_protocols_with(&tuple(&[&limit, &frame.argument(0), &event_loop])?)?;
    create(frame, &event_loop, name, &factory, 1, count)
}

/// `lambda: object`
fn answer_with(object: &Ref) -> Result<Ref> {
    fn same(object: &Ref) -> Result<Ref> {
        Ok(object.clone())
    }
    static mut FACTORY: ffi::PyMethodDef = method0!(c"factory", same, c"");
    callable(&raw mut FACTORY, object)
}

/// A factory of the protocols of a server; `parts` are limit, callback and loop.
fn make_protocols_with(parts: &Ref) -> Result<Ref> {
    fn protocol(parts: &Ref) -> Result<Ref> {
        let [limit, callback, event_loop] = items(parts).try_into().map_err(|_| Raised)?;
        make_pair(&limit, &callback, &event_loop).map(|(_, protocol)| protocol)
    }
    static mut FACTORY: ffi::PyMethodDef = method0!(c"factory", protocol, c"");
    callable(&raw mut FACTORY, parts)
}

/// A callable over `slf`.
fn callable(method: *mut ffi::PyMethodDef, slf: &Ref) -> Result<Ref> {
    // SAFETY: a static definition, which nobody changes, and a live object; a new reference or null.
    unsafe {
        Ref::owned_or_raised(ffi::PyCFunction_NewEx(
            method,
            slf.as_ptr(),
            std::ptr::null_mut(),
        ))
    }
}
