//! A connection that is driven by OpenSSL's functions.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use crate::native::Ref;

use super::functions::Functions;
use super::window::Windows;
use super::{Connection, Library};

/// `SSL_ERROR_WANT_READ`
const WANT_READ: c_int = 2;
/// `SSL_ERROR_ZERO_RETURN`
const ZERO_RETURN: c_int = 6;
/// `SSL_RECEIVED_SHUTDOWN`
const RECEIVED_SHUTDOWN: c_int = 2;

/// Room for what one record becomes, and a little more.
const ROOM: usize = 20 * 1024;

/// What a read or a write came to.
pub enum Outcome {
    /// So many bytes, at least one.
    Bytes(usize),
    /// More ciphertext is needed.
    Again,
    /// The peer has said that this was all.
    End,
    /// Something else. What it was is in OpenSSL's queue of errors, where Python's own method finds it when it is
    /// called next.
    Failed,
}

/// A connection that is driven without Python in between. Nobody else uses its objects meanwhile: the GIL is held,
/// and an SSL object belongs to the thread of its event loop.
pub struct Driven {
    pub(super) functions: &'static Functions,
    pub(super) windows: &'static Windows,
    pub(super) connection: Connection,
    /// The `_ssl._SSLSocket`, which keeps the pointers good.
    inner: Ref,
}

impl Driven {
    /// Drives `connection`.
    ///
    /// # Safety
    /// It was taken from `inner`.
    #[inline]
    pub unsafe fn new(library: &'static Library, connection: Connection, inner: Ref) -> Self {
        Self {
            functions: library.functions,
            windows: &library.windows,
            connection,
            inner,
        }
    }

    /// Whether the secrets of the connection are written to a file. That is Python's affair: it lets go of the GIL,
    /// and what it raises is known to the methods of its objects alone.
    #[inline]
    pub fn is_logged(&self) -> bool {
        // SAFETY: a live `SSL`, which has a context.
        unsafe {
            let context = (self.functions.SSL_get_SSL_CTX)(self.connection.ssl);
            (self.functions.SSL_CTX_get_keylog_callback)(context).is_some()
        }
    }

    /// The `_ssl._SSLSocket`.
    pub fn into_inner(self) -> Ref {
        self.inner
    }

    /// The `_ssl._SSLSocket`.
    pub fn inner(&self) -> &Ref {
        &self.inner
    }

    /// How many bytes of ciphertext were not read yet.
    #[inline]
    pub fn incoming_size(&self) -> usize {
        // SAFETY: a live `SSL`, as for all calls below, and its BIO: its own, or that of a window.
        unsafe {
            let reads = (self.functions.SSL_get_rbio)(self.connection.ssl);
            (self.functions.BIO_ctrl_pending)(reads)
        }
    }

    /// How many bytes of ciphertext wait to be sent.
    #[inline]
    pub fn outgoing_size(&self) -> usize {
        // SAFETY: as above.
        unsafe { (self.functions.BIO_ctrl_pending)(self.connection.writes) }
    }

    /// Whether a read would give nothing: there is no ciphertext, and nothing of it inside of the SSL object.
    #[inline]
    pub fn is_dry(&self) -> bool {
        // SAFETY: as above.
        self.incoming_size() == 0
            && unsafe { (self.functions.SSL_has_pending)(self.connection.ssl) } == 0
    }

    /// How many bytes are decrypted already.
    pub fn decrypted_size(&self) -> usize {
        // SAFETY: as above.
        let size = unsafe { (self.functions.SSL_pending)(self.connection.ssl) };
        usize::try_from(size).unwrap_or(0)
    }

    /// Adds ciphertext from the peer; false if there is no memory for it.
    pub fn feed(&self, ciphertext: &[u8]) -> bool {
        ciphertext.chunks(c_int::MAX as usize).all(|part| {
            let size = part.len() as c_int;
            // SAFETY: as above; memory of this size.
            let written = unsafe {
                (self.functions.BIO_write)(self.connection.reads, part.as_ptr().cast(), size)
            };
            written == size
        })
    }

    /// Decrypts into `memory`, which is not empty.
    #[inline]
    pub fn read(&self, memory: &mut [MaybeUninit<u8>]) -> Outcome {
        self.forget_errors();
        let mut count = 0;
        // SAFETY: as above; memory of this size, which OpenSSL fills with `count` bytes.
        let done = unsafe {
            (self.functions.SSL_read_ex)(
                self.connection.ssl,
                memory.as_mut_ptr().cast(),
                memory.len(),
                &mut count,
            )
        };
        self.outcome(done, count)
    }

    /// Encrypts the beginning of `data`, which is not empty.
    #[inline]
    pub fn write(&self, data: &[u8]) -> Outcome {
        self.forget_errors();
        let mut count = 0;
        // SAFETY: as above; memory of this size, which OpenSSL reads.
        let done = unsafe {
            (self.functions.SSL_write_ex)(
                self.connection.ssl,
                data.as_ptr().cast(),
                data.len(),
                &mut count,
            )
        };
        self.outcome(done, count)
    }

    /// The queue of errors belongs to the thread, and may have some of whoever used OpenSSL before.
    #[inline]
    fn forget_errors(&self) {
        // SAFETY: these take no arguments.
        unsafe {
            if (self.functions.ERR_peek_error)() != 0 {
                (self.functions.ERR_clear_error)();
            }
        }
    }

    #[inline]
    fn outcome(&self, done: c_int, count: usize) -> Outcome {
        if done == 1 && count > 0 {
            return Outcome::Bytes(count);
        }
        let ssl = self.connection.ssl;
        // SAFETY: as above.
        unsafe {
            match (self.functions.SSL_get_error)(ssl, done) {
                WANT_READ => Outcome::Again,
                ZERO_RETURN if (self.functions.SSL_get_shutdown)(ssl) == RECEIVED_SHUTDOWN => {
                    Outcome::End
                }
                _ => Outcome::Failed,
            }
        }
    }

    /// Moves ciphertext that waits to be sent behind what is in `taken`.
    pub fn take_outgoing(&self, taken: &mut Vec<u8>) {
        loop {
            taken.reserve(ROOM);
            let room = taken.spare_capacity_mut();
            let size = room.len().min(c_int::MAX as usize);
            // SAFETY: as above; there is room for so many bytes, and OpenSSL says how many it filled.
            unsafe {
                let count = (self.functions.BIO_read)(
                    self.connection.writes,
                    room.as_mut_ptr().cast(),
                    size as c_int,
                );
                let count = usize::try_from(count).unwrap_or(0);
                taken.set_len(taken.len() + count.min(size));
                if count < size {
                    return;
                }
            }
        }
    }
}
