//! What TLS makes, on its way to the socket: ciphertext that comes in parts, and counts as one `write()`.

use crate::native::buffer::bytes;
use crate::native::{Ref, Result};
use crate::system::stream;

use super::direct;
use super::fields::{TransportFields, fields};
use super::held;
use super::pending::Pending;
use super::reading::or_fatal;
use super::schedule::watch_or_end;
use super::writing::{WRITE_FAILED, is_lost};

/// One `write()` of a stream transport.
pub struct Outlet<'a> {
    transport: &'a Ref,
    own: &'a TransportFields,
    state: State,
}

enum State {
    /// Nothing was written yet.
    Fresh,
    Open,
    /// The connection is lost, and so is what is written.
    Lost,
}

impl<'a> Outlet<'a> {
    /// That of a transport of which nothing that matters is the user's, and which may be written to.
    #[inline]
    pub fn of(transport: &'a Ref) -> Option<Self> {
        if !direct::has_own_write(transport) {
            return None;
        }
        let own = fields(transport);
        if own.eof.get() || own.empty_waiter.is_some() {
            return None;
        }
        Some(Self {
            transport,
            own,
            state: State::Fresh,
        })
    }

    /// Sends a part, or keeps it behind what waits already.
    pub fn write(&mut self, part: &[u8]) -> Result<()> {
        match self.state {
            State::Fresh if is_lost(self.own)? => {
                self.state = State::Lost;
                return Ok(());
            }
            State::Fresh | State::Open => {}
            State::Lost => return Ok(()),
        }
        let taken = self.take(part);
        self.state = match or_fatal(self.transport, taken, WRITE_FAILED)? {
            Some(true) => State::Open,
            Some(false) | None => State::Lost,
        };
        Ok(())
    }

    /// Whether that was possible; if not, the connection has ended.
    fn take(&self, part: &[u8]) -> Result<bool> {
        if self.own.holds.get() || self.is_held(part) {
            held::hold(self.transport, self.own, &[bytes(part)?])?;
            return Ok(self.own.conn_lost.get() == 0);
        }
        let mut sent = 0;
        if Pending::size_of(&self.own.pending) == 0 {
            let Some(socket) = self.own.sock.get() else {
                return Ok(true);
            };
            sent = stream::send_part(&socket, part)?.unwrap_or(0);
            if sent == part.len() {
                return Ok(true);
            }
            if !watch_or_end(self.transport, self.own, false)? {
                return Ok(false);
            }
        }
        let rest = bytes(&part[sent..])?;
        Pending::of_or_new(&self.own.pending)?.push(&rest, 0)?;
        Ok(true)
    }

    /// Whether the part is to be held back. A second one of the same write goes the way of the first.
    fn is_held(&self, part: &[u8]) -> bool {
        matches!(self.state, State::Fresh)
            && Pending::size_of(&self.own.pending) == 0
            && held::is_expected(self.transport, self.own, part.len())
    }

    /// All parts are written: pauses the protocol if too much waits.
    #[inline]
    pub fn finish(self) -> Result<()> {
        if let State::Open = self.state {
            let size = Pending::size_of(&self.own.pending);
            self.own.flow.pause_if_full(self.transport, size)?;
        }
        Ok(())
    }
}
