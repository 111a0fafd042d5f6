//! The type `StreamReader`, and what feeds a reader.

use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::own_attributes;
use crate::coroutine::function;
use crate::eventloop;
use crate::future::any;
use crate::imports::names;
use crate::native::types::type_of_class;
use crate::native::{Args, Raised, Ref, Result, boolean, integer, none, string, take_raised};
use crate::sync::{derived, stock_call};
use crate::{init_slot, method0, method1};

use super::buffer::contents;
use super::reader_fields::{
    self, DEFAULT_LIMIT, READER, ReaderFields, STOCK, Stock, UNCHANGED, fields, is_plain, plain,
};
use super::{reads, until};

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.streams", "StreamReader")?;
    let stock = |name: &str| base.getattr(&string(name)?);
    STOCK.set(Stock {
        init: stock("__init__")?,
        exception: stock("exception")?,
        set_exception: stock("set_exception")?,
        set_transport: stock("set_transport")?,
        feed_data: stock("feed_data")?,
        feed_eof: stock("feed_eof")?,
        at_eof: stock("at_eof")?,
        wakeup_waiter: stock("_wakeup_waiter")?,
        maybe_resume_transport: stock("_maybe_resume_transport")?,
        wait_for_data: stock("_wait_for_data")?,
        read: stock("read")?,
        readexactly: stock("readexactly")?,
        readline: stock("readline")?,
        readuntil: stock("readuntil")?,
        next: stock("__anext__")?,
    });
    let builder = derived::builder::<ReaderFields>(
        c"asyncio.streams.StreamReader",
        &base,
        &[
            (c"_native_loop", offset_of!(ReaderFields, event_loop)),
            (c"_native_limit", offset_of!(ReaderFields, limit)),
            (c"_native_waiter", offset_of!(ReaderFields, waiter)),
            (c"_native_exception", offset_of!(ReaderFields, exception)),
            (c"_native_transport", offset_of!(ReaderFields, transport)),
            (c"_native_array", offset_of!(ReaderFields, buffer.array)),
            (c"_native_chunk", offset_of!(ReaderFields, buffer.chunk)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(
            c"exception",
            exception_method,
            c"exception($self, /)\n--\n\nThe exception that reading will raise, or None."
        ),
        method1!(
            c"set_exception",
            set_exception_method,
            c"set_exception($self, /, exc)\n--\n\nHave reading raise an exception from now on."
        ),
        method1!(
            c"set_transport",
            set_transport_method,
            c"set_transport($self, /, transport)\n--\n\nName the transport to pause while there is too much data."
        ),
        method1!(
            c"feed_data",
            feed_data_method,
            c"feed_data($self, /, data)\n--\n\nAdd data, and wake whoever waits for it."
        ),
        method0!(
            c"feed_eof",
            feed_eof_method,
            c"feed_eof($self, /)\n--\n\nSay that no more data will come, and wake whoever waits for it."
        ),
        method0!(
            c"at_eof",
            at_eof,
            c"at_eof($self, /)\n--\n\nReturn True if the buffer is empty and 'feed_eof' was called."
        ),
        method0!(
            c"_wakeup_waiter",
            wakeup_waiter,
            c"_wakeup_waiter($self, /)\n--\n\nWakeup read*() functions waiting for data or EOF."
        ),
        method0!(
            c"_maybe_resume_transport",
            maybe_resume_transport,
            c"_maybe_resume_transport($self, /)\n--\n\n"
        ),
        method0!(
            c"__getstate__",
            reader_fields::get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ]);
    let class = reader_fields::add_attributes(builder).build(Some(&base))?;
    READER.set(type_of_class(&class));
    own_attributes::without_inline_values(&class);
    for definition in [
        &reads::READ,
        &reads::READEXACTLY,
        &reads::WAIT_FOR_DATA,
        &until::READUNTIL,
        &until::READLINE,
        &until::NEXT,
    ] {
        function::add_method(&class, definition)?;
    }
    UNCHANGED.prepare(&class)?;
    Ok(class)
}

fn init(reader: &Ref, args: Args<'_>) -> Result<()> {
    let Some([limit, Some(event_loop)]) = stock_call::bound(&args, ["limit", "loop"], 0) else {
        return stock_init(reader, &args);
    };
    if event_loop.is_none() || !UNCHANGED.is_unchanged(reader) || is_debug(event_loop)? {
        return stock_init(reader, &args);
    }
    let own = fields(reader);
    own.set_limit(limit.map_or_else(|| integer(DEFAULT_LIMIT), |limit| Ok(limit.clone()))?);
    if own.bound.get() == 0 {
        // Not above zero, or no plain number.
        return stock_init(reader, &args);
    }
    own.event_loop.set(event_loop.clone());
    own.buffer.reset()?;
    own.eof.set(false);
    own.paused.set(false);
    for slot in [&own.waiter, &own.exception, &own.transport] {
        drop(slot.take());
    }
    Ok(())
}

#[cold]
fn stock_init(reader: &Ref, args: &Args<'_>) -> Result<()> {
    args.pass_on_behind(reader, &STOCK.get().init).map(drop)
}

/// `loop.get_debug()`
pub fn is_debug(event_loop: &Ref) -> Result<bool> {
    if eventloop::is_plain(event_loop) {
        return Ok(eventloop::data(event_loop).debug.get());
    }
    event_loop.call_method(&names().get_debug, [])?.truthy()
}

fn feed_data_method(reader: &Ref, data: &Ref) -> Result<Ref> {
    if data.is_exact(&raw mut ffi::PyBytes_Type) && is_plain(reader) {
        return feed(reader, fields(reader), data);
    }
    STOCK.get().feed_data.call([reader, data])
}

/// `reader.feed_data(data)`, whatever both are.
#[inline]
pub fn feed_data(reader: &Ref, data: &Ref) -> Result<Ref> {
    match plain(reader) {
        Some(own) if data.is_exact(&raw mut ffi::PyBytes_Type) => feed(reader, own, data),
        _ => reader.call_method(&names().feed_data, [data]),
    }
}

/// `feed_data(data)` of a plain reader, with exactly `bytes`.
#[inline]
fn feed(reader: &Ref, own: &ReaderFields, data: &Ref) -> Result<Ref> {
    if own.eof.get() {
        return STOCK.get().feed_data.call([reader, data]);
    }
    if contents(data).is_empty() {
        return Ok(none());
    }
    own.buffer.append(data)?;
    wake(own)?;
    if own.transport.is_some() && !own.paused.get() {
        pause_if_full(own)?;
    }
    Ok(none())
}

/// Pauses the transport if there are more than two limits of data.
#[inline]
fn pause_if_full(own: &ReaderFields) -> Result<()> {
    // What a waiter that is not native was woken with may have been anything.
    if !own.is_usable() || own.buffer.len() <= own.bound.get().saturating_mul(2) {
        return Ok(());
    }
    let transport = reader_fields::transport(own);
    match transport.call_method(&names().pause_reading, []) {
        Ok(_) => own.paused.set(true),
        Err(Raised) => {
            // SAFETY: an exception is set; a static class.
            if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_NotImplementedError) } == 0 {
                return Err(Raised);
            }
            // It cannot be paused, and is not asked again.
            drop(take_raised());
            drop(own.transport.take());
        }
    }
    Ok(())
}

/// Wakes the one who waits for data.
#[inline]
fn wake(own: &ReaderFields) -> Result<()> {
    match own.waiter.take() {
        Some(waiter) if !any::is_cancelled(&waiter)? => any::set_result(&waiter, none()),
        _ => Ok(()),
    }
}

/// Resumes a transport that was paused, if there is little enough data by now.
#[inline]
pub fn resume_if_drained(own: &ReaderFields) -> Result<()> {
    if own.paused.get() && own.buffer.len() <= own.bound.get() {
        own.paused.set(false);
        reader_fields::transport(own).call_method(&names().resume_reading, [])?;
    }
    Ok(())
}

/// A method without arguments: the plain way if it may be taken, or asyncio's.
#[inline]
fn plainly(
    reader: &Ref,
    stock: fn(&Stock) -> &Ref,
    native: impl FnOnce(&ReaderFields) -> Result<Ref>,
) -> Result<Ref> {
    if is_plain(reader) {
        return native(fields(reader));
    }
    stock(STOCK.get()).call([reader])
}

fn feed_eof_method(reader: &Ref) -> Result<Ref> {
    plainly(reader, |stock| &stock.feed_eof, end)
}

/// `reader.feed_eof()`, whatever the reader is.
pub fn feed_eof(reader: &Ref) -> Result<()> {
    match plain(reader) {
        Some(own) => end(own).map(drop),
        None => reader.call_method(&names().feed_eof, []).map(drop),
    }
}

fn end(own: &ReaderFields) -> Result<Ref> {
    own.eof.set(true);
    wake(own).map(|()| none())
}

fn at_eof(reader: &Ref) -> Result<Ref> {
    plainly(
        reader,
        |stock| &stock.at_eof,
        |own| Ok(boolean(own.eof.get() && own.buffer.len() == 0)),
    )
}

fn wakeup_waiter(reader: &Ref) -> Result<Ref> {
    plainly(
        reader,
        |stock| &stock.wakeup_waiter,
        |own| wake(own).map(|()| none()),
    )
}

fn maybe_resume_transport(reader: &Ref) -> Result<Ref> {
    plainly(
        reader,
        |stock| &stock.maybe_resume_transport,
        |own| resume_if_drained(own).map(|()| none()),
    )
}

fn exception_method(reader: &Ref) -> Result<Ref> {
    plainly(
        reader,
        |stock| &stock.exception,
        |own| Ok(own.exception.get().unwrap_or_else(none)),
    )
}

/// `reader.exception()`, whatever the reader is; nothing for `None`.
#[inline]
pub fn exception(reader: &Ref) -> Result<Option<Ref>> {
    match plain(reader) {
        Some(own) => Ok(own.exception.get()),
        None => {
            let exception = reader.call_method(&names().exception, [])?;
            Ok((!exception.is_none()).then_some(exception))
        }
    }
}

fn set_exception_method(reader: &Ref, exception: &Ref) -> Result<Ref> {
    if is_plain(reader) {
        return fail(fields(reader), exception);
    }
    STOCK.get().set_exception.call([reader, exception])
}

/// `reader.set_exception(exception)`, whatever the reader is.
pub fn set_exception(reader: &Ref, exception: &Ref) -> Result<()> {
    match plain(reader) {
        Some(own) => fail(own, exception).map(drop),
        None => reader
            .call_method(&names().set_exception, [exception])
            .map(drop),
    }
}

fn fail(own: &ReaderFields, exception: &Ref) -> Result<Ref> {
    let exception_or_none = (!exception.is_none()).then(|| exception.clone());
    own.exception.put(exception_or_none);
    if let Some(waiter) = own.waiter.take()
        && !any::is_cancelled(&waiter)?
    {
        waiter.call_method(&names().set_exception, [exception])?;
    }
    Ok(none())
}

fn set_transport_method(reader: &Ref, transport: &Ref) -> Result<Ref> {
    if !is_plain(reader) || fields(reader).transport.is_some() {
        return STOCK.get().set_transport.call([reader, transport]);
    }
    if !transport.is_none() {
        fields(reader).transport.set(transport.clone());
    }
    Ok(none())
}
