//! The type of stream transports: `_SelectorSocketTransport` of asyncio's `selector_events` module, native.
//!
//! It derives from that very class. What is not defined here is asyncio's own Python code, which works
//! because each attribute that it uses is there: `__repr__`, `__del__`, `_fatal_error`, `write_eof`,
//! `set_write_buffer_limits`, what `sendfile` and `start_tls` need.

use std::ffi::CStr;

use crate::native::function::all_required;
use crate::native::types::TypeBuilder;
use crate::native::{Args, Ref, Result, boolean};
use crate::sync::derived;
use crate::sync::stock_call;
use crate::{init_slot, method, method0};

use super::fields::{BODY, REFERENCES, TransportFields, fields};
use super::{attributes, closing, pending, reading, setup, writing};

/// A method with one parameter, which may be given by name, over `fn(&Ref, &Ref) -> Result<Ref>`. Other calls
/// go to asyncio's method, which refuses them.
macro_rules! named_method {
    ($name:literal, $parameter:literal, $function:path, $doc:literal) => {{
        fn checked(slf: &Ref, args: Args<'_>) -> Result<Ref> {
            match all_required(&args, [$parameter]) {
                Some([only]) => $function(slf, only),
                None => stock_call::call(slf, $name, &args),
            }
        }
        method!($name, checked, $doc)
    }};
}

/// Makes the types; returns what the package uses, by name.
pub fn make_types(module: &Ref) -> Result<Vec<(&'static CStr, Ref)>> {
    setup::prepare(module)?;
    pending::make_type()?;
    let base = derived::base(c"asyncio.selector_events", "_SelectorSocketTransport")?;
    let builder = derived::bare_builder::<TransportFields>(
        c"asyncio.selector_events._SelectorSocketTransport",
        &base,
        BODY,
        &REFERENCES,
    )?
    .slot(init_slot!(setup::init));
    let builder = attributes::fill(reading_methods(writing_methods(builder)));
    Ok(vec![(c"SocketTransport", builder.build(Some(&base))?)])
}

fn reading_methods(builder: TypeBuilder) -> TypeBuilder {
    builder.methods([
        method0!(
            c"_read_ready",
            reading::read_ready,
            c"_read_ready($self, /)\n--\n\n"
        ),
        method0!(
            c"_start_reading",
            reading::start,
            c"_start_reading($self, /)\n--\n\n"
        ),
        method0!(
            c"is_reading",
            reading::is_reading,
            c"is_reading($self, /)\n--\n\nReturn True if the transport is receiving."
        ),
        method0!(
            c"pause_reading",
            reading::pause,
            c"pause_reading($self, /)\n--\n\nPause the receiving end."
        ),
        method0!(
            c"resume_reading",
            reading::resume,
            c"resume_reading($self, /)\n--\n\nResume the receiving end."
        ),
        named_method!(
            c"set_protocol",
            "protocol",
            reading::set_protocol,
            c"set_protocol($self, protocol)\n--\n\nSet a new protocol."
        ),
        method0!(
            c"get_protocol",
            reading::get_protocol,
            c"get_protocol($self, /)\n--\n\nReturn the current protocol."
        ),
        method0!(
            c"is_closing",
            is_closing,
            c"is_closing($self, /)\n--\n\nReturn True if the transport is closing or closed."
        ),
        method0!(
            c"close",
            closing::close,
            c"close($self, /)\n--\n\nClose the transport."
        ),
        method0!(
            c"abort",
            closing::abort,
            c"abort($self, /)\n--\n\nClose the transport immediately."
        ),
        named_method!(
            c"_force_close",
            "exc",
            closing::force_close,
            c"_force_close($self, exc)\n--\n\n"
        ),
        named_method!(
            c"_call_connection_lost",
            "exc",
            closing::call_connection_lost,
            c"_call_connection_lost($self, exc)\n--\n\n"
        ),
    ])
}

fn writing_methods(builder: TypeBuilder) -> TypeBuilder {
    let builder = builder.methods([
        named_method!(c"write", "data", writing::write, c"write($self, data)\n--\n\nWrite some data bytes to the transport."),
        method0!(c"_write_ready", writing::write_ready, c"_write_ready($self, /)\n--\n\n"),
        method0!(c"get_write_buffer_size", writing::get_write_buffer_size, c"get_write_buffer_size($self, /)\n--\n\nReturn the current size of the write buffer."),
        method0!(c"get_write_buffer_limits", writing::get_write_buffer_limits, c"get_write_buffer_limits($self, /)\n--\n\nGet the low and high watermarks for write flow control."),
    ]);
    // Older ones join the pieces and write them, in asyncio's own code.
    #[cfg(Py_3_12)]
    let builder = builder.methods([named_method!(
        c"writelines",
        "list_of_data",
        writing::write_lines,
        c"writelines($self, list_of_data)\n--\n\nWrite a list (or any iterable) of data bytes to the transport."
    )]);
    builder
}

fn is_closing(transport: &Ref) -> Result<Ref> {
    Ok(boolean(fields(transport).closing.get()))
}
