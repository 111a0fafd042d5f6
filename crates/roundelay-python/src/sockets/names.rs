//! `getaddrinfo` and `getnameinfo`.
//!
//! Looking up a name may take a while, so asyncio has a thread do it. What needs no looking up is answered at
//! once, by the very function that the thread would call: told that there is nothing to look up, it does not.

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, int_value, none, take_raised, tuple};
use crate::system::address::{integer_of, text};

use super::checks::{by_stock, is_unchanged};

pub static GETADDRINFO: AsyncDef = AsyncDef {
    name: "getaddrinfo",
    qualname: "BaseEventLoop.getaddrinfo",
    parameters: &["host", "port", "family", "type", "proto", "flags"],
    positional: 2,
    required: 2,
    resume: get_address,
};

pub static GETNAMEINFO: AsyncDef = AsyncDef {
    name: "getnameinfo",
    qualname: "BaseEventLoop.getnameinfo",
    parameters: &["sockaddr", "flags"],
    positional: 2,
    required: 1,
    resume: get_name,
};

fn get_address(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        return sent.value().map(Flow::Return);
    }
    let event_loop = frame.argument(0);
    if !is_unchanged(&event_loop) || eventloop::data(&event_loop).debug.get() {
        return by_stock(frame, &GETADDRINFO);
    }
    let (host, port) = (frame.argument(1), frame.argument(2));
    let option = |place: usize| {
        let given = frame.slot(place).get();
        given.unwrap_or_else(|| names().zero.clone())
    };
    let (family, kind, protocol, flags) = (option(3), option(4), option(5), option(6));
    let function = socket_function(&names().getaddrinfo)?;
    if function.is(&imports().getaddrinfo)
        && looks_like_a_literal(&host)
        && is_number(&port)
        && let Some(flags) = with_flag(&flags, &imports().ai_numerichost)?
    {
        match function.call([&host, &port, &family, &kind, &protocol, &flags]) {
            Ok(list) => return Ok(Flow::Return(list)),
            // A name after all; or an error, which the thread will meet as well.
            Err(Raised) if is_exception() => drop(take_raised()),
            Err(Raised) => return Err(Raised),
        }
    }
    let arguments = [
        &none(),
        &function,
        &host,
        &port,
        &family,
        &kind,
        &protocol,
        &flags,
    ];
    event_loop
        .getattr(&names().run_in_executor)?
        .call_tuple(&tuple(&arguments)?, None)
        .map(Flow::Await)
}

fn get_name(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if !matches!(sent, Sent::Start) {
        return sent.value().map(Flow::Return);
    }
    let event_loop = frame.argument(0);
    if !is_unchanged(&event_loop) {
        return by_stock(frame, &GETNAMEINFO);
    }
    let address = frame.argument(1);
    let flags = frame.slot(2).get();
    let flags = flags.unwrap_or_else(|| names().zero.clone());
    let function = socket_function(&names().getnameinfo)?;
    if function.is(&imports().getnameinfo)
        && has_flags(
            &flags,
            [&imports().ni_numerichost, &imports().ni_numericserv],
        )
    {
        return function.call([&address, &flags]).map(Flow::Return);
    }
    event_loop
        .call_method(
            &names().run_in_executor,
            [&none(), &function, &address, &flags],
        )
        .map(Flow::Await)
}

/// `socket.name` as asyncio's module finds it now: tests put their own there.
fn socket_function(name: &Ref) -> Result<Ref> {
    imports()
        .base_events
        .getattr(&names().socket)?
        .getattr(name)
}

/// Whether this may be a numeric address. Names may look like one, too.
fn looks_like_a_literal(host: &Ref) -> bool {
    text(host).is_some_and(|host| {
        host.starts_with(|first: char| first.is_ascii_digit()) || host.contains(':')
    })
}

/// Whether no service must be looked up for this port.
fn is_number(port: &Ref) -> bool {
    port.is_none()
        || integer_of(port).is_some()
        || text(port)
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `flags | flag`, if it is a number.
fn with_flag(flags: &Ref, flag: &Ref) -> Result<Option<Ref>> {
    let (Some(flags), Some(flag)) = (int_value(flags), int_value(flag)) else {
        return Ok(None);
    };
    // SAFETY: attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromLongLong(flags | flag)) }.map(Some)
}

/// Whether all of `wanted` are among `flags`.
fn has_flags(flags: &Ref, wanted: [&Ref; 2]) -> bool {
    let Some(flags) = int_value(flags) else {
        return false;
    };
    wanted
        .iter()
        .all(|flag| int_value(flag).is_some_and(|flag| flag != 0 && flags & flag == flag))
}

/// Whether what was raised is an `Exception`, no order to end the program.
fn is_exception() -> bool {
    // SAFETY: a static exception class; an exception is set.
    unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_Exception) != 0 }
}
