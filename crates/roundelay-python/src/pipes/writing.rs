//! From the protocol to the pipe. What is written goes out at once while nothing waits; what waits goes out in
//! one call for many pieces as soon as the pipe has room.

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::buffer::joined;
use crate::native::{
    Ref, Result, aside, check, ends_the_program, integer, list, none, raise_text, repr, string,
};
use crate::system::Now;
use crate::transports::pending::Pending;
use crate::transports::reading::{log, or_fatal};
use crate::transports::schedule::{in_debug_mode, unwatch, watch_or_end};
use crate::transports::writing::{QUIET_WRITES, is_bytes_like};

use super::closing::{call_connection_lost, end, lose};
use super::fields::{WriteFields, write as fields};

/// `write(data)`
pub fn write(transport: &Ref, data: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if !is_bytes_like(data) {
        // SAFETY: a static exception class.
        return raise_text(unsafe { ffi::PyExc_AssertionError }, &repr(data)?);
    }
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(data.as_ptr()) };
    check(length as std::ffi::c_int)?;
    if length == 0 || is_over(own)? {
        return Ok(none());
    }
    let Some(pipe) = own.pipe.get() else {
        return Ok(none());
    };
    let mut written = 0;
    if Pending::size_of(&own.pending) == 0 {
        let outcome = own.way.write(&pipe, data);
        match or_the_end(transport, own, outcome)? {
            Some(Some((_, true))) | None => return Ok(none()),
            Some(Some((count, false))) => written = count,
            Some(None) => {}
        }
        if !watch_or_end(transport, own, false)? {
            return Ok(none());
        }
    }
    Pending::of_or_new(&own.pending)?.push(data, written)?;
    own.flow
        .pause_if_full(transport, Pending::size_of(&own.pending))?;
    Ok(none())
}

/// Whether there is nobody to write to any more; such writes are counted, and there are words about it after a
/// few.
#[inline]
fn is_over(own: &WriteFields) -> Result<bool> {
    let count = own.conn_lost.get();
    if count == 0 && !own.closing.get() {
        return Ok(false);
    }
    if count >= QUIET_WRITES {
        let text = string("pipe closed by peer or os.write(pipe, data) raised exception.")?;
        imports().logger.call_method(&string("warning")?, [&text])?;
    }
    own.conn_lost.set(count + 1);
    Ok(true)
}

/// What writing came to; a failure is the end, and nothing comes back.
#[inline]
fn or_the_end<T>(
    transport: &Ref,
    own: &WriteFields,
    outcome: Result<Now<T>>,
) -> Result<Option<Now<T>>> {
    if outcome.is_err() && !ends_the_program() {
        own.conn_lost.set(own.conn_lost.get() + 1);
        if let Some(pending) = Pending::of(&own.pending)
            && Pending::size_of(&own.pending) > 0
        {
            pending.clear();
            aside(|| unwatch(own, false))?;
        }
    }
    or_fatal(transport, outcome, "Fatal write error on pipe transport")
}

/// `_write_ready()`: there is room in the pipe.
pub fn write_ready(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    let (Some(pending), Some(pipe)) = (Pending::of(&own.pending), own.pipe.get()) else {
        return Ok(none());
    };
    // Nothing waits if the loop was left while the last piece was accounted for.
    if Pending::size_of(&own.pending) > 0 {
        let outcome = pending.with_slices(|slices| own.way.write_all(&pipe, slices));
        match or_the_end(transport, own, outcome)? {
            Some(Some(count)) => pending.advance(count),
            Some(None) | None => return Ok(none()),
        }
    }
    if Pending::size_of(&own.pending) > 0 {
        return Ok(none());
    }
    unwatch(own, false)?;
    // May write more.
    own.flow.resume_if_drained(transport, 0)?;
    if own.closing.get() && !own.lost.replace(true) {
        unwatch(own, true)?;
        return call_connection_lost::<WriteFields>(transport, &none());
    }
    Ok(none())
}

/// `_read_ready()` of a transport that writes: the other end is closed.
pub fn closed_by_peer(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if in_debug_mode(&own.event_loop) {
        log("info", transport, "%r was closed by peer")?;
    }
    let exception = if Pending::size_of(&own.pending) > 0 {
        // SAFETY: a static exception class.
        unsafe { Ref::borrowed(ffi::PyExc_BrokenPipeError) }.call([])?
    } else {
        none()
    };
    transport.call_method(&names().close_now, [&exception])
}

/// `write_eof()`: nothing more is written. Once everything is out, the pipe is closed.
pub fn write_eof(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.closing.replace(true) {
        return Ok(none());
    }
    if Pending::size_of(&own.pending) == 0 {
        unwatch(own, true)?;
        lose(transport, own, &none())?;
    }
    Ok(none())
}

/// `close()`
pub fn close(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.pipe.is_some() && !own.closing.get() {
        // The end of what is written is all that closing is.
        transport.call_method(&names().write_eof, [])?;
    }
    Ok(none())
}

/// `abort()`
pub fn abort(transport: &Ref) -> Result<Ref> {
    transport.call_method(&names().close_now, [&none()])
}

/// `_close(exc=None)`: it is over; what waits is not written.
pub fn close_now(transport: &Ref, exception: Option<&Ref>) -> Result<Ref> {
    let own = fields(transport);
    if let Some(pending) = Pending::of(&own.pending)
        && Pending::size_of(&own.pending) > 0
    {
        pending.clear();
        unwatch(own, false)?;
    }
    end(transport, own, exception.unwrap_or(&none()))
}

/// `get_write_buffer_size()`
pub fn get_write_buffer_size(transport: &Ref) -> Result<Ref> {
    integer(Pending::size_of(&fields(transport).pending) as u64)
}

/// `get_write_buffer_limits()`
pub fn get_write_buffer_limits(transport: &Ref) -> Result<Ref> {
    fields(transport).flow.both()
}

/// `_buffer`: what waits, as a `bytearray`. A copy: what is done to it has no effect.
pub fn buffer(transport: &Ref) -> Result<Ref> {
    match Pending::of(&fields(transport).pending) {
        Some(pending) => joined(&pending.shown()?),
        None => joined(&list(Vec::new())?),
    }
}
