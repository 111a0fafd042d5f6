//! asyncio's own TLS classes, their methods, and the classes of `ssl` that they use.

use pyo3::ffi;

use crate::compat::unchanged::Unchanged;
use crate::imports::module;
use crate::native::{Raised, Ref, Result, string, take_raised};
use crate::statics::Once;

static STOCK: Once<Stock> = Once::new();

/// What native code relies on in an `ssl.SSLObject`: that each of these methods does nothing but call the one
/// of the same name of the C object behind it.
pub static SSL_OBJECT: Unchanged = Unchanged::new(&["read", "write", "pending"], &[]);

/// asyncio's own classes and methods.
#[inline]
pub fn stock() -> &'static Stock {
    STOCK.get()
}

macro_rules! stock {
    ($($(#[$meta:meta])* $field:ident = $($name:literal).+;)*) => {
        /// Objects of `asyncio.sslproto`, and what it has from `ssl`.
        pub struct Stock {
            $($(#[$meta])* pub $field: Ref,)*
        }

        impl Stock {
            fn of(sslproto: &Ref) -> Result<Self> {
                Ok(Self { $($field: {
                    let object = sslproto.clone();
                    $(let object = object.getattr(&string($name)?)?;)+
                    object
                },)* })
            }
        }
    };
}

stock! {
    protocol = "SSLProtocol";
    transport = "_SSLProtocolTransport";
    create_context = "_create_transport_context";
    constants = "constants";
    /// What is raised if more ciphertext is needed: a tuple of classes.
    again_errors = "SSLAgainErrors";
    ssl = "ssl";
    ssl_object = "ssl" . "SSLObject";
    memory_bio = "ssl" . "MemoryBIO";
    /// The class of the C object behind an `ssl.SSLObject`.
    ssl_socket = "ssl" . "_ssl" . "_SSLSocket";
    /// What is called with each message of the connections of a context: the attribute of the C object, where
    /// nobody can have put another.
    msg_callback = "ssl" . "_ssl" . "_SSLContext" . "_msg_callback";
    unwrapped = "SSLProtocolState" . "UNWRAPPED";
    do_handshake = "SSLProtocolState" . "DO_HANDSHAKE";
    wrapped = "SSLProtocolState" . "WRAPPED";
    flushing = "SSLProtocolState" . "FLUSHING";
    shutdown = "SSLProtocolState" . "SHUTDOWN";
    app_init = "AppProtocolState" . "STATE_INIT";
    app_connection_made = "AppProtocolState" . "STATE_CON_MADE";
    init = "SSLProtocol" . "__init__";
    connection_lost = "SSLProtocol" . "connection_lost";
    pause_writing = "SSLProtocol" . "pause_writing";
    resume_writing = "SSLProtocol" . "resume_writing";
    write_appdata = "SSLProtocol" . "_write_appdata";
    do_write = "SSLProtocol" . "_do_write";
    process_outgoing = "SSLProtocol" . "_process_outgoing";
    do_read = "SSLProtocol" . "_do_read";
    do_read_buffered = "SSLProtocol" . "_do_read__buffered";
    do_read_copied = "SSLProtocol" . "_do_read__copied";
    control_app_writing = "SSLProtocol" . "_control_app_writing";
    control_ssl_reading = "SSLProtocol" . "_control_ssl_reading";
    transport_init = "_SSLProtocolTransport" . "__init__";
    transport_write = "_SSLProtocolTransport" . "write";
    transport_writelines = "_SSLProtocolTransport" . "writelines";
    transport_is_closing = "_SSLProtocolTransport" . "is_closing";
}

/// Fetches everything; false if this Python has no `ssl`.
pub fn fetch() -> Result<bool> {
    let sslproto = module(c"asyncio.sslproto")?;
    let ssl = sslproto.getattr(&string("ssl")?)?;
    if ssl.is_none() {
        return Ok(false);
    }
    STOCK.set(Stock::of(&sslproto)?);
    SSL_OBJECT.prepare(&stock().ssl_object)?;
    Ok(true)
}

/// Takes what was raised away if it says that more ciphertext is needed; false if it is something else, which
/// stays.
pub fn take_again() -> bool {
    let again = stock().again_errors.as_ptr();
    // SAFETY: a live tuple of exception classes; an exception is set by the callers.
    if unsafe { ffi::PyErr_ExceptionMatches(again) } == 0 {
        return false;
    }
    drop(take_raised());
    true
}

/// What came out of a step of which asyncio says `except Exception`: an exception goes to `handle`; one that is
/// no `Exception` comes back.
pub fn or_else<T>(outcome: Result<T>, handle: impl FnOnce(Ref) -> Result<T>) -> Result<T> {
    let Err(Raised) = outcome else {
        return outcome;
    };
    // SAFETY: a static exception class; an exception is set.
    if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_Exception) } == 0 {
        return Err(Raised);
    }
    let exception = take_raised().expect("an error has an exception");
    handle(exception)
}
