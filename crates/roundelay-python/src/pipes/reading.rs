//! From the pipe to the protocol. One read for each time that the loop finds the pipe readable.

use pyo3::ffi;

use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{
    Raised, Ref, Result, dict, is_os_error, none, string, take_raised, while_handling,
};
use crate::system::lacks_resources;
use crate::transports::reading::{fatal, log};
use crate::transports::schedule::{call_soon, in_debug_mode, or_end, unwatch, watch};

use super::closing::lose;
use super::fields::{ReadFields, WriteFields, read, write};

/// `_read_ready()` of a transport that reads: there is data, or the end of it.
pub fn read_ready(transport: &Ref) -> Result<Ref> {
    let own = read(transport);
    let (Some(pipe), Some(event_loop)) = (own.pipe.get(), own.event_loop.get()) else {
        return Ok(none());
    };
    let landing = &eventloop::data(&event_loop).landing;
    let outcome = own.way.read(&pipe, landing, own.max_size.get());
    let data = match outcome {
        Ok(Some(data)) => data,
        Ok(None) => return Ok(none()),
        Err(_) if is_os_error() => {
            fatal(transport, "Fatal read error on pipe transport")?;
            return Ok(none());
        }
        Err(raised) => return Err(raised),
    };
    // SAFETY: what was read is `bytes`.
    if unsafe { ffi::PyBytes_Size(data.as_ptr()) } == 0 {
        return end_of_file(transport, own, &event_loop);
    }
    let protocol = own.protocol.get().unwrap_or_else(none);
    protocol.call_method(&names().data_received, [&data])?;
    Ok(none())
}

fn end_of_file(transport: &Ref, own: &ReadFields, event_loop: &Ref) -> Result<Ref> {
    if in_debug_mode(&own.event_loop) {
        log("info", transport, "%r was closed by peer")?;
    }
    own.closing.set(true);
    unwatch(own, true)?;
    let protocol = own.protocol.get().unwrap_or_else(none);
    let received = protocol.getattr(&names().eof_received)?;
    call_soon(event_loop, &received, None)?;
    lose(transport, own, &none())?;
    Ok(none())
}

/// `_start_reading()` of a transport that writes, which finds the pipe readable when the other end is closed.
pub fn start_listening(transport: &Ref) -> Result<Ref> {
    let own = write(transport);
    if !own.closing.get() {
        match watch(transport, own, true) {
            Err(Raised) if lacks_resources()? => listen_later(transport, own)?,
            watched => drop(or_end(transport, watched)?),
        }
    }
    Ok(none())
}

/// The system has no room to watch the pipe. Writing goes on: nothing is lost but that the other end is
/// closed, which whoever writes is told all the same. For those who do not, this is tried again after a while.
#[cold]
fn listen_later(transport: &Ref, own: &WriteFields) -> Result<()> {
    let (Some(exception), Some(event_loop)) = (take_raised(), own.event_loop.get()) else {
        return Ok(());
    };
    let message = string("the other end of a pipe is not watched: out of system resource")?;
    let context = dict(&[
        (c"message", &message),
        (c"exception", &exception),
        (c"transport", transport),
    ])?;
    while_handling(&exception, || {
        event_loop.call_method(&names().call_exception_handler, [&context])
    })?;
    let delay = imports().constants.getattr(&names().accept_retry_delay)?;
    let again = transport.getattr(&names().start_reading)?;
    event_loop
        .call_method(&names().call_later, [&delay, &again])
        .map(drop)
}
