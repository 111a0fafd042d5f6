//! Where ciphertext is made and read: the user's own SSL object and its two BIOs.
//!
//! The methods of the C objects are called, those that `ssl.SSLObject` calls. Where an object is another one
//! (a mock, an object of a class that overrides something) asyncio's own code runs, which calls what is there.

use std::mem::MaybeUninit;

use pyo3::ffi;

use crate::compat::tls_behaviour;
use crate::imports::names;
use crate::native::buffer::{lend, lend_to_fill};
use crate::native::types::type_of_class;
use crate::native::{Raised, Ref, Result, integer, raised};

use super::fields::ProtocolFields;
use super::stock::{SSL_OBJECT, stock, take_again};

/// How a connection makes and reads ciphertext.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Nobody has looked yet.
    #[allow(dead_code)] // All zero bytes are this.
    Unknown = 0,
    /// By asyncio's own code.
    Stock,
    /// By calling the methods of the C objects.
    Methods,
}

/// What a read gave.
pub enum Got {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing before more ciphertext comes.
    Again,
    /// The peer has said that this was all (`close_notify`).
    End,
}

/// What a write did.
pub enum Put {
    /// Encrypted so many bytes, maybe not all.
    Bytes(usize),
    /// Nothing before more ciphertext comes.
    Again,
}

/// The objects of one connection, kept alive while they are used.
pub struct Engine {
    /// The `_ssl._SSLSocket`.
    inner: Ref,
    incoming: Ref,
    outgoing: Ref,
}

impl Engine {
    /// That of a connection; nothing if asyncio's own code has to do it.
    #[inline]
    pub fn of(own: &ProtocolFields) -> Result<Option<Self>> {
        if own.engine.get() == Kind::Unknown {
            own.engine.set(look(own)?);
        }
        if own.engine.get() == Kind::Stock {
            return Ok(None);
        }
        let objects = (own.inner.get(), own.incoming.get(), own.outgoing.get());
        let (Some(inner), Some(incoming), Some(outgoing)) = objects else {
            return Ok(None);
        };
        let ssl_object = own.ssl_object.get();
        // Somebody may patch the class at any time.
        let usable =
            ssl_object.is_some_and(|object| SSL_OBJECT.is_class_unchanged(object.type_ptr()));
        Ok(usable.then_some(Self {
            inner,
            incoming,
            outgoing,
        }))
    }

    /// Puts ciphertext from the peer where it is read from.
    pub fn feed(&self, ciphertext: &[u8]) -> Result<()> {
        lend(ciphertext, |view| {
            self.incoming.call_method(&names().write, [view])
        })
        .map(drop)
    }

    /// How many bytes of ciphertext from the peer were not read yet.
    pub fn incoming_size(&self) -> Result<usize> {
        pending(&self.incoming)
    }

    /// How many bytes of ciphertext wait to be sent.
    pub fn outgoing_size(&self) -> Result<usize> {
        pending(&self.outgoing)
    }

    /// How many bytes are decrypted already, and will be read next.
    pub fn decrypted_size(&self) -> Result<usize> {
        size(&self.inner.call_method(&names().pending, [])?)
    }

    /// Decrypts into `memory`, which is not empty: at most what is in one record.
    pub fn read(&self, memory: &mut [MaybeUninit<u8>]) -> Result<Got> {
        let most = integer(memory.len() as u64)?;
        let read = lend_to_fill(memory, |view| {
            self.inner.call_method(&names().read, [&most, view])
        });
        match read {
            Ok(count) => Ok(match size(&count)? {
                0 => Got::End,
                count => Got::Bytes(count),
            }),
            Err(Raised) if take_again() => Ok(Got::Again),
            Err(Raised) => Err(Raised),
        }
    }

    /// `read(len(buffer), buffer)`, for what it raises.
    #[cold]
    pub fn read_into_object(&self, buffer: &Ref) -> Result<Ref> {
        // SAFETY: live.
        let length = unsafe { ffi::PyObject_Size(buffer.as_ptr()) };
        if length < 0 {
            return Err(Raised);
        }
        let length = integer(length as u64)?;
        self.inner.call_method(&names().read, [&length, buffer])
    }

    /// Encrypts the beginning of `data`: one record, or all of it.
    pub fn write(&self, data: &[u8]) -> Result<Put> {
        let written = lend(data, |view| self.inner.call_method(&names().write, [view]));
        match written {
            Ok(count) => Ok(Put::Bytes(size(&count)?)),
            Err(Raised) if take_again() => Ok(Put::Again),
            Err(Raised) => Err(Raised),
        }
    }

    /// Takes all ciphertext that waits to be sent, a `bytes`.
    pub fn take_outgoing(&self) -> Result<Ref> {
        self.outgoing.call_method(&names().read, [])
    }
}

/// Finds out how a connection makes and reads ciphertext.
#[cold]
fn look(own: &ProtocolFields) -> Result<Kind> {
    let objects = (own.ssl_object.get(), own.incoming.get(), own.outgoing.get());
    let (Some(ssl_object), Some(incoming), Some(outgoing)) = objects else {
        return Ok(Kind::Stock);
    };
    let bio = type_of_class(&stock().memory_bio);
    if !tls_behaviour::ssl_objects_are_known()
        || !ssl_object.is_instance(type_of_class(&stock().ssl_object))
        || !SSL_OBJECT.is_unchanged(&ssl_object)
        || !incoming.is_exact(bio)
        || !outgoing.is_exact(bio)
    {
        return Ok(Kind::Stock);
    }
    let inner = ssl_object.getattr(&names().sslobj)?;
    if !inner.is_exact(type_of_class(&stock().ssl_socket)) {
        return Ok(Kind::Stock);
    }
    own.inner.set(inner);
    Ok(Kind::Methods)
}

/// `bio.pending`
fn pending(bio: &Ref) -> Result<usize> {
    size(&bio.getattr(&names().pending)?)
}

/// An `int` as a size.
fn size(number: &Ref) -> Result<usize> {
    // SAFETY: live.
    let size = unsafe { ffi::PyLong_AsSize_t(number.as_ptr()) };
    if size == usize::MAX && raised() {
        return Err(Raised);
    }
    Ok(size)
}
