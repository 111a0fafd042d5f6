//! Small writes, held back until the callback or the step of a task that makes them ends, so that they go out
//! in one call.
//!
//! A server that writes the head of an answer and then its body would make two system calls of it, and two
//! packets. Whether a transport is going to write again nobody knows; that it did so in the callback before
//! is taken for a sign. So one that writes once at a time sends at once, as asyncio's does, and one that writes
//! several times has its pieces joined from the second on, and from the first on in the callbacks that follow,
//! until one of them writes once.
//!
//! Who asks the transport about itself, or ends it, sees what asyncio's would show, for then the pieces go out
//! first: `is_closing()`, `get_write_buffer_size()`, `drain()`, `write_eof()`, `close()`, `abort()` and the
//! private attributes. While the loop runs nothing, nothing is held back.

use std::cell::{Cell, RefCell};

use crate::compat::socket_descriptor::is_socket;
use crate::eventloop::{self, generation};
use crate::native::{Ref, Result, aside};
use crate::system::stream::{self, MOST_PIECES};

use super::fields::{TransportFields, fields};
use super::pending::Pending;
use super::reading::or_fatal;
use super::schedule::watch_or_end;
use super::writing::WRITE_FAILED;

/// More than this is worth a call of its own.
const MOST: usize = 16 * 1024;

/// What a loop knows of the transports that write while one entry of its ring runs.
#[derive(Default)]
pub struct Holding {
    /// Entries of the ring are being run, behind each of which [`Self::end_of_entry`] is called.
    pub open: Cell<bool>,
    /// The address of the transport that wrote last during this entry; zero if none did. Compared, never
    /// followed.
    writer: Cell<usize>,
    /// The transports that hold something back, in the order in which they began to.
    transports: RefCell<Vec<Ref>>,
    /// The process in which they began to, counted by `fork`.
    generation: Cell<u32>,
}

impl Holding {
    /// Whether there is something to do behind the entry that ran.
    #[inline]
    pub fn has_writer(&self) -> bool {
        self.writer.get() != 0
    }

    /// An entry is over; whether anything is held back.
    #[inline]
    pub fn end_of_entry(&self) -> bool {
        self.writer.set(0);
        !self.transports.borrow().is_empty()
    }

    /// Sends what is held back. What comes back are exceptions that end the program.
    pub fn release_all(&self) -> Result<()> {
        let inherited = self.generation.get() != generation();
        let mut outcome = Ok(());
        loop {
            let mut holding = self.transports.take();
            for transport in holding.drain(..) {
                let released = match inherited {
                    true => {
                        forget(&transport);
                        Ok(())
                    }
                    false => aside(|| release(&transport)),
                };
                outcome = outcome.and(released);
            }
            // Its memory is kept. Who heard of a failure may have written more meanwhile.
            let more = self.transports.replace(holding);
            if more.is_empty() {
                return outcome;
            }
            self.transports.replace(more);
        }
    }

    fn begin(&self, transport: &Ref) {
        if self.transports.borrow().is_empty() {
            self.generation.set(generation());
        }
        self.transports.borrow_mut().push(transport.clone());
    }
}

/// Whether a piece of so many bytes, in front of which nothing waits, is to be held back.
#[inline]
pub fn is_expected(transport: &Ref, own: &TransportFields, size: usize) -> bool {
    let Some(event_loop) = own.event_loop.get() else {
        return false;
    };
    let holding = &eventloop::data(&event_loop).holding;
    if !holding.open.get() {
        return false;
    }
    let address = transport.as_ptr() as usize;
    let again = holding.writer.replace(address) == address;
    if again {
        own.writes_often.set(true);
    } else if !own.writes_often.get() {
        return false;
    }
    // What fills the buffer pauses the protocol at once.
    if size > MOST || !own.flow.has_room_for(size) {
        return false;
    }
    // What is no socket of Python's need not have a call for many pieces.
    if !own.sock.get().is_some_and(|sock| is_socket(&sock)) {
        return false;
    }
    own.held_first.set(!again);
    own.holds.set(true);
    holding.begin(transport);
    true
}

/// Puts pieces behind what is held back, if anything is yet. All of it goes out if it is much.
pub fn hold(transport: &Ref, own: &TransportFields, pieces: &[Ref]) -> Result<()> {
    let pending = Pending::of_or_new(&own.pending)?;
    for piece in pieces {
        pending.push(piece, 0)?;
    }
    let size = pending.size();
    if size > MOST || pending.pieces() >= MOST_PIECES || !own.flow.has_room_for(size) {
        return release(transport);
    }
    Ok(())
}

/// Sends what is held back.
#[inline]
pub fn release(transport: &Ref) -> Result<()> {
    let own = fields(transport);
    if own.holds.replace(false) {
        return send(transport, own);
    }
    Ok(())
}

fn send(transport: &Ref, own: &TransportFields) -> Result<()> {
    let Some(pending) = Pending::of(&own.pending).filter(|pending| pending.size() > 0) else {
        return Ok(());
    };
    if own.held_first.get() && pending.pieces() == 1 {
        own.writes_often.set(false);
    }
    let Some(socket) = own.sock.get().filter(|_| own.conn_lost.get() == 0) else {
        pending.clear();
        return Ok(());
    };
    let sent = pending.with_slices(|slices| stream::send_all(&socket, slices));
    let Some(sent) = or_fatal(transport, sent, WRITE_FAILED)? else {
        return Ok(());
    };
    pending.advance(sent.unwrap_or(0));
    let left = pending.size();
    if left > 0 {
        // Nothing may be raised at the end of an entry of the ring, no matter whose fault it is.
        let watched = watch_or_end(transport, own, false);
        if or_fatal(transport, watched, WRITE_FAILED)? == Some(true) {
            own.flow.pause_if_full(transport, left)?;
        }
    }
    Ok(())
}

/// A forked child leaves to its parent what the parent held back.
#[cold]
fn forget(transport: &Ref) {
    let own = fields(transport);
    if own.holds.replace(false)
        && let Some(pending) = Pending::of(&own.pending)
    {
        pending.clear();
    }
}
