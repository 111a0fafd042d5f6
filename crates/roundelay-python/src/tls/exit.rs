//! The way of data from the user's protocol to the transport: encrypted, and handed over in parts.

use crate::compat::openssl::Outcome;
use crate::imports::names;
use crate::native::buffer::{BufferView, bytes, content};
use crate::native::{Raised, Ref, Result};
use crate::transports::outlet::Outlet;

use super::engine::{Engine, Put};
use super::fields::ProtocolFields;

/// How much is encrypted before it goes to the transport, while there is more: whole records, as much as stays in the
/// cache.
const PART: usize = 256 * 1024;

/// From so much data on it is worth the while to open a window for OpenSSL.
const WORTH_A_WINDOW: usize = 4096;

/// The way of ciphertext to the transport. All that goes through it is one write.
pub struct Exit<'a> {
    own: &'a ProtocolFields,
    engine: &'a Engine,
    transport: &'a Ref,
    /// That of the transport, if it is one that takes parts.
    outlet: Option<Outlet<'a>>,
    /// Ciphertext that is no longer in the BIO, or never was, and comes before what is there.
    part: &'a mut Vec<u8>,
    /// How much data was encrypted since something was handed over.
    encrypted: usize,
}

/// How far a piece came.
pub enum Progress {
    Whole,
    Part,
}

impl<'a> Exit<'a> {
    #[inline]
    pub fn of(
        own: &'a ProtocolFields,
        engine: &'a Engine,
        transport: &'a Ref,
        part: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            own,
            engine,
            transport,
            outlet: Outlet::of(transport),
            part,
            encrypted: 0,
        }
    }

    /// Encrypts the beginning of `data` past the BIO; nothing if it may not pass it.
    fn encrypt_through_window(&mut self, data: &[u8]) -> Option<Outcome> {
        let Engine::Driven(driven) = self.engine else {
            return None;
        };
        if data.len() < WORTH_A_WINDOW || self.own.ssl_writing_paused.get() {
            return None;
        }
        driven.take_outgoing(self.part);
        driven.writing_into(self.part, || driven.write(data))
    }

    /// Encrypts one piece: how much of it, and whether that is all.
    pub fn encrypt(&mut self, piece: &Ref) -> (usize, Result<Progress>) {
        let view;
        let exported = match content(piece) {
            Some(_) => None,
            None => match BufferView::readable(piece) {
                Ok(exported) => {
                    view = exported;
                    Some(&view)
                }
                Err(Raised) => return (0, Err(Raised)),
            },
        };
        let mut done = 0;
        loop {
            // Looked up each time: Python code that runs in between may change what can be changed.
            let data =
                exported.map_or_else(|| content(piece).unwrap_or_default(), BufferView::bytes);
            if done >= data.len() {
                return (done, Ok(Progress::Whole));
            }
            match self.step(&data[done..data.len().min(done + PART)]) {
                Ok(Put::Bytes(count)) => done += count,
                Ok(Put::Again) => return (done, Ok(Progress::Part)),
                Err(Raised) => return (done, Err(Raised)),
            }
        }
    }

    /// Encrypts the beginning of `data`, and hands over what is ready if it is much.
    #[inline]
    fn step(&mut self, data: &[u8]) -> Result<Put> {
        let put = match self.encrypt_through_window(data) {
            None => self.engine.write(data)?,
            Some(outcome) => self.engine.put(outcome, data)?,
        };
        if let Put::Bytes(count) = put {
            self.encrypted += count;
            if self.encrypted >= PART {
                self.hand_over()?;
            }
        }
        Ok(put)
    }

    fn hand_over(&mut self) -> Result<()> {
        self.encrypted = 0;
        if let Some(outlet) = &mut self.outlet
            && !self.own.ssl_writing_paused.get()
        {
            self.engine.take_outgoing(self.part)?;
            outlet.write(self.part)?;
            self.part.clear();
        }
        Ok(())
    }

    /// Hands over the rest, unless the transport has enough; how much ciphertext stays in the BIO.
    #[inline]
    pub fn finish(mut self) -> Result<usize> {
        let left = if self.own.ssl_writing_paused.get() {
            self.engine.outgoing_size()?
        } else {
            self.engine.take_outgoing(self.part)?;
            0
        };
        if !self.part.is_empty() {
            match &mut self.outlet {
                Some(outlet) => outlet.write(self.part)?,
                None => {
                    let whole = bytes(self.part)?;
                    self.transport.call_method(&names().write, [&whole])?;
                }
            }
        }
        if let Some(outlet) = self.outlet {
            outlet.finish()?;
        }
        Ok(left)
    }
}
