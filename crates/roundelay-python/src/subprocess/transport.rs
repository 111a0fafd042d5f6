//! The transport of a subprocess: `_UnixSubprocessTransport` of asyncio's `unix_events` module.
//!
//! What happens once for a process is asyncio's own code, which starts it by way of Python's `subprocess`. Native
//! is what happens for each piece of data, and the ends of its pipes are given native protocols.

use std::ffi::CStr;
use std::mem::offset_of;

use crate::imports::names;
use crate::native::{Args, Ref, Result, Slot, none, string, tuple};
use crate::streams::rebound::with_globals;
use crate::sync::{derived, stock_call};
use crate::transports::schedule::call_soon_with;
use crate::{method, optional_attribute};

/// The fields, under asyncio's names. All zero bytes are a transport whose `__init__` has not run.
#[repr(C)]
struct Fields {
    /// The loop; empty once everything is over.
    event_loop: Slot,
    /// The protocol; empty once everything is over.
    protocol: Slot,
    /// Calls that wait for the pipes to be connected, as a `deque`; empty once they are.
    pending_calls: Slot,
}

const REFERENCES: [(&CStr, usize); 3] = [
    (c"_native_loop", offset_of!(Fields, event_loop)),
    (c"_native_protocol", offset_of!(Fields, protocol)),
    (c"_native_pending_calls", offset_of!(Fields, pending_calls)),
];

/// Where the fields begin: behind those of asyncio's class, which has one name in `__slots__`.
const BODY: usize = derived::BODY + size_of::<usize>();

fn fields(transport: &Ref) -> &Fields {
    // SAFETY: only called for instances of the type that is made here, which has the fields at this offset,
    // zeroed by the allocator.
    unsafe { &*transport.as_ptr().cast::<u8>().add(BODY).cast() }
}

/// Makes the type. `protocols` are the classes of the pipes' protocols, by name.
pub fn make_type(protocols: &[(&CStr, Ref)]) -> Result<Ref> {
    let base = derived::base(c"asyncio.unix_events", "_UnixSubprocessTransport")?;
    let class = derived::bare_builder::<Fields>(
        c"asyncio.unix_events._UnixSubprocessTransport",
        &base,
        BODY,
        &REFERENCES,
    )?
    .attributes([
        optional_attribute!(c"_loop", fields, event_loop),
        optional_attribute!(c"_protocol", fields, protocol),
        optional_attribute!(c"_pending_calls", fields, pending_calls),
    ])
    .methods([
        method!(c"_call", call_method, c"_call($self, cb, *data)\n--\n\n"),
        method!(
            c"_pipe_data_received",
            pipe_data_received,
            c"_pipe_data_received($self, fd, data)\n--\n\n"
        ),
        method!(
            c"_pipe_connection_lost",
            pipe_connection_lost,
            c"_pipe_connection_lost($self, fd, exc)\n--\n\n"
        ),
    ])
    .build(Some(&base))?;
    let name = string("_connect_pipes")?;
    let connect = with_globals(&base.getattr(&name)?, protocols)?;
    class.setattr(&name, &connect)?;
    Ok(class)
}

/// `_call(cb, *data)`
fn call_method(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    match (args.positional, args.no_keywords()) {
        ([callback, data @ ..], true) => call(
            fields(transport),
            callback,
            &data.iter().collect::<Vec<_>>(),
        ),
        _ => stock_call::call(transport, c"_call", &args),
    }
}

/// Has the loop call `callback` in the next turn, or as soon as the pipes are connected.
fn call(own: &Fields, callback: &Ref, data: &[&Ref]) -> Result<Ref> {
    match (own.pending_calls.get(), own.event_loop.get()) {
        (Some(pending), _) => {
            let entry = tuple(&[callback, &tuple(data)?])?;
            pending.call_method(&names().append, [&entry])?;
        }
        (None, Some(event_loop)) => call_soon_with(&event_loop, callback, data)?,
        (None, None) => {}
    }
    Ok(none())
}

/// `_pipe_data_received(fd, data)`
fn pipe_data_received(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some([Some(fd), Some(data)]) = stock_call::bound(&args, ["fd", "data"], 2) else {
        return stock_call::call(transport, c"_pipe_data_received", &args);
    };
    let own = fields(transport);
    let protocol = own.protocol.get().unwrap_or_else(none);
    let callback = protocol.getattr(&names().pipe_data_received)?;
    call(own, &callback, &[fd, data])
}

/// `_pipe_connection_lost(fd, exc)`
fn pipe_connection_lost(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some([Some(fd), Some(exception)]) = stock_call::bound(&args, ["fd", "exc"], 2) else {
        return stock_call::call(transport, c"_pipe_connection_lost", &args);
    };
    let own = fields(transport);
    let protocol = own.protocol.get().unwrap_or_else(none);
    let callback = protocol.getattr(&names().pipe_connection_lost)?;
    call(own, &callback, &[fd, exception])?;
    transport.call_method(&names().try_finish, [])
}

/// The protocol of a pipe that is read from: `ReadSubprocessPipeProto` of asyncio's `base_subprocess` module.
#[repr(C)]
struct PipeFields {
    /// The transport of the process; empty once the pipe is closed.
    process: Slot,
    /// Which pipe it is, as the process knows it.
    fd: Slot,
}

fn pipe_fields(protocol: &Ref) -> &PipeFields {
    // SAFETY: only called for instances of the type that is made here.
    unsafe { derived::fields(protocol) }
}

/// Makes its type.
pub fn make_pipe_protocol() -> Result<(&'static CStr, Ref)> {
    let base = derived::base(c"asyncio.base_subprocess", "ReadSubprocessPipeProto")?;
    let class = derived::bare_builder::<PipeFields>(
        c"asyncio.base_subprocess.ReadSubprocessPipeProto",
        &base,
        derived::BODY,
        &[
            (c"_native_process", offset_of!(PipeFields, process)),
            (c"_native_fd", offset_of!(PipeFields, fd)),
        ],
    )?
    .attributes([
        optional_attribute!(c"proc", pipe_fields, process),
        optional_attribute!(c"fd", pipe_fields, fd),
    ])
    .methods([crate::named_method!(
        c"data_received",
        "data",
        data_received,
        c"data_received($self, data)\n--\n\nCalled when some data is received."
    )])
    .build(Some(&base))?;
    Ok((c"ReadSubprocessPipeProto", class))
}

fn data_received(protocol: &Ref, data: &Ref) -> Result<Ref> {
    let own = pipe_fields(protocol);
    let (process, fd) = (own.process.get(), own.fd.get());
    let process = process.unwrap_or_else(none);
    process.call_method(
        &names().pipe_data_received_of,
        [&fd.unwrap_or_else(none), data],
    )
}
