//! How a pipe transport begins.

use pyo3::ffi;

use crate::compat::file_descriptor;
use crate::imports::names;
use crate::native::{Args, Ref, Result, dict, raise_text, string};
use crate::system::pipe::{Kind, kind_of, unblock};
use crate::transports::setup::{MAX_SIZE, begin, check_loop, given};

use super::fields::{PipeFields, read, write};

/// The arguments of both kinds of `__init__`.
struct Parts<'a> {
    event_loop: &'a Ref,
    pipe: &'a Ref,
    protocol: &'a Ref,
    waiter: Option<Ref>,
    extra: Option<Ref>,
}

fn parts<'a>(args: &Args<'a>, function: &str) -> Result<Parts<'a>> {
    let [event_loop, pipe, protocol, waiter, extra] = args.bind(
        function,
        ["loop", "pipe", "protocol", "waiter", "extra"],
        5,
        3,
    )?;
    let (Some(event_loop), Some(pipe), Some(protocol)) = (event_loop, pipe, protocol) else {
        unreachable!("three are required");
    };
    check_loop(event_loop)?;
    Ok(Parts {
        event_loop,
        pipe,
        protocol,
        waiter: given(waiter),
        extra: given(extra),
    })
}

/// `_UnixReadPipeTransport.__init__(loop, pipe, protocol, waiter=None, extra=None)`
pub fn init_reading(transport: &Ref, args: Args<'_>) -> Result<()> {
    let parts = parts(&args, "_UnixReadPipeTransport.__init__")?;
    let own = read(transport);
    own.max_size.set(MAX_SIZE);
    let refusal = "Pipe transport is for pipes/sockets only.";
    fill(transport, own, &parts, refusal)?;
    start(transport, parts, true)
}

/// `_UnixWritePipeTransport.__init__(loop, pipe, protocol, waiter=None, extra=None)`
pub fn init_writing(transport: &Ref, args: Args<'_>) -> Result<()> {
    let parts = parts(&args, "_UnixWritePipeTransport.__init__")?;
    let own = write(transport);
    own.flow.begin()?;
    let refusal = "Pipe transport is only for pipes, sockets and character devices";
    let kind = fill(transport, own, &parts, refusal)?;
    start(transport, parts, tells_of_the_end(kind))
}

/// Whether the end of a pipe that is written to becomes readable when the other end is closed, and never else.
fn tells_of_the_end(kind: Kind) -> bool {
    match kind {
        Kind::Socket => true,
        // As asyncio has found out.
        Kind::Fifo { named } => {
            !(cfg!(target_os = "aix") || cfg!(target_vendor = "apple") && named)
        }
        Kind::CharacterDevice | Kind::Other => false,
    }
}

/// Fills the fields, unless the file is one that cannot be waited for. Then it stays the caller's.
fn fill(transport: &Ref, own: &PipeFields, parts: &Parts<'_>, refusal: &str) -> Result<Kind> {
    let extra = match &parts.extra {
        Some(extra) => extra.clone(),
        None => dict(&[])?,
    };
    transport.setattr(&names().extra, &extra)?;
    let name = string("pipe")?;
    // SAFETY: live objects.
    crate::native::check(unsafe {
        ffi::PyObject_SetItem(extra.as_ptr(), name.as_ptr(), parts.pipe.as_ptr())
    })?;
    own.event_loop.set(parts.event_loop.clone());
    let fileno = file_descriptor::fileno(parts.pipe)?;
    let kind = kind_of(parts.pipe)?;
    if kind == Kind::Other {
        // SAFETY: a static exception class.
        return raise_text(unsafe { ffi::PyExc_ValueError }, refusal);
    }
    unblock(parts.pipe)?;
    own.fileno.set(fileno);
    own.has_fileno.set(true);
    own.pipe.set(parts.pipe.clone());
    own.protocol.set(parts.protocol.clone());
    Ok(kind)
}

fn start(transport: &Ref, parts: Parts<'_>, watched: bool) -> Result<()> {
    let start = watched.then_some(&names().start_reading);
    begin(
        transport,
        parts.event_loop,
        parts.protocol,
        start,
        parts.waiter,
    )
}
