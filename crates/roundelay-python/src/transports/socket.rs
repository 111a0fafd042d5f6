//! The type of stream transports: `_SelectorSocketTransport` of asyncio's `selector_events` module, native.
//!
//! It derives from that very class. What is not defined here is asyncio's own Python code, which works
//! because each attribute that it uses is there: `__repr__`, `__del__`, `_fatal_error`, `write_eof`,
//! `set_write_buffer_limits`, what `sendfile` and `start_tls` need.

use std::ffi::{CStr, c_void};

use pyo3::ffi;

use crate::imports::imports;
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, aside, write_unraisable};
use crate::sync::derived;
use crate::{init_slot, method0, named_method, selector_methods};

use super::fields::{BODY, SELECTOR_REFERENCES, STREAM_REFERENCES, TransportFields, selector};
use super::{attributes, direct, pending, reading, setup, writing};

/// Makes the types; returns what the package uses, by name.
pub fn make_types(module: &Ref) -> Result<Vec<(&'static CStr, Ref)>> {
    setup::prepare(module)?;
    pending::make_type()?;
    let base = derived::base(c"asyncio.selector_events", "_SelectorSocketTransport")?;
    let builder = derived::bare_builder::<TransportFields>(
        c"asyncio.selector_events._SelectorSocketTransport",
        &base,
        BODY,
        &[&SELECTOR_REFERENCES[..], &STREAM_REFERENCES].concat(),
    )?
    .slot(init_slot!(setup::init))
    .slot((ffi::Py_tp_finalize, finalize as *mut c_void));
    let builder = selector_methods!(builder, TransportFields);
    let builder = attributes::fill(reading_methods(writing_methods(builder)));
    let class = builder.build(Some(&base))?;
    setup::TRANSPORT.set(type_of_class(&class));
    direct::prepare(&class)?;
    Ok(vec![(c"SocketTransport", class)])
}

fn reading_methods(builder: TypeBuilder) -> TypeBuilder {
    builder.methods([
        method0!(
            c"_read_ready",
            reading::read_ready,
            c"_read_ready($self, /)\n--\n\n"
        ),
        named_method!(
            c"set_protocol",
            "protocol",
            reading::set_protocol,
            c"set_protocol($self, protocol)\n--\n\nSet a new protocol."
        ),
    ])
}

fn writing_methods(builder: TypeBuilder) -> TypeBuilder {
    let builder = builder.methods([
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
            c"get_write_buffer_size",
            writing::get_write_buffer_size,
            c"get_write_buffer_size($self, /)\n--\n\nReturn the current size of the write buffer."
        ),
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

/// `__del__()`: asyncio's has something to say only of a transport whose socket is still there.
unsafe extern "C" fn finalize(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: the interpreter passes an object that is alive again for this call.
        let transport = unsafe { Ref::view(&slf) };
        if selector(transport).sock.is_some() {
            aside(|| {
                if imports().stock_transport_del.call([transport]).is_err() {
                    write_unraisable(&imports().stock_transport_del);
                }
            });
        }
        Ok(())
    });
}
