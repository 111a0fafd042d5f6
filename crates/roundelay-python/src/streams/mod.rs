//! Streams: `StreamReader`, `StreamWriter` and `StreamReaderProtocol` of asyncio's `streams` module, native,
//! and the functions that connect them.
//!
//! [`reader`] makes the reader's type and has what feeds it, [`reader_fields`] says what a reader is made of,
//! [`buffer`] where its bytes are; [`reads`] and [`until`] have the coroutines that read. [`writer`] and
//! [`drain`] are the writer, [`protocol`] and [`protocol_fields`] what stands between both and a transport,
//! [`functions`] opens connections, [`rebound`] has what runs asyncio's own code.
//!
//! Everything here takes the short way only where nothing of an object is the user's (see
//! [`crate::compat::unchanged`]), and asyncio's own method otherwise, which finds each of its attributes.

mod buffer;
mod drain;
mod functions;
mod protocol;
mod protocol_fields;
mod reader;
mod reader_fields;
mod reads;
pub mod rebound;
mod search;
mod until;
mod writer;

use std::ffi::CStr;

use crate::native::{Ref, Result};

pub use protocol::data_received;
pub use reader::feed_data;

/// Makes all classes and functions; returns them with their names.
pub fn make_types() -> Result<Vec<(&'static CStr, Ref)>> {
    let reader = reader::make_type()?;
    let writer = writer::make_type()?;
    let protocol = protocol::make_type(&writer)?;
    let mut made = vec![
        (c"StreamReader", reader),
        (c"StreamWriter", writer),
        (c"StreamReaderProtocol", protocol),
    ];
    made.extend(functions::make(&made)?);
    Ok(made)
}
