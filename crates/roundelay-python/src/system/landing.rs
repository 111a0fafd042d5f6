//! Where what is read lands: in a buffer, from which it is copied to an object of its size.

use std::cell::RefCell;

use rustix::net::{self, RecvFlags};

use crate::compat::socket_descriptor::is_socket;
use crate::native::buffer::content;
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
        self.look_at_socket(socket, most, |data| self.bytes(data))?
            .transpose()
    }

    /// The same of bytes that need not become an object: what `look` makes of them.
    pub fn look<T>(
        &self,
        socket: &Ref,
        most: usize,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Now<T>> {
        if !is_socket(socket) {
            let data = call_method(socket, "recv", &integer(most as u64)?)?;
            return Ok(data.map(|data| look(content(&data).unwrap_or_default())));
        }
        self.look_at_socket(socket, most, look)
    }

    #[inline]
    fn look_at_socket<T>(
        &self,
        socket: &Ref,
        most: usize,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Now<T>> {
        self.lend(most, |buffer| {
            let size = call(socket, |fd| {
                Ok(net::recv(fd, &mut *buffer, RecvFlags::DONTWAIT)?.1)
            })?;
            Ok(size.map(|size| look(&buffer[..size])))
        })
    }

    /// Gives `read` a buffer of `most` bytes, whose content means nothing.
    #[inline]
    pub fn lend<T>(&self, most: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
        let mut buffer = self.buffer.take();
        if buffer.len() < most {
            // Memory of its own, so that the system need not touch what is never used.
            buffer = vec![0; most];
        }
        let outcome = read(&mut buffer[..most]);
        self.buffer.replace(buffer);
        outcome
    }

    /// A `bytes` object of what was read.
    #[inline]
    pub fn bytes(&self, data: &[u8]) -> Result<Ref> {
        self.recycled.bytes(data)
    }
}
