//! The types of pipe transports. Each derives from asyncio's own; what is not defined here is asyncio's Python
//! code: `__repr__`, `__del__`, `_fatal_error`, `writelines`, `set_write_buffer_limits`.

use std::ffi::CStr;

use pyo3::ffi;

use crate::native::types::TypeBuilder;
use crate::native::{Args, Ref, Result, boolean, integer, none, raised};
use crate::sync::{derived, stock_call};
use crate::transports::setup::given;
use crate::{
    attribute, flag_attribute, flow_control_attributes, init_slot, method, method0, named_method,
    optional_attribute, pausing_methods,
};

use super::fields::{OverPipe, ReadFields, WriteFields, read, write};
use super::{closing, reading, setup, writing};

/// Makes the types; returns them with the names that the package uses.
pub fn make_types() -> Result<[(&'static CStr, Ref); 2]> {
    Ok([
        (c"ReadPipeTransport", make_reading()?),
        (c"WritePipeTransport", make_writing()?),
    ])
}

/// The beginning of a class that derives from one of asyncio's.
fn builder<T: OverPipe>(name: &'static CStr, base: &Ref) -> Result<TypeBuilder> {
    derived::bare_builder::<T>(name, base, T::BODY, &T::references())
}

/// The methods and attributes of both kinds; `$kind` is an `OverPipe` and `$fields` gives it.
macro_rules! common {
    ($builder:expr, $kind:ty, $fields:path) => {{
        fn fileno(transport: &Ref) -> Result<Ref> {
            let own = $fields(transport);
            if own.has_fileno.get() {
                integer(own.fileno.get().unsigned_abs().into())
            } else {
                Ok(none())
            }
        }
        fn is_closing(transport: &Ref) -> Result<Ref> {
            Ok(boolean($fields(transport).closing.get()))
        }
        fn set_protocol(transport: &Ref, protocol: &Ref) -> Result<Ref> {
            $fields(transport).protocol.put(given(Some(protocol)));
            Ok(none())
        }
        fn get_protocol(transport: &Ref) -> Result<Ref> {
            Ok($fields(transport).protocol.get().unwrap_or_else(none))
        }
        $builder
            .attributes([
                optional_attribute!(c"_loop", $fields, event_loop),
                optional_attribute!(c"_pipe", $fields, pipe),
                optional_attribute!(c"_protocol", $fields, protocol),
                flag_attribute!(c"_closing", $fields, closing),
                attribute!(c"_fileno", fileno),
            ])
            .methods([
                method0!(
                    c"is_closing",
                    is_closing,
                    c"is_closing($self, /)\n--\n\nReturn True if the transport is closing or closed."
                ),
                named_method!(
                    c"set_protocol",
                    "protocol",
                    set_protocol,
                    c"set_protocol($self, protocol)\n--\n\nSet a new protocol."
                ),
                method0!(
                    c"get_protocol",
                    get_protocol,
                    c"get_protocol($self, /)\n--\n\nReturn the current protocol."
                ),
                named_method!(
                    c"_call_connection_lost",
                    "exc",
                    closing::call_connection_lost::<$kind>,
                    c"_call_connection_lost($self, exc)\n--\n\n"
                ),
            ])
    }};
}

fn make_reading() -> Result<Ref> {
    let base = derived::base(c"asyncio.unix_events", "_UnixReadPipeTransport")?;
    let builder = builder::<ReadFields>(c"asyncio.unix_events._UnixReadPipeTransport", &base)?
        .slot(init_slot!(setup::init_reading));
    common!(builder, ReadFields, read)
        .attributes([
            flag_attribute!(c"_paused", read, paused),
            attribute!(c"max_size", max_size, set_max_size),
        ])
        .methods(pausing_methods!(ReadFields))
        .methods([
            method0!(
                c"_read_ready",
                reading::read_ready,
                c"_read_ready($self, /)\n--\n\n"
            ),
            method0!(
                c"close",
                closing::close,
                c"close($self, /)\n--\n\nClose the transport."
            ),
            named_method!(
                c"_close",
                "exc",
                closing::close_now,
                c"_close($self, exc)\n--\n\n"
            ),
        ])
        .build(Some(&base))
}

fn make_writing() -> Result<Ref> {
    let base = derived::base(c"asyncio.unix_events", "_UnixWritePipeTransport")?;
    let builder = builder::<WriteFields>(c"asyncio.unix_events._UnixWritePipeTransport", &base)?
        .slot(init_slot!(setup::init_writing));
    common!(builder, WriteFields, write)
        .attributes([
            attribute!(c"_buffer", writing::buffer),
            attribute!(c"_conn_lost", conn_lost),
        ])
        .attributes(flow_control_attributes!(write))
        .methods([
            method0!(
                c"_read_ready",
                writing::closed_by_peer,
                c"_read_ready($self, /)\n--\n\n"
            ),
            method0!(
                c"_start_reading",
                reading::start_listening,
                c"_start_reading($self, /)\n--\n\n"
            ),
            named_method!(
                c"write",
                "data",
                writing::write,
                c"write($self, data)\n--\n\nWrite some data bytes to the transport."
            ),
            method0!(
                c"_write_ready",
                writing::write_ready,
                c"_write_ready($self, /)\n--\n\n"
            ),
            method0!(
                c"write_eof",
                writing::write_eof,
                c"write_eof($self, /)\n--\n\nClose the write end of the transport after flushing buffered data."
            ),
            method0!(
                c"close",
                writing::close,
                c"close($self, /)\n--\n\nClose the transport."
            ),
            method0!(
                c"abort",
                writing::abort,
                c"abort($self, /)\n--\n\nClose the transport immediately."
            ),
            method!(
                c"_close",
                close_writing,
                c"_close($self, exc=None)\n--\n\n"
            ),
            method0!(
                c"get_write_buffer_size",
                writing::get_write_buffer_size,
                c"get_write_buffer_size($self, /)\n--\n\nReturn the current size of the write buffer."
            ),
            method0!(
                c"get_write_buffer_limits",
                writing::get_write_buffer_limits,
                c"get_write_buffer_limits($self, /)\n--\n\nGet the low and high watermarks for write flow control."
            ),
        ])
        .build(Some(&base))
}

/// `_close(exc=None)` of a transport that writes.
fn close_writing(transport: &Ref, args: Args<'_>) -> Result<Ref> {
    match stock_call::one_optional(&args, "exc") {
        Some(exception) => writing::close_now(transport, exception),
        None => stock_call::call(transport, c"_close", &args),
    }
}

fn conn_lost(transport: &Ref) -> Result<Ref> {
    integer(write(transport).conn_lost.get())
}

fn max_size(transport: &Ref) -> Result<Ref> {
    integer(read(transport).max_size.get() as u64)
}

fn set_max_size(transport: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.cloned().unwrap_or_else(none);
    // SAFETY: live.
    let size = unsafe { ffi::PyLong_AsSize_t(value.as_ptr()) };
    if size == usize::MAX && raised() {
        return Err(crate::native::Raised);
    }
    read(transport).max_size.set(size);
    Ok(())
}
