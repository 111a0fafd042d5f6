//! From the protocol to the socket. What is written goes out at once while nothing waits, but for small pieces
//! of which several are expected (see [`held`]); what waits goes out in one call for many pieces as
//! soon as the socket has room.

use pyo3::ffi;

use crate::compat::{socket_descriptor, transport_behaviour};
use crate::imports::{imports, names};
use crate::native::buffer::{BufferView, bytes, content};
use crate::native::{Raised, Ref, Result, check, integer, items, none, string};
use crate::system::stream;

use super::closing;
use super::fields::{TransportFields, fields};
use super::held;
use super::pending::Pending;
use super::reading::{fatal, or_fatal};
use super::schedule::{unwatch, watch_or_end};

pub const WRITE_FAILED: &str = "Fatal write error on socket transport";

/// `constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES`
pub const QUIET_WRITES: u64 = 5;

/// `write(data)`
pub fn write(transport: &Ref, data: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if !is_bytes_like(data) || own.eof.get() || own.empty_waiter.is_some() {
        // asyncio's own method raises what is to be said of it.
        return imports().stock_write.call([transport, data]);
    }
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(data.as_ptr()) };
    check(length as std::ffi::c_int)?;
    if length == 0 {
        return Ok(none());
    }
    if is_lost(own)? {
        return Ok(none());
    }
    if own.holds.get() {
        return hold(transport, own, std::slice::from_ref(data));
    }
    let mut sent = 0;
    if Pending::size_of(&own.pending) == 0 {
        if held::is_expected(transport, own, length as usize) {
            return hold(transport, own, std::slice::from_ref(data));
        }
        let Some((count, whole)) = or_fatal(transport, send(own, data), WRITE_FAILED)? else {
            return Ok(none());
        };
        if whole {
            return Ok(none());
        }
        sent = count;
        if !watch_or_end(transport, own, false)? {
            return Ok(none());
        }
    }
    let kept = Pending::of_or_new(&own.pending).and_then(|pending| pending.push(data, sent));
    if or_fatal(transport, kept, WRITE_FAILED)?.is_some() {
        own.flow
            .pause_if_full(transport, Pending::size_of(&own.pending))?;
    }
    Ok(none())
}

fn hold(transport: &Ref, own: &TransportFields, pieces: &[Ref]) -> Result<Ref> {
    let held = held::hold(transport, own, pieces);
    or_fatal(transport, held, WRITE_FAILED).map(|_| none())
}

/// Whether `data` is of the types that `write()` takes.
#[inline]
pub fn is_bytes_like(data: &Ref) -> bool {
    // SAFETY: live; static types.
    unsafe {
        ffi::PyBytes_Check(data.as_ptr()) != 0
            || ffi::PyByteArray_Check(data.as_ptr()) != 0
            || data.is_exact(&raw mut ffi::PyMemoryView_Type)
    }
}

/// Whether the connection is lost; such writes are counted, and there are words about it after a few.
#[inline]
pub fn is_lost(own: &TransportFields) -> Result<bool> {
    let count = own.conn_lost.get();
    if count == 0 {
        return Ok(false);
    }
    if count >= QUIET_WRITES {
        let text = string("socket.send() raised exception.")?;
        imports().logger.call_method(&string("warning")?, [&text])?;
    }
    own.conn_lost.set(own.conn_lost.get() + 1);
    Ok(true)
}

/// Sends what goes out at once: how many bytes, and whether they are all.
#[inline]
fn send(own: &TransportFields, data: &Ref) -> Result<(usize, bool)> {
    let Some(socket) = own.sock.get() else {
        return Ok((0, true));
    };
    Ok(stream::send(&socket, data)?.unwrap_or((0, false)))
}

/// `writelines(list_of_data)` of 3.12 and newer: one call for all pieces.
#[cfg_attr(not(Py_3_12), allow(dead_code))]
pub fn write_lines(transport: &Ref, lines: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.eof.get() || own.empty_waiter.is_some() {
        return imports().stock_writelines.call([transport, lines]);
    }
    if !lines.truthy()? || is_lost(own)? {
        return Ok(none());
    }
    let views = views_of(lines)?;
    let Some(pieces) = or_fatal(transport, contents_of(&views), WRITE_FAILED)? else {
        return Ok(none());
    };
    if pieces.is_empty() {
        return Ok(none());
    }
    if own.holds.get() {
        return hold(transport, own, &pieces);
    }
    let was_empty = Pending::size_of(&own.pending) == 0;
    let pending = Pending::of_or_new(&own.pending)?;
    for piece in &pieces {
        pending.push(piece, 0)?;
    }
    write_ready(transport)?;
    if Pending::size_of(&own.pending) > 0 {
        if was_empty && !watch_or_end(transport, own, false)? {
            return Ok(none());
        }
        own.flow
            .pause_if_full(transport, Pending::size_of(&own.pending))?;
    }
    Ok(none())
}

/// The items of an iterable, each a `bytes` or a view of what else is bytes-like.
fn views_of(lines: &Ref) -> Result<Vec<Ref>> {
    // SAFETY: a live iterable; a new reference or null.
    let lines = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(lines.as_ptr())) }?;
    let mut views = items(&lines);
    if transport_behaviour::lines_may_be_false() {
        let mut kept = Vec::with_capacity(views.len());
        for line in views {
            if line.truthy()? {
                kept.push(line);
            }
        }
        views = kept;
    }
    for view in views.iter_mut().filter(|line| content(line).is_none()) {
        // As asyncio does, which gives the words for what is no buffer.
        // SAFETY: live; a new reference or null.
        *view = unsafe { Ref::owned_or_raised(ffi::PyMemoryView_FromObject(view.as_ptr())) }?;
    }
    Ok(views)
}

/// What is in views, as `bytes`, without those that are empty.
fn contents_of(views: &[Ref]) -> Result<Vec<Ref>> {
    let mut pieces = Vec::with_capacity(views.len());
    for view in views {
        let piece = match content(view) {
            Some(_) => view.clone(),
            None => bytes(BufferView::readable(view)?.bytes())?,
        };
        if content(&piece).is_some_and(|content| !content.is_empty()) {
            pieces.push(piece);
        }
    }
    Ok(pieces)
}

/// `_write_ready()`: there is room in the socket.
pub fn write_ready(transport: &Ref) -> Result<Ref> {
    let own = fields(transport);
    if own.conn_lost.get() != 0 {
        return Ok(none());
    }
    if let (Some(pending), Some(socket)) = (Pending::of(&own.pending), own.sock.get()) {
        // Nothing waits if the loop was left while the last piece was accounted for.
        let outcome = match Pending::size_of(&own.pending) {
            0 => Ok(Some(0)),
            _ => pending.with_slices(|slices| stream::send_all(&socket, slices)),
        };
        match outcome {
            Ok(Some(count)) => pending.advance(count),
            Ok(None) => return Ok(none()),
            Err(Raised) => return write_failed(transport, own, &pending),
        }
    }
    // May write more.
    own.flow
        .resume_if_drained(transport, Pending::size_of(&own.pending))?;
    if Pending::size_of(&own.pending) == 0 {
        drained(transport, own)?;
    }
    Ok(none())
}

#[cold]
fn write_failed(transport: &Ref, own: &TransportFields, pending: &Pending) -> Result<Ref> {
    crate::native::aside(|| unwatch(own, false))?;
    pending.clear();
    let exception = fatal(transport, WRITE_FAILED)?;
    if let (Some(waiter), Some(exception)) = (own.empty_waiter.get(), exception) {
        waiter.call_method(&names().set_exception, [&exception])?;
    }
    Ok(none())
}

/// Everything is sent.
fn drained(transport: &Ref, own: &TransportFields) -> Result<()> {
    unwatch(own, false)?;
    if let Some(waiter) = own.empty_waiter.get() {
        waiter.call_method(&names().set_result, [&none()])?;
    }
    if own.closing.get() {
        if own.conn_lost.get() == 0 {
            own.conn_lost.set(1);
            closing::call_connection_lost::<TransportFields>(transport, &none())?;
        }
    } else if own.eof.get()
        && let Some(socket) = own.sock.get()
    {
        socket_descriptor::shut_writing(&socket)?;
    }
    Ok(())
}

/// `get_write_buffer_size()`
pub fn get_write_buffer_size(transport: &Ref) -> Result<Ref> {
    held::release(transport)?;
    integer(Pending::size_of(&fields(transport).pending) as u64)
}
