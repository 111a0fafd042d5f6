//! The OpenSSL that Python's own `_ssl` module uses, and where its objects keep theirs.
//!
//! The functions are looked up in the library that is loaded already, through the very module that uses it, so they
//! are those that Python itself calls. Where Python's objects keep the `SSL` and the `BIO` is not assumed: OpenSSL
//! tells what it makes while Python makes some objects, and these pointers are looked for in them. Then it is tried
//! out whether all of it works as expected. That happens when the first TLS connection is made (it takes OpenSSL a
//! millisecond to get ready, which not every program should pay for). Where anything is not as expected (a Python
//! that has OpenSSL inside of it, another library, another version, other objects), no pointer is followed, and the
//! methods of the Python objects are called instead.
//!
//! [`functions`] looks the functions up, [`told`] is how OpenSSL tells, [`specimen`] has the objects that are looked
//! at, [`driven`] is a connection that is driven by the functions, [`window`] what it may read from and write to
//! meanwhile.

mod driven;
mod functions;
mod specimen;
mod told;
mod window;

use std::ffi::{CStr, c_int, c_void};

use crate::native::{Raised, Ref, Result, string, take_raised, text_of};
use crate::statics::GilCell;

pub use driven::{Driven, Outcome};
use functions::{Functions, functions_behind};
use specimen::{Specimens, word};
use window::Windows;

/// The library, and where Python keeps what belongs to it.
pub struct Library {
    functions: &'static Functions,
    windows: Windows,
    /// Offset of the `SSL` in an `_ssl._SSLSocket`.
    ssl_at: usize,
    /// Offset of the `BIO` in an `ssl.MemoryBIO`.
    bio_at: usize,
}

/// The library, if it may be used; nothing before anybody has asked for it.
static LIBRARY: GilCell<Option<Option<&'static Library>>> = GilCell::new(None);

/// The library, if it was found.
#[inline]
pub fn found() -> Option<&'static Library> {
    LIBRARY.get().flatten()
}

/// The library, if it may be used. `ssl` is the module.
pub fn library(ssl: &Ref) -> Option<&'static Library> {
    if let Some(found) = LIBRARY.get() {
        return found;
    }
    let found = Library::find(ssl).unwrap_or_else(|Raised| {
        drop(take_raised());
        None
    });
    LIBRARY.set(Some(found));
    found
}

impl Library {
    fn find(ssl: &Ref) -> Result<Option<&'static Self>> {
        let module = ssl.getattr(&string("_ssl")?)?;
        let Some(functions) = functions_behind(&module)? else {
            return Ok(None);
        };
        if !is_known(&functions, &module)? {
            return Ok(None);
        }
        // Looked for once, and kept for good, as is what is made of them.
        let functions: &Functions = Box::leak(Box::new(functions));
        let Some(specimens) = Specimens::make(&module, functions)? else {
            return Ok(None);
        };
        let Some((ssl_at, bio_at)) = specimens.find_pointers() else {
            return Ok(None);
        };
        let Some(windows) = Windows::make(functions) else {
            return Ok(None);
        };
        let library: &Self = Box::leak(Box::new(Self {
            functions,
            windows,
            ssl_at,
            bio_at,
        }));
        Ok(specimens.agree(library)?.then_some(library))
    }

    /// What is inside of an `_ssl._SSLSocket` and of two `ssl.MemoryBIO`, if the one uses the others.
    pub fn connection(&self, inner: &Ref, incoming: &Ref, outgoing: &Ref) -> Option<Connection> {
        // SAFETY: the caller passes objects of these exact types, which have the words at these offsets.
        let connection = unsafe {
            Connection {
                ssl: word(inner, self.ssl_at),
                reads: word(incoming, self.bio_at),
                writes: word(outgoing, self.bio_at),
            }
        };
        if connection.ssl.is_null() || connection.reads.is_null() || connection.writes.is_null() {
            return None;
        }
        // SAFETY: a live `SSL`, which `inner` owns.
        let (reads, writes) = unsafe {
            (
                (self.functions.SSL_get_rbio)(connection.ssl),
                (self.functions.SSL_get_wbio)(connection.ssl),
            )
        };
        let its_own = reads == connection.reads && writes == connection.writes;
        (its_own && reads != writes).then_some(connection)
    }
}

/// `OPENSSL_VERSION`
const VERSION: c_int = 0;

/// Whether a library is the one whose version Python's module gives, and of a kind that was tried out: others that
/// have these functions (LibreSSL, AWS-LC) differ in what they do.
fn is_known(functions: &Functions, module: &Ref) -> Result<bool> {
    // SAFETY: a static string, for all time.
    let version = unsafe { CStr::from_ptr((functions.OpenSSL_version)(VERSION)) };
    let said = module.getattr(&string("OPENSSL_VERSION")?)?;
    Ok(version.to_bytes().starts_with(b"OpenSSL 3.")
        && version.to_bytes() == text_of(&said)?.as_bytes())
}

/// What OpenSSL knows of one connection; all zero bytes are none. The pointers are good for as long as the
/// `_ssl._SSLSocket` lives from which they were taken: it owns the `SSL`, and that its BIOs.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Connection {
    ssl: *mut c_void,
    reads: *mut c_void,
    writes: *mut c_void,
}
