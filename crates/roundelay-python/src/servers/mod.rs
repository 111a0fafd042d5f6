//! Servers: from a listening socket to connections.
//!
//! The server object is asyncio's own, and has the loop watch its sockets. [`acceptor`] is what the loop then
//! calls when somebody knocks, [`accepted`] what becomes of each connection, [`clients`] how the server knows of
//! it.

mod accepted;
mod acceptor;
pub mod clients;

pub use acceptor::start_serving;

use crate::native::Result;

/// Makes the types.
pub fn make_types() -> Result<()> {
    acceptor::make_type()?;
    clients::prepare()?;
    accepted::prepare()
}
