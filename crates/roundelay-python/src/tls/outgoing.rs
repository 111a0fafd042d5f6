//! From the user's protocol to the peer: what is written is encrypted at once, and handed to the transport.
//!
//! What cannot be encrypted yet, because the handshake is not over or a new one has begun, waits in a deque that
//! asyncio's own code looks after.

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::buffer::{BufferView, bytes, content};
use crate::native::{Raised, Ref, Result, items, none, raised, take_raised, tuple};
use crate::statics::KeptBuffer;

use super::engine::{Engine, usable};
use super::exit::{Exit, Progress};
use super::fields::{ProtocolFields, fields, plain};
use super::flow;
use super::incoming::fatal;
use super::stock::{or_else, stock};

/// What fits into a record.
const RECORD: usize = 16 * 1024;

/// Where ciphertext is on its way from the BIO to the transport.
static ON_ITS_WAY: KeptBuffer = KeptBuffer::new();

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
    or_else(
        encrypt_and_send(protocol, own, &engine, pieces),
        |exception| fatal(protocol, &exception),
    )?;
    Ok(true)
}

fn encrypt_and_send(
    protocol: &Ref,
    own: &ProtocolFields,
    engine: &Engine,
    pieces: &[Ref],
) -> Result<()> {
    let joined;
    let pieces = match pieces {
        [_] => pieces,
        many => {
            joined = join_small_ones(many)?;
            &joined
        }
    };
    let transport = own.transport.get().unwrap_or_else(none);
    let left = ON_ITS_WAY.with(|part| {
        let exit = Exit::of(own, engine, &transport, part);
        encrypt_all(own, pieces, exit)
    })?;
    flow::check_writing(protocol, own, left).map(drop)
}

/// The pieces, of which those that fit into one record together are joined: each record costs the same again.
fn join_small_ones(pieces: &[Ref]) -> Result<Vec<Ref>> {
    let mut joined = Joined::default();
    for piece in pieces {
        let view;
        let data = match content(piece) {
            Some(content) => content,
            None => {
                view = BufferView::readable(piece)?;
                view.bytes()
            }
        };
        joined.add(piece, data)?;
    }
    joined.end_run()?;
    Ok(joined.pieces)
}

#[derive(Default)]
struct Joined {
    pieces: Vec<Ref>,
    /// What is to be one piece with what comes behind it.
    run: Vec<u8>,
    /// The one piece that `run` is so far, unless it is of several.
    only: Option<Ref>,
}

impl Joined {
    fn add(&mut self, piece: &Ref, data: &[u8]) -> Result<()> {
        if self.run.len() + data.len() > RECORD {
            self.end_run()?;
        }
        if data.len() > RECORD {
            self.pieces.push(piece.clone());
            return Ok(());
        }
        self.only = self.run.is_empty().then(|| piece.clone());
        self.run.extend_from_slice(data);
        Ok(())
    }

    fn end_run(&mut self) -> Result<()> {
        match self.only.take() {
            Some(piece) => self.pieces.push(piece),
            None if self.run.is_empty() => {}
            None => self.pieces.push(bytes(&self.run)?),
        }
        self.run.clear();
        Ok(())
    }
}

/// Encrypts all that can be; how much ciphertext stays in the BIO.
fn encrypt_all(own: &ProtocolFields, pieces: &[Ref], mut exit: Exit<'_>) -> Result<usize> {
    for (place, piece) in pieces.iter().enumerate() {
        let (done, outcome) = exit.encrypt(piece);
        if !matches!(outcome, Ok(Progress::Whole)) {
            let kept = crate::native::aside(|| keep(own, piece, done, &pieces[place + 1..]));
            outcome.and(kept)?;
            break;
        }
    }
    exit.finish()
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
    match usable(protocol)? {
        Some((own, engine)) => send_outgoing(protocol, own, &engine),
        None => stock().process_outgoing.call([protocol]),
    }
}

/// The same, of a protocol that is plain.
#[inline]
pub fn send_outgoing(protocol: &Ref, own: &ProtocolFields, engine: &Engine) -> Result<Ref> {
    let mut left = engine.outgoing_size()?;
    if left > 0 && !own.ssl_writing_paused.get() {
        let transport = own.transport.get().unwrap_or_else(none);
        left = ON_ITS_WAY.with(|part| Exit::of(own, engine, &transport, part).finish())?;
    }
    flow::check_writing(protocol, own, left)
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
