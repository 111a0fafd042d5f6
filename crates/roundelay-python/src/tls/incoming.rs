//! From the peer to the user's protocol: ciphertext comes in, what is in it is handed on.
//!
//! `get_buffer()` and `buffer_updated()`, through which other transports hand ciphertext over, are asyncio's own;
//! they end in `_do_read()`, which is here.

use crate::imports::names;
use crate::native::buffer::{BufferView, NewBytes, lend};
use crate::native::{Ref, Result, integer, none, string, take_raised};

use super::engine::{Engine, Got};
use super::fields::{ProtocolFields, fields, plain};
use super::stock::{or_else, stock};
use super::{flow, outgoing};

/// `SSLProtocol.max_size`: how much ciphertext comes in at a time.
pub const MAX_SIZE: usize = 256 * 1024;

/// Ciphertext comes in from a native transport, which found that the protocol is `plain`.
pub fn received(protocol: &Ref, ciphertext: &[u8]) -> Result<()> {
    let own = fields(protocol);
    match Engine::of(own)? {
        Some(engine) => engine.feed(ciphertext)?,
        None => {
            let Some(incoming) = own.incoming.get() else {
                return super::missing(protocol, c"_incoming");
            };
            lend(ciphertext, |view| {
                incoming.call_method(&names().write, [view])
            })?;
        }
    }
    let state = own.state.peek();
    if state == stock().wrapped.as_ptr() {
        return do_read(protocol).map(drop);
    }
    // These run few times in the life of a connection.
    let next = if state == stock().do_handshake.as_ptr() {
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
    let Some(own) = plain(protocol) else {
        return stock().do_read.call([protocol]);
    };
    let state = own.state.peek();
    if state != stock().wrapped.as_ptr() && state != stock().flushing.as_ptr() {
        return Ok(none());
    }
    or_else(read_and_answer(protocol, own), |exception| {
        fatal(protocol, &exception)
    })?;
    Ok(none())
}

fn read_and_answer(protocol: &Ref, own: &ProtocolFields) -> Result<()> {
    if !own.app_reading_paused.get() {
        if own.app_protocol_is_buffer.get() {
            read_into_buffer(protocol)?;
        } else {
            read_copied(protocol)?;
        }
        if own.backlog_length() > 0 {
            outgoing::do_write(protocol)?;
        } else {
            outgoing::process_outgoing(protocol)?;
        }
    }
    flow::control_ssl_reading(protocol).map(drop)
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

/// `_do_read__copied()`: everything that can be read, as one `bytes`.
pub fn read_copied(protocol: &Ref) -> Result<Ref> {
    let Some((own, engine)) = usable(protocol)? else {
        return stock().do_read_copied.call([protocol]);
    };
    let (data, ended) = read_everything(&engine)?;
    if let Some(data) = data {
        app_protocol(own).call_method(&names().data_received, [&data])?;
    }
    if ended {
        end(protocol)?;
    }
    Ok(none())
}

/// The fields and the engine of a protocol, if asyncio's own code need not run.
fn usable(protocol: &Ref) -> Result<Option<(&ProtocolFields, Engine)>> {
    let Some(own) = plain(protocol) else {
        return Ok(None);
    };
    Ok(Engine::of(own)?.map(|engine| (own, engine)))
}

fn app_protocol(own: &ProtocolFields) -> Ref {
    own.app_protocol.get().unwrap_or_else(none)
}

/// All that can be read, if it is anything, and whether the peer has said that there will be no more.
fn read_everything(engine: &Engine) -> Result<(Option<Ref>, bool)> {
    // What is inside is never more than what is around it; what was left of an incomplete record comes on top.
    let mut data = NewBytes::with_capacity(engine.incoming_size()?)?;
    let ended = loop {
        if data.spare().is_empty() {
            let more = engine.incoming_size()? + engine.decrypted_size()?;
            data.reserve(more.max(LEAST_ROOM))?;
        }
        match engine.read(data.spare())? {
            // SAFETY: just read into it.
            Got::Bytes(count) => unsafe { data.advance(count) },
            Got::Again => break false,
            Got::End => break true,
        }
        if is_dry(engine)? {
            break false;
        }
    };
    let data = (data.len() > 0).then(|| data.finish()).transpose()?;
    Ok((data, ended))
}

/// Room for a read when nothing is known of how much comes.
const LEAST_ROOM: usize = 256;

/// Whether a read would give nothing, known without asking: being told costs an exception.
fn is_dry(engine: &Engine) -> Result<bool> {
    Ok(engine.incoming_size()? == 0 && engine.decrypted_size()? == 0)
}

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
        if filled > 0 && is_dry(engine)? {
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
