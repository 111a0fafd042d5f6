//! What a loop does with sockets that are the user's: `sock_recv` and its kin, and the names of hosts.
//!
//! Each method tries at once, and waits for the descriptor only if it has to. [`operation`] is what waits;
//! [`receive`], [`send`], [`connect`] and [`mod@accept`] are the methods, [`checks`] what asyncio looks at before,
//! [`names`] answers questions about addresses, [`literal`] knows addresses that are no names.

mod accept;
mod checks;
mod connect;
pub mod literal;
mod names;
pub mod operation;
pub mod plain;
mod receive;
mod send;

pub use accept::accepted as accept;
pub use checks::{by_stock, hooks, is_unchanged, prepare};
pub use connect::{connect_operation, try_connect};

use crate::coroutine::function;
use crate::native::{Ref, Result};
use crate::sync::derived::base;

/// Makes the types, and gives the loop's class its methods.
pub fn make_types(event_loop_class: &Ref) -> Result<()> {
    operation::make_type()?;
    plain::prepare()?;
    let stock = base(c"asyncio.selector_events", "BaseSelectorEventLoop")?;
    for definition in [
        &receive::RECV,
        &receive::RECV_INTO,
        &receive::RECVFROM,
        &receive::RECVFROM_INTO,
        &send::SENDALL,
        &send::SENDTO,
        &connect::CONNECT,
        &accept::ACCEPT,
        &names::GETADDRINFO,
        &names::GETNAMEINFO,
    ] {
        function::add_method_over(event_loop_class, definition, &stock)?;
    }
    Ok(())
}
