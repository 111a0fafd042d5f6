//! From the peer to the user's protocol: ciphertext comes in, what is in it is handed on.
//!
//! `get_buffer()` and `buffer_updated()`, through which other transports hand ciphertext over, are asyncio's own;
//! they end in `_do_read()`, which is here.

use pyo3::ffi;

use crate::compat::openssl::{Driven, Outcome};
use crate::imports::names;
use crate::native::buffer::{BufferView, NewBytes, lend};
use crate::native::{Ref, Result, integer, none, string, take_raised};

use super::engine::{Engine, Got, usable};
use super::fields::{ProtocolFields, fields};
use super::stock::{or_else, stock};
use super::{flow, outgoing};

/// `SSLProtocol.max_size`: how much ciphertext comes in at a time.
pub const MAX_SIZE: usize = 256 * 1024;

/// From so much ciphertext on it is worth the while to open a window for OpenSSL.
const WORTH_A_WINDOW: usize = 4096;

/// Ciphertext comes in from a native transport, which found that the protocol is `plain`.
pub fn received(protocol: &Ref, ciphertext: &[u8]) -> Result<()> {
    let own = fields(protocol);
    let state = own.state.peek();
    let Some(engine) = Engine::of(own)? else {
        let Some(incoming) = own.incoming.get() else {
            return super::missing(protocol, c"_incoming");
        };
        lend(ciphertext, |view| {
            incoming.call_method(&names().write, [view])
        })?;
        return go_on(protocol, state);
    };
    let read_at_once = state == stock().wrapped.as_ptr()
        && !own.app_reading_paused.get()
        && !own.app_protocol_is_buffer.get();
    if !read_at_once {
        engine.feed(ciphertext)?;
        return go_on(protocol, state);
    }
    or_else(
        read_and_answer(protocol, own, &engine, ciphertext),
        |exception| fatal(protocol, &exception),
    )
}

/// What comes next when there is more ciphertext, by state.
fn go_on(protocol: &Ref, state: *mut ffi::PyObject) -> Result<()> {
    // All but the first run few times in the life of a connection.
    let next = if state == stock().wrapped.as_ptr() {
        return do_read(protocol).map(drop);
    } else if state == stock().do_handshake.as_ptr() {
        &names().do_handshake
    } else if state == stock().flushing.as_ptr() {
        &names().do_flush
    } else if state == stock().shutdown.as_ptr() {
        &names().do_shutdown
    } else {
        return Ok(());
    };
    protocol.call_method(next, []).map(drop)
}

/// `_do_read()`: hands on what can be read, and sends what that has made to be sent.
pub fn do_read(protocol: &Ref) -> Result<Ref> {
    let Some((own, engine)) = usable(protocol)? else {
        return stock().do_read.call([protocol]);
    };
    let state = own.state.peek();
    if state != stock().wrapped.as_ptr() && state != stock().flushing.as_ptr() {
        return Ok(none());
    }
    or_else(read_and_answer(protocol, own, &engine, &[]), |exception| {
        fatal(protocol, &exception)
    })?;
    Ok(none())
}

/// The same, of a protocol that is plain; `fresh` comes in besides.
fn read_and_answer(
    protocol: &Ref,
    own: &ProtocolFields,
    engine: &Engine,
    fresh: &[u8],
) -> Result<()> {
    if !own.app_reading_paused.get() {
        if own.app_protocol_is_buffer.get() {
            read_into_buffer(protocol)?;
        } else {
            hand_on(protocol, own, engine, fresh)?;
        }
        if own.backlog_length() > 0 {
            outgoing::do_write(protocol)?;
        } else {
            outgoing::send_outgoing(protocol, own, engine)?;
        }
    }
    flow::check_reading(protocol, own, engine).map(drop)
}

/// `_fatal_error()` with what asyncio says of whatever is raised inside of the protocol.
#[cold]
pub fn fatal(protocol: &Ref, exception: &Ref) -> Result<()> {
    let message = string("Fatal error on SSL protocol")?;
    crate::native::while_handling(exception, || {
        protocol.call_method(&names().fatal_error, [exception, &message])
    })
    .map(drop)
}

/// `_do_read__copied()`
pub fn read_copied(protocol: &Ref) -> Result<Ref> {
    match usable(protocol)? {
        Some((own, engine)) => hand_on(protocol, own, &engine, &[]).map(|()| none()),
        None => stock().do_read_copied.call([protocol]),
    }
}

/// Gives everything that can be read to the user's protocol, as one `bytes`. `fresh` comes in besides.
fn hand_on(protocol: &Ref, own: &ProtocolFields, engine: &Engine, fresh: &[u8]) -> Result<()> {
    let (data, ended) = read_everything(engine, fresh)?;
    if let Some(data) = data {
        app_protocol(own).call_method(&names().data_received, [&data])?;
    }
    if ended {
        end(protocol)?;
    }
    Ok(())
}

fn app_protocol(own: &ProtocolFields) -> Ref {
    own.app_protocol.get().unwrap_or_else(none)
}

/// All that can be read, if it is anything, and whether the peer has said that there will be no more. `fresh` comes
/// in besides.
fn read_everything(engine: &Engine, fresh: &[u8]) -> Result<(Option<Ref>, bool)> {
    let waiting = engine.incoming_size()?;
    // What is inside is never more than what is around it; what was left of an incomplete record comes on top.
    let mut data = NewBytes::with_capacity(waiting + fresh.len())?;
    let mut read = None;
    if let Engine::Driven(driven) = engine
        && waiting == 0
        && fresh.len() >= WORTH_A_WINDOW
    {
        read = driven.reading_from(fresh, || drive(driven, &mut data));
    }
    let read = match (read, engine) {
        (Some(read), _) => read?,
        (None, Engine::Driven(driven)) => {
            engine.feed(fresh)?;
            drive(driven, &mut data)?
        }
        (None, Engine::Methods { .. }) => {
            engine.feed(fresh)?;
            Read::Asking
        }
    };
    let ended = match read {
        Read::Dry => false,
        Read::End => true,
        // Python's own methods are asked, which raise what is to be raised.
        Read::Asking => ask(engine, &mut data)?,
    };
    let data = (data.len() > 0).then(|| data.finish()).transpose()?;
    Ok((data, ended))
}

/// How reading ends.
enum Read {
    /// Nothing more can be read.
    Dry,
    /// The peer has said that there will be no more.
    End,
    /// Python's own methods have to be asked.
    Asking,
}

/// Reads what there is with OpenSSL's functions. No Python code runs meanwhile.
fn drive(driven: &Driven, data: &mut NewBytes) -> Result<Read> {
    loop {
        if data.spare().is_empty() {
            let more = driven.incoming_size() + driven.decrypted_size();
            data.reserve(more.max(LEAST_ROOM))?;
        }
        match driven.read(data.spare()) {
            // SAFETY: just read into it.
            Outcome::Bytes(count) => unsafe { data.advance(count) },
            Outcome::Again => return Ok(Read::Dry),
            Outcome::End => return Ok(Read::End),
            Outcome::Failed => return Ok(Read::Asking),
        }
        if driven.is_dry() {
            return Ok(Read::Dry);
        }
    }
}

/// Reads what there is by asking; whether the peer has said that there will be no more.
fn ask(engine: &Engine, data: &mut NewBytes) -> Result<bool> {
    loop {
        if data.spare().is_empty() {
            let more = engine.incoming_size()? + engine.decrypted_size()?;
            data.reserve(more.max(LEAST_ROOM))?;
        }
        match engine.ask(data.spare())? {
            // SAFETY: just read into it.
            Got::Bytes(count) => unsafe { data.advance(count) },
            Got::Again => return Ok(false),
            Got::End => return Ok(true),
        }
        if engine.is_dry()? {
            return Ok(false);
        }
    }
}

/// Room for a read when nothing is known of how much comes.
const LEAST_ROOM: usize = 256;

/// `_do_read__buffered()`: as much as the user's own buffer takes.
pub fn read_into_buffer(protocol: &Ref) -> Result<Ref> {
    let Some((own, engine)) = usable(protocol)? else {
        return stock().do_read_buffered.call([protocol]);
    };
    let Some(get_buffer) = own.get_buffer.get() else {
        return super::missing(protocol, c"_app_protocol_get_buffer");
    };
    let hint = integer(engine.incoming_size()? as u64)?;
    let buffer = get_buffer.call([&hint])?;
    let Ok(mut view) = BufferView::writable(&buffer) else {
        return not_writable(&engine, &buffer);
    };
    let (count, ended, full) = fill(&engine, &mut view)?;
    drop(view);
    if full {
        // Later: the protocol is told first, and may pause.
        let event_loop = own.event_loop.get().unwrap_or_else(none);
        let again = protocol.getattr(&names().do_read)?;
        event_loop.call_method(&names().call_soon, [&again])?;
    }
    if count > 0 {
        let Some(buffer_updated) = own.buffer_updated.get() else {
            return super::missing(protocol, c"_app_protocol_buffer_updated");
        };
        buffer_updated.call([&integer(count as u64)?])?;
    }
    if ended {
        end(protocol)?;
    }
    Ok(none())
}

/// Fills a buffer: how many bytes, whether the peer has said that there will be no more, and whether the buffer
/// is full.
fn fill(engine: &Engine, view: &mut BufferView) -> Result<(usize, bool, bool)> {
    let memory = view.memory();
    let mut filled = 0;
    if memory.is_empty() {
        // As asyncio takes it: nothing was read, so nothing will come.
        return Ok((0, true, false));
    }
    while filled < memory.len() {
        if filled > 0 && engine.is_dry()? {
            return Ok((filled, false, false));
        }
        match engine.read(&mut memory[filled..])? {
            Got::Bytes(count) => filled += count,
            Got::Again => return Ok((filled, false, false)),
            Got::End => return Ok((filled, true, false)),
        }
    }
    Ok((filled, false, true))
}

/// Raises what the SSL object says of a buffer that is none.
#[cold]
fn not_writable(engine: &Engine, buffer: &Ref) -> Result<Ref> {
    drop(take_raised());
    engine.read_into_object(buffer)?;
    Ok(none())
}

/// The peer has said that there will be no more.
fn end(protocol: &Ref) -> Result<()> {
    protocol.call_method(&names().call_eof_received, [])?;
    protocol.call_method(&names().start_shutdown, []).map(drop)
}
