//! Where what is received lands: in a buffer, from which it is copied to an object of its size.

use std::cell::RefCell;

use rustix::net::{self, RecvFlags};

use crate::compat::socket_descriptor::is_socket;
use crate::native::recycled::Recycled;
use crate::native::{Ref, Result, integer};

use super::stream::call_method;
use super::{Now, call};

/// Kept by a loop, for its memory.
#[derive(Default)]
pub struct Landing {
    /// What is in it means nothing.
    buffer: RefCell<Vec<u8>>,
    recycled: Recycled,
}

impl Landing {
    /// `socket.recv(most)`
    pub fn receive(&self, socket: &Ref, most: usize) -> Result<Now<Ref>> {
        if !is_socket(socket) {
            return call_method(socket, "recv", &integer(most as u64)?);
        }
        let received = self.land(most, |buffer| {
            call(socket, |fd| {
                let (_, size) = net::recv(fd, buffer, RecvFlags::DONTWAIT)?;
                Ok((size, ()))
            })
        })?;
        Ok(received.map(|(data, ())| data))
    }

    /// What `receive` puts at the beginning of a buffer of `most` bytes. It says how much that is, and
    /// whatever else there is to say.
    #[inline]
    pub fn land<T>(
        &self,
        most: usize,
        receive: impl FnOnce(&mut [u8]) -> Result<Now<(usize, T)>>,
    ) -> Result<Now<(Ref, T)>> {
        let mut buffer = self.buffer.take();
        if buffer.len() < most {
            // Memory of its own, so that the system need not touch what is never used.
            buffer = vec![0; most];
        }
        let outcome = receive(&mut buffer[..most]).and_then(|received| {
            received
                .map(|(size, rest)| Ok((self.recycled.bytes(&buffer[..size])?, rest)))
                .transpose()
        });
        self.buffer.replace(buffer);
        outcome
    }
}
