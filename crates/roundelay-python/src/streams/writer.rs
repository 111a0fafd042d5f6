//! The type `StreamWriter`, which hands everything on to its transport.

use std::mem::offset_of;

use crate::coroutine::function;
use crate::eventloop;
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, none, string};
use crate::statics::{Once, TypeCell, unset};
use crate::sync::{derived, stock_call};
use crate::transports::direct;
use crate::{attribute, init_slot, method, method0, method1, optional_attribute, slot_attribute};

use crate::compat::unchanged::Unchanged;

use super::drain;
use crate::native::attributes::missing;

/// The type `roundelay.StreamWriter`.
pub static WRITER: TypeCell = unset();

/// What the native methods rely on.
static UNCHANGED: Unchanged = Unchanged::new(
    &[],
    &[
        "_transport",
        "_protocol",
        "_reader",
        "_loop",
        "_complete_fut",
    ],
);

/// asyncio's own methods.
pub struct Stock {
    pub init: Ref,
    pub write: Ref,
    pub writelines: Ref,
    pub close: Ref,
    pub is_closing: Ref,
    pub get_extra_info: Ref,
    pub drain: Ref,
    pub wait_closed: Ref,
}

pub static STOCK: Once<Stock> = Once::new();

/// All zero bytes are a writer whose `__init__` has not run.
#[repr(C)]
pub struct WriterFields {
    /// `_transport`
    pub transport: Slot,
    /// `_protocol`
    pub protocol: Slot,
    /// `_reader`; empty is `None`.
    pub reader: Slot,
    /// `_loop`
    pub event_loop: Slot,
    /// `_complete_fut`: a future that is done. Nothing uses it, so it is made when somebody asks for it.
    pub complete: Slot,
}

/// The fields of a writer.
pub fn fields(writer: &Ref) -> &WriterFields {
    // SAFETY: only called for instances of `WRITER` and its subclasses.
    unsafe { derived::fields(writer) }
}

/// The fields of a writer of which nothing that matters here is the user's.
#[inline]
pub fn plain(writer: &Ref) -> Option<&WriterFields> {
    UNCHANGED
        .is_class_unchanged(writer.type_ptr())
        .then(|| fields(writer))
}

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.streams", "StreamWriter")?;
    let stock = |name: &str| base.getattr(&string(name)?);
    STOCK.set(Stock {
        init: stock("__init__")?,
        write: stock("write")?,
        writelines: stock("writelines")?,
        close: stock("close")?,
        is_closing: stock("is_closing")?,
        get_extra_info: stock("get_extra_info")?,
        drain: stock("drain")?,
        wait_closed: stock("wait_closed")?,
    });
    let class = derived::builder::<WriterFields>(
        c"asyncio.streams.StreamWriter",
        &base,
        &[
            (c"_native_transport", offset_of!(WriterFields, transport)),
            (c"_native_protocol", offset_of!(WriterFields, protocol)),
            (c"_native_reader", offset_of!(WriterFields, reader)),
            (c"_native_loop", offset_of!(WriterFields, event_loop)),
            (c"_native_complete", offset_of!(WriterFields, complete)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method1!(
            c"write",
            write,
            c"write($self, /, data)\n--\n\nSend data, now or as soon as possible."
        ),
        method1!(
            c"writelines",
            write_lines,
            c"writelines($self, /, data)\n--\n\nSend what each item of an iterable holds."
        ),
        method0!(
            c"close",
            close,
            c"close($self, /)\n--\n\nClose the transport once everything is sent."
        ),
        method0!(
            c"is_closing",
            is_closing,
            c"is_closing($self, /)\n--\n\nWhether the transport is closed or about to be."
        ),
        method!(
            c"get_extra_info",
            get_extra_info,
            c"get_extra_info($self, /, name, default=None)\n--\n\nWhat the transport knows under this name."
        ),
        method0!(
            c"__getstate__",
            get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ])
    .attributes([
        slot_attribute!(c"_transport", fields, transport),
        slot_attribute!(c"_protocol", fields, protocol),
        optional_attribute!(c"_reader", fields, reader),
        slot_attribute!(c"_loop", fields, event_loop),
        attribute!(c"_complete_fut", get_complete, set_complete),
    ])
    .build(Some(&base))?;
    WRITER.set(type_of_class(&class));
    for definition in [&drain::DRAIN, &drain::WAIT_CLOSED] {
        function::add_method(&class, definition)?;
    }
    UNCHANGED.prepare(&class)?;
    Ok(class)
}

fn init(writer: &Ref, args: Args<'_>) -> Result<()> {
    let parameters = ["transport", "protocol", "reader", "loop"];
    if let Some(
        [
            Some(transport),
            Some(protocol),
            Some(reader),
            Some(event_loop),
        ],
    ) = stock_call::bound(&args, parameters, 4)
        && let Some(own) = plain(writer)
        && eventloop::is_plain(event_loop)
        && (reader.is_none() || reader.is_instance(type_of_class(&imports().stream_reader_class)))
    {
        own.transport.set(transport.clone());
        own.protocol.set(protocol.clone());
        own.reader.put((!reader.is_none()).then(|| reader.clone()));
        own.event_loop.set(event_loop.clone());
        drop(own.complete.take());
        return Ok(());
    }
    args.pass_on_behind(writer, &STOCK.get().init).map(drop)
}

/// The transport of a writer that is plain.
#[inline]
fn transport(writer: &Ref) -> Option<Ref> {
    plain(writer)?.transport.get()
}

fn write(writer: &Ref, data: &Ref) -> Result<Ref> {
    let Some(transport) = transport(writer) else {
        return STOCK.get().write.call([writer, data]);
    };
    direct::write(&transport, data)?;
    Ok(none())
}

fn write_lines(writer: &Ref, data: &Ref) -> Result<Ref> {
    let Some(transport) = transport(writer) else {
        return STOCK.get().writelines.call([writer, data]);
    };
    transport.call_method(&names().writelines, [data])?;
    Ok(none())
}

fn close(writer: &Ref) -> Result<Ref> {
    match transport(writer) {
        Some(transport) => transport.call_method(&names().close, []),
        None => STOCK.get().close.call([writer]),
    }
}

fn is_closing(writer: &Ref) -> Result<Ref> {
    match transport(writer) {
        Some(transport) => transport.call_method(&names().is_closing, []),
        None => STOCK.get().is_closing.call([writer]),
    }
}

fn get_extra_info(writer: &Ref, args: Args<'_>) -> Result<Ref> {
    if let Some([Some(name), default]) = stock_call::bound(&args, ["name", "default"], 1)
        && let Some(transport) = transport(writer)
    {
        let default = default.cloned().unwrap_or_else(none);
        return transport.call_method(&names().get_extra_info, [name, &default]);
    }
    args.pass_on_behind(writer, &STOCK.get().get_extra_info)
}

fn get_complete(writer: &Ref) -> Result<Ref> {
    let own = fields(writer);
    if let Some(future) = own.complete.get() {
        return Ok(future);
    }
    let Some(event_loop) = own.event_loop.get() else {
        return missing(writer, c"_complete_fut");
    };
    let future = any::create(&event_loop)?;
    any::set_result(&future, none())?;
    own.complete.set(future.clone());
    Ok(future)
}

fn set_complete(writer: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(writer).complete.put(value.cloned());
    Ok(())
}

fn get_state(writer: &Ref) -> Result<Ref> {
    derived::state(
        writer,
        &[c"_transport", c"_protocol", c"_reader", c"_complete_fut"],
    )
}
