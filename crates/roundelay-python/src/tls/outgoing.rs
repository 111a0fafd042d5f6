//! From the user's protocol to the peer: what is written is encrypted at once, and handed to the transport.
//!
//! What cannot be encrypted yet, because the handshake is not over or a new one has begun, waits in a deque that
//! asyncio's own code looks after.

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::buffer::{BufferView, content};
use crate::native::{Raised, Ref, Result, items, none, raised, take_raised, tuple};

use super::engine::{Engine, Put};
use super::fields::{ProtocolFields, fields, plain};
use super::flow;
use super::incoming::fatal;
use super::stock::{or_else, stock};

/// `_write_appdata(list_of_data)`
pub fn write_appdata(protocol: &Ref, data: &Ref) -> Result<Ref> {
    // SAFETY: a live object; a list is only copied.
    let pieces = unsafe {
        if ffi::PyTuple_CheckExact(data.as_ptr()) != 0 {
            items(data)
        } else if ffi::PyList_CheckExact(data.as_ptr()) != 0 {
            items(&Ref::owned_or_raised(ffi::PyList_AsTuple(data.as_ptr()))?)
        } else {
            // Whatever else can be iterated over may end in the middle.
            return stock().write_appdata.call([protocol, data]);
        }
    };
    if pieces.iter().all(is_bytes_like) && write_now(protocol, &pieces)? {
        return Ok(none());
    }
    stock().write_appdata.call([protocol, data])
}

/// The same for one piece, which is not empty.
#[inline]
pub fn write_one(protocol: &Ref, data: &Ref) -> Result<Ref> {
    if is_bytes_like(data) && write_now(protocol, std::slice::from_ref(data))? {
        return Ok(none());
    }
    let data = tuple(&[data])?;
    protocol.call_method(&names().write_appdata, [&data])
}

/// Whether an object is of a kind whose bytes are what `len()` counts.
#[inline]
fn is_bytes_like(data: &Ref) -> bool {
    data.is_exact(&raw mut ffi::PyBytes_Type)
        || data.is_exact(&raw mut ffi::PyByteArray_Type)
        || data.is_exact(&raw mut ffi::PyMemoryView_Type) && counts_bytes(data)
}

fn counts_bytes(view: &Ref) -> bool {
    // SAFETY: live.
    let length = unsafe { ffi::PyObject_Size(view.as_ptr()) };
    let same = length >= 0
        && BufferView::readable(view).is_ok_and(|view| view.bytes().len() == length as usize);
    if !same {
        // Released, of more dimensions, or not contiguous: asyncio's own code says what is to be said of it.
        drop(take_raised());
    }
    same
}

/// Encrypts and sends, if that is possible now and nothing waits to be encrypted before; false if it is not.
fn write_now(protocol: &Ref, pieces: &[Ref]) -> Result<bool> {
    let Some((own, engine)) = usable(protocol)? else {
        return Ok(false);
    };
    if own.state.peek() != stock().wrapped.as_ptr() || own.backlog_length() > 0 {
        return Ok(false);
    }
    let written = encrypt_all(own, &engine, pieces).and_then(|()| process_outgoing(protocol));
    or_else(written.map(drop), |exception| fatal(protocol, &exception))?;
    Ok(true)
}

/// The fields and the engine of a protocol, if asyncio's own code need not run.
#[inline]
fn usable(protocol: &Ref) -> Result<Option<(&ProtocolFields, Engine)>> {
    let Some(own) = plain(protocol) else {
        return Ok(None);
    };
    Ok(Engine::of(own)?.map(|engine| (own, engine)))
}

/// Encrypts all that can be; the rest waits.
fn encrypt_all(own: &ProtocolFields, engine: &Engine, pieces: &[Ref]) -> Result<()> {
    for (place, piece) in pieces.iter().enumerate() {
        let (done, outcome) = encrypt(engine, piece);
        if matches!(outcome, Ok(Progress::Whole)) {
            continue;
        }
        let kept = crate::native::aside(|| keep(own, piece, done, &pieces[place + 1..]));
        return outcome.map(drop).and(kept);
    }
    Ok(())
}

enum Progress {
    Whole,
    Part,
}

/// Encrypts one piece: how much of it, and whether that is all.
fn encrypt(engine: &Engine, piece: &Ref) -> (usize, Result<Progress>) {
    let view;
    let data = match content(piece) {
        Some(content) => content,
        None => match BufferView::readable(piece) {
            Ok(exported) => {
                view = exported;
                view.bytes()
            }
            Err(Raised) => return (0, Err(Raised)),
        },
    };
    let mut done = 0;
    while done < data.len() {
        match engine.write(&data[done..]) {
            Ok(Put::Bytes(count)) => done += count,
            Ok(Put::Again) => return (done, Ok(Progress::Part)),
            Err(Raised) => return (done, Err(Raised)),
        }
    }
    (done, Ok(Progress::Whole))
}

/// Has what is left of a piece, and the pieces behind it, wait until it can be encrypted.
#[cold]
fn keep(own: &ProtocolFields, piece: &Ref, done: usize, rest: &[Ref]) -> Result<()> {
    let backlog = backlog(own)?;
    let left = match done {
        0 => piece.clone(),
        // SAFETY: a live sequence; a new reference or null.
        _ => unsafe {
            Ref::owned_or_raised(ffi::PySequence_GetSlice(
                piece.as_ptr(),
                done as ffi::Py_ssize_t,
                ffi::PY_SSIZE_T_MAX,
            ))
        }?,
    };
    for piece in std::iter::once(&left).chain(rest) {
        backlog.call_method(&names().append, [piece])?;
        // SAFETY: live.
        let length = unsafe { ffi::PyObject_Size(piece.as_ptr()) };
        if length < 0 && raised() {
            return Err(Raised);
        }
        let size = own.write_buffer_size.get();
        own.write_buffer_size.set(size + length as i64);
    }
    Ok(())
}

/// The deque of what waits to be encrypted.
pub fn backlog(own: &ProtocolFields) -> Result<Ref> {
    if let Some(backlog) = own.backlog.get() {
        return Ok(backlog);
    }
    let backlog = imports().deque_class.call([])?;
    own.backlog.set(backlog.clone());
    Ok(backlog)
}

/// `_do_write()`: encrypts what waits to be, and sends what that makes.
pub fn do_write(protocol: &Ref) -> Result<Ref> {
    if plain(protocol).is_some_and(|own| own.backlog_length() == 0) {
        return process_outgoing(protocol);
    }
    stock().do_write.call([protocol])
}

/// `_process_outgoing()`: hands ciphertext to the transport, unless that has enough, and tells the user's
/// protocol how much waits.
pub fn process_outgoing(protocol: &Ref) -> Result<Ref> {
    let Some((own, engine)) = usable(protocol)? else {
        return stock().process_outgoing.call([protocol]);
    };
    if !own.ssl_writing_paused.get() && engine.outgoing_size()? > 0 {
        let ciphertext = engine.take_outgoing()?;
        let transport = own.transport.get().unwrap_or_else(none);
        transport.call_method(&names().write, [&ciphertext])?;
    }
    flow::control_app_writing(protocol)
}

/// `pause_writing()`: the transport has enough to send.
pub fn pause_writing(protocol: &Ref) -> Result<Ref> {
    let own = fields(protocol);
    if own.ssl_writing_paused.replace(true) {
        // Raises what it does if it is told twice.
        return stock().pause_writing.call([protocol]);
    }
    Ok(none())
}

/// `resume_writing()`: the transport takes more.
pub fn resume_writing(protocol: &Ref) -> Result<Ref> {
    let own = fields(protocol);
    if !own.ssl_writing_paused.replace(false) {
        return stock().resume_writing.call([protocol]);
    }
    // By name: somebody may have overridden it.
    protocol.call_method(&names().process_outgoing, [])
}
