//! Subprocesses.
//!
//! Starting one is the work of Python's `subprocess`; what it writes and reads goes through [`crate::pipes`].
//! [`transport`] stands between a process and its protocol, [`stream_protocol`] between that and streams, and
//! [`child`] waits for the end.

mod child;
mod stream_protocol;
mod transport;

use std::ffi::CStr;

use crate::native::{Ref, Result};

pub use child::watch_method;

/// Makes all types and functions; returns them with the names that the package uses. `streams` are the classes of
/// our streams.
pub fn make_types(streams: &[(&'static CStr, Ref)]) -> Result<Vec<(&'static CStr, Ref)>> {
    child::make_type()?;
    let protocols = [transport::make_pipe_protocol()?];
    let mut made = vec![(c"SubprocessTransport", transport::make_type(&protocols)?)];
    made.extend(protocols);
    made.extend(stream_protocol::make(streams)?);
    Ok(made)
}
