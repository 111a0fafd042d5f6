//! Where ciphertext is made and read: the user's own SSL object and its two BIOs.
//!
//! OpenSSL's functions are called on what is inside of these objects, or, where that is not known, the methods that
//! `ssl.SSLObject` calls. Where an object is another one (a mock, an object of a class that overrides something)
//! asyncio's own code runs, which calls what is there.

use std::mem::MaybeUninit;

use pyo3::ffi;

use crate::compat::openssl::{self, Driven, Outcome};
use crate::compat::tls_behaviour;
use crate::imports::names;
use crate::native::buffer::{content, lend, lend_to_fill};
use crate::native::types::type_of_class;
use crate::native::{Raised, Ref, Result, integer, raised, string};

use super::fields::{ProtocolFields, plain};
use super::stock::{SSL_OBJECT, or_else, stock, take_again};

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
    /// By calling OpenSSL's functions.
    Driven,
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

/// What drives one connection, kept alive while it is used.
pub enum Engine {
    Driven(Driven),
    /// The `_ssl._SSLSocket` and the two BIOs.
    Methods {
        inner: Ref,
        incoming: Ref,
        outgoing: Ref,
    },
}

impl Engine {
    /// That of a connection; nothing if asyncio's own code has to do it.
    #[inline]
    pub fn of(own: &ProtocolFields) -> Result<Option<Self>> {
        if own.engine.get() == Kind::Unknown {
            look(own)?;
        }
        let ssl_object = own.ssl_object.get();
        // Somebody may patch the class at any time.
        let usable =
            ssl_object.is_some_and(|object| SSL_OBJECT.is_class_unchanged(object.type_ptr()));
        let (true, Some(inner)) = (usable, own.inner.get()) else {
            return Ok(None);
        };
        let inner = match own.engine.get() {
            Kind::Driven => {
                let Some(library) = openssl::found() else {
                    return Ok(None);
                };
                // SAFETY: `look` took it from this object.
                let driven = unsafe { Driven::new(library, own.connection.get(), inner) };
                if !driven.is_logged() {
                    return Ok(Some(Self::Driven(driven)));
                }
                driven.into_inner()
            }
            Kind::Methods => inner,
            Kind::Unknown | Kind::Stock => return Ok(None),
        };
        Ok(match (own.incoming.get(), own.outgoing.get()) {
            (Some(incoming), Some(outgoing)) => Some(Self::Methods {
                inner,
                incoming,
                outgoing,
            }),
            _ => None,
        })
    }

    /// Puts ciphertext from the peer where it is read from.
    pub fn feed(&self, ciphertext: &[u8]) -> Result<()> {
        match self {
            Self::Driven(driven) if driven.feed(ciphertext) => Ok(()),
            // SAFETY: attached; raises, and returns null.
            Self::Driven(_) => unsafe {
                ffi::PyErr_NoMemory();
                Err(Raised)
            },
            Self::Methods { incoming, .. } => lend(ciphertext, |view| {
                incoming.call_method(&names().write, [view])
            })
            .map(drop),
        }
    }

    /// How many bytes of ciphertext from the peer were not read yet.
    #[inline]
    pub fn incoming_size(&self) -> Result<usize> {
        match self {
            Self::Driven(driven) => Ok(driven.incoming_size()),
            Self::Methods { incoming, .. } => pending(incoming),
        }
    }

    /// How many bytes of ciphertext wait to be sent.
    #[inline]
    pub fn outgoing_size(&self) -> Result<usize> {
        match self {
            Self::Driven(driven) => Ok(driven.outgoing_size()),
            Self::Methods { outgoing, .. } => pending(outgoing),
        }
    }

    /// How many bytes are decrypted already, and will be read next.
    pub fn decrypted_size(&self) -> Result<usize> {
        match self {
            Self::Driven(driven) => Ok(driven.decrypted_size()),
            Self::Methods { inner, .. } => size(&inner.call_method(&names().pending, [])?),
        }
    }

    /// Whether a read would give nothing, known without asking: being told may cost an exception.
    #[inline]
    pub fn is_dry(&self) -> Result<bool> {
        match self {
            Self::Driven(driven) => Ok(driven.is_dry()),
            Self::Methods { .. } => Ok(self.incoming_size()? == 0 && self.decrypted_size()? == 0),
        }
    }

    /// Decrypts into `memory`, which is not empty: at most what is in one record.
    #[inline]
    pub fn read(&self, memory: &mut [MaybeUninit<u8>]) -> Result<Got> {
        match self {
            Self::Driven(driven) => match driven.read(memory) {
                Outcome::Bytes(count) => Ok(Got::Bytes(count)),
                Outcome::Again => Ok(Got::Again),
                Outcome::End => Ok(Got::End),
                // Python's own method finds the error, and raises it in its own words.
                Outcome::Failed => read_by_method(driven.inner(), memory),
            },
            Self::Methods { inner, .. } => read_by_method(inner, memory),
        }
    }

    /// The same, by Python's own method.
    pub fn ask(&self, memory: &mut [MaybeUninit<u8>]) -> Result<Got> {
        read_by_method(self.inner(), memory)
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
        self.inner().call_method(&names().read, [&length, buffer])
    }

    fn inner(&self) -> &Ref {
        match self {
            Self::Driven(driven) => driven.inner(),
            Self::Methods { inner, .. } => inner,
        }
    }

    /// Encrypts the beginning of `data`, which is not empty: one record, or all of it.
    #[inline]
    pub fn write(&self, data: &[u8]) -> Result<Put> {
        match self {
            Self::Driven(driven) => self.put(driven.write(data), data),
            Self::Methods { inner, .. } => write_by_method(inner, data),
        }
    }

    /// What a write of `data` by OpenSSL's function did.
    #[inline]
    pub fn put(&self, outcome: Outcome, data: &[u8]) -> Result<Put> {
        match outcome {
            Outcome::Bytes(count) => Ok(Put::Bytes(count)),
            Outcome::Again => Ok(Put::Again),
            // Python's own method finds the error, and raises it in its own words.
            Outcome::End | Outcome::Failed => write_by_method(self.inner(), data),
        }
    }

    /// Moves all ciphertext that waits to be sent behind what is in `taken`.
    pub fn take_outgoing(&self, taken: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Driven(driven) => driven.take_outgoing(taken),
            Self::Methods { outgoing, .. } => {
                let ciphertext = outgoing.call_method(&names().read, [])?;
                taken.extend_from_slice(content(&ciphertext).unwrap_or_default());
            }
        }
        Ok(())
    }
}

#[cold]
fn read_by_method(inner: &Ref, memory: &mut [MaybeUninit<u8>]) -> Result<Got> {
    let most = integer(memory.len() as u64)?;
    let read = lend_to_fill(memory, |view| {
        inner.call_method(&names().read, [&most, view])
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

#[cold]
fn write_by_method(inner: &Ref, data: &[u8]) -> Result<Put> {
    let written = lend(data, |view| inner.call_method(&names().write, [view]));
    match written {
        Ok(count) => Ok(Put::Bytes(size(&count)?)),
        Err(Raised) if take_again() => Ok(Put::Again),
        Err(Raised) => Err(Raised),
    }
}

/// The fields and the engine of a protocol, if asyncio's own code need not run.
#[inline]
pub fn usable(protocol: &Ref) -> Result<Option<(&ProtocolFields, Engine)>> {
    let Some(own) = plain(protocol) else {
        return Ok(None);
    };
    Ok(Engine::of(own)?.map(|engine| (own, engine)))
}

/// Finds out how a connection makes and reads ciphertext. Called when its SSL object is made, and again where
/// somebody replaces one of the objects.
#[cold]
pub fn look(own: &ProtocolFields) -> Result<()> {
    // What is so strange that it cannot be looked at is left to asyncio's own code.
    let kind = or_else(kind(own), |_| Ok(Kind::Stock))?;
    own.engine.set(kind);
    Ok(())
}

fn kind(own: &ProtocolFields) -> Result<Kind> {
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
    own.inner.set(inner.clone());
    let connection = match openssl::library(&stock().ssl) {
        Some(library) if !is_watched(&inner)? => library.connection(&inner, &incoming, &outgoing),
        _ => None,
    };
    Ok(match connection {
        Some(connection) => {
            own.connection.set(connection);
            Kind::Driven
        }
        None => Kind::Methods,
    })
}

/// Whether Python code hears of each message: what it raises is known to the methods of the C object alone. (That
/// is decided when the object is made; later the context may have a callback or none.)
fn is_watched(inner: &Ref) -> Result<bool> {
    let context = inner.getattr(&string("context")?)?;
    let callback = stock()
        .msg_callback
        .call_method(&string("__get__")?, [&context])?;
    Ok(!callback.is_none())
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
