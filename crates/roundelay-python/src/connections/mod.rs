//! How the loop makes connections: `create_connection`, `create_unix_connection`, `connect_accepted_socket`.
//!
//! Each is native for the calls that most programs make; the others (names to look up, TLS, a race between
//! addresses) are asyncio's own coroutines, which end in the same native parts. [`outgoing`] connects sockets,
//! [`established`] makes a transport of one that is connected.

mod established;
mod outgoing;

use crate::coroutine::function::{self, Default};
use crate::native::Ref;
use crate::native::Result;
use crate::sync::derived::base;

/// Parameters of TLS.
const TLS: [(&str, Default); 3] = [
    ("ssl", Default::NoneOrFalse),
    ("ssl_handshake_timeout", Default::None),
    ("ssl_shutdown_timeout", Default::None),
];

/// Gives the loop's class the methods.
pub fn add_methods(event_loop_class: &Ref) -> Result<()> {
    let stock = base(c"asyncio.unix_events", "_UnixSelectorEventLoop")?;
    for (definition, besides) in [
        (&outgoing::CREATE_CONNECTION, &outgoing::DEFAULTS[..]),
        (&outgoing::CREATE_UNIX_CONNECTION, &outgoing::UNIX_DEFAULTS),
        (&established::CONNECT_ACCEPTED_SOCKET, &[]),
    ] {
        let defaults = [&TLS[..], besides].concat();
        function::add_method_with_defaults(event_loop_class, definition, &stock, &defaults)?;
    }
    Ok(())
}
