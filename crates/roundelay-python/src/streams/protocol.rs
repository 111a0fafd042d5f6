//! The type `StreamReaderProtocol`: what a transport calls, and what feeds the reader.
//!
//! `connection_made` is asyncio's own code with our writer: it runs once for a connection, and no two
//! versions have the same. So is everything that is not here: what happens to rejected connections and when
//! a transport is exchanged.

use pyo3::ffi;

use crate::compat::behaviour;
use crate::coroutine::function;
use crate::future::any;
use crate::imports::names;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, boolean, none, string};
use crate::statics::Once;
use crate::sync::waiter_queue::WaiterQueue;
use crate::sync::{derived, stock_call};
use crate::{init_slot, method0, method1};

use super::drain;
use super::protocol_fields::{
    self, PROTOCOL, ProtocolFields, RECEIVES, REFERENCES, UNCHANGED, fields, plain,
};
use super::reader;
use super::rebound::with_globals;

/// asyncio's own class and methods.
struct Stock {
    class: Ref,
    init: Ref,
    connection_lost: Ref,
    data_received: Ref,
    eof_received: Ref,
    get_close_waiter: Ref,
}

static STOCK: Once<Stock> = Once::new();

/// Makes the type. `writer` is the class of the writers that it makes.
pub fn make_type(writer: &Ref) -> Result<Ref> {
    let base = derived::base(c"asyncio.streams", "StreamReaderProtocol")?;
    let stock = |name: &str| base.getattr(&string(name)?);
    STOCK.set(Stock {
        class: base.clone(),
        init: stock("__init__")?,
        connection_lost: stock("connection_lost")?,
        data_received: stock("data_received")?,
        eof_received: stock("eof_received")?,
        get_close_waiter: stock("_get_close_waiter")?,
    });
    let builder = derived::builder::<ProtocolFields>(
        c"asyncio.streams.StreamReaderProtocol",
        &base,
        REFERENCES,
    )?
    .slot(init_slot!(init))
    .methods([
        method1!(
            c"connection_lost",
            connection_lost,
            c"connection_lost($self, /, exc)\n--\n\nTell the reader and whoever drains or waits for the end."
        ),
        method1!(
            c"data_received",
            data_received_method,
            c"data_received($self, /, data)\n--\n\nFeed the reader."
        ),
        method0!(
            c"eof_received",
            eof_received,
            c"eof_received($self, /)\n--\n\nTell the reader that no more data will come."
        ),
        method0!(
            c"pause_writing",
            pause_writing,
            c"pause_writing($self, /)\n--\n\nHave whoever drains wait from now on."
        ),
        method0!(
            c"resume_writing",
            resume_writing,
            c"resume_writing($self, /)\n--\n\nWake whoever drains."
        ),
        method1!(
            c"_get_close_waiter",
            get_close_waiter,
            c"_get_close_waiter($self, /, stream)\n--\n\n"
        ),
        method0!(
            c"__getstate__",
            protocol_fields::get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ]);
    let class = protocol_fields::add_attributes(builder).build(Some(&base))?;
    PROTOCOL.set(type_of_class(&class));
    function::add_method(&class, &drain::DRAIN_HELPER)?;
    let connection_made = with_globals(
        &stock("connection_made")?,
        &[(c"StreamWriter", writer.clone())],
    )?;
    class.setattr(&string("connection_made")?, &connection_made)?;
    UNCHANGED.prepare(&class)?;
    RECEIVES.prepare(&class)?;
    Ok(class)
}

/// What a method is that a class without it would inherit: `super(StreamReaderProtocol, protocol).name`.
pub fn inherited(protocol: &Ref, name: &str) -> Result<Ref> {
    // SAFETY: a static type.
    let class = unsafe { Ref::borrowed((&raw mut ffi::PySuper_Type).cast()) };
    class
        .call([&STOCK.get().class, protocol])?
        .getattr(&string(name)?)
}

fn init(protocol: &Ref, args: Args<'_>) -> Result<()> {
    let parameters = ["stream_reader", "client_connected_cb", "loop"];
    let Some([Some(reader), callback, Some(event_loop)]) = stock_call::bound(&args, parameters, 1)
    else {
        return stock_init(protocol, &args);
    };
    if event_loop.is_none() || plain(protocol).is_none() {
        return stock_init(protocol, &args);
    }
    let own = fields(protocol);
    own.event_loop.set(event_loop.clone());
    for flag in [
        &own.paused,
        &own.connection_lost,
        &own.reject_connection,
        &own.over_ssl,
    ] {
        flag.set(false);
    }
    for slot in [&own.drain_waiters, &own.task, &own.transport] {
        drop(slot.take());
    }
    if reader.is_none() {
        drop(own.reader_reference.take());
    } else {
        // SAFETY: live; a new reference or null.
        let reference = unsafe {
            Ref::owned_or_raised(ffi::PyWeakref_NewRef(reader.as_ptr(), std::ptr::null_mut()))
        }?;
        own.reader_reference.set(reference);
        let traceback = reader.getattr(&names().source_traceback_attr)?;
        if !traceback.is_none() {
            protocol.setattr(&names().source_traceback_attr, &traceback)?;
        }
    }
    let callback = callback.filter(|callback| !callback.is_none());
    if callback.is_some() {
        own.strong_reader.set(reader.clone());
    }
    if behaviour::stream_protocols_keep_writers() {
        own.stream_writer.set(none());
    }
    own.client_connected.put(callback.cloned());
    own.closed.set(any::create(event_loop)?);
    Ok(())
}

#[cold]
fn stock_init(protocol: &Ref, args: &Args<'_>) -> Result<()> {
    args.pass_on_behind(protocol, &STOCK.get().init).map(drop)
}

fn data_received_method(protocol: &Ref, data: &Ref) -> Result<Ref> {
    match plain(protocol) {
        Some(own) => feed(own, data).map(|()| none()),
        None => STOCK.get().data_received.call([protocol, data]),
    }
}

#[inline]
fn feed(own: &ProtocolFields, data: &Ref) -> Result<()> {
    match own.reader()? {
        Some(reader) => reader::feed_data(&reader, data).map(drop),
        None => Ok(()),
    }
}

/// `protocol.data_received(data)` of a protocol whose method that is, and of which nothing else is the user's
/// either; nothing happens for any other object.
#[inline]
pub fn data_received(protocol: &Ref, data: &Ref) -> Option<Result<()>> {
    let plain = protocol.is_exact(PROTOCOL.get()) && RECEIVES.is_unchanged(protocol);
    plain.then(|| feed(fields(protocol), data))
}

fn eof_received(protocol: &Ref) -> Result<Ref> {
    let Some(own) = plain(protocol) else {
        return STOCK.get().eof_received.call([protocol]);
    };
    if let Some(reader) = own.reader()? {
        reader::feed_eof(&reader)?;
    }
    // Over TLS there is no half of a connection to keep.
    Ok(boolean(!own.over_ssl.get()))
}

fn get_close_waiter(protocol: &Ref, stream: &Ref) -> Result<Ref> {
    match plain(protocol).and_then(|own| own.closed.get()) {
        Some(closed) => Ok(closed),
        None => STOCK.get().get_close_waiter.call([protocol, stream]),
    }
}

fn connection_lost(protocol: &Ref, exception: &Ref) -> Result<Ref> {
    let plain = plain(protocol).and_then(|own| Some((own, own.closed.get()?)));
    let Some((own, closed)) = plain else {
        return STOCK.get().connection_lost.call([protocol, exception]);
    };
    if let Some(reader) = own.reader()? {
        if exception.is_none() {
            reader::feed_eof(&reader)?;
        } else {
            reader::set_exception(&reader, exception)?;
        }
    }
    if !any::is_done(&closed)? {
        finish(&closed, exception)?;
    }
    own.connection_lost.set(true);
    if own.paused.get() {
        for_each_waiter(own, |waiter| finish(waiter, exception))?;
    }
    drop(own.reader_reference.take());
    own.stream_writer.set(none());
    drop(own.task.take());
    drop(own.transport.take());
    Ok(none())
}

/// Finishes a future as the connection ended.
fn finish(future: &Ref, exception: &Ref) -> Result<()> {
    if exception.is_none() {
        return any::set_result(future, none());
    }
    future
        .call_method(&names().set_exception, [exception])
        .map(drop)
}

/// Calls `finish` with each future of those who drain that is not done.
fn for_each_waiter(own: &ProtocolFields, finish: impl Fn(&Ref) -> Result<()>) -> Result<()> {
    let Some(queue) = WaiterQueue::of(&own.drain_waiters) else {
        return Ok(());
    };
    for waiter in queue.snapshot() {
        if !any::is_done(&waiter)? {
            finish(&waiter)?;
        }
    }
    Ok(())
}

/// The fields, if `pause_writing` or `resume_writing` has nothing to say but to this very object.
fn quiet(protocol: &Ref) -> Result<Option<&ProtocolFields>> {
    let Some(own) = plain(protocol) else {
        return Ok(None);
    };
    match own.event_loop.get() {
        Some(event_loop) if !reader::is_debug(&event_loop)? => Ok(Some(own)),
        _ => Ok(None),
    }
}

fn pause_writing(protocol: &Ref) -> Result<Ref> {
    match quiet(protocol)? {
        Some(own) if !own.paused.get() => {
            own.paused.set(true);
            Ok(none())
        }
        _ => inherited(protocol, "pause_writing")?.call([]),
    }
}

fn resume_writing(protocol: &Ref) -> Result<Ref> {
    match quiet(protocol)? {
        Some(own) if own.paused.get() => {
            own.paused.set(false);
            for_each_waiter(own, |waiter| any::set_result(waiter, none()))?;
            Ok(none())
        }
        _ => inherited(protocol, "resume_writing")?.call([]),
    }
}
