//! How the two objects of a TLS connection begin.

use pyo3::ffi;

use crate::imports::names;
use crate::native::{
    Args, Raised, Ref, Result, boolean, check, dict, integer, none, raise, string, tuple,
};
use crate::sync::stock_call;

use super::engine;
use super::fields::{ProtocolFields, TRANSPORT, fields, transport_fields};
use super::stock::stock;

/// `constants.FLOW_CONTROL_HIGH_WATER_SSL_READ` and its like are in KiB; the low limits are a quarter.
const LOW_OF_HIGH: u64 = 4;

/// `SSLProtocol.__init__`, without its buffer, which is made when a transport asks for it.
pub fn init(protocol: &Ref, args: Args<'_>) -> Result<()> {
    let parameters = [
        "loop",
        "app_protocol",
        "sslcontext",
        "waiter",
        "server_side",
        "server_hostname",
        "call_connection_made",
        "ssl_handshake_timeout",
        "ssl_shutdown_timeout",
    ];
    let Some(given) = stock_call::bound(&args, parameters, 4) else {
        return stock_init(protocol, &args);
    };
    let [
        Some(event_loop),
        Some(app_protocol),
        Some(context),
        Some(waiter),
        given @ ..,
    ] = given
    else {
        return stock_init(protocol, &args);
    };
    let [
        server_side,
        hostname,
        call_connection_made,
        handshake_timeout,
        shutdown_timeout,
    ] = given;
    let handshake_timeout = timeout(handshake_timeout, "SSL_HANDSHAKE_TIMEOUT")?;
    let shutdown_timeout = timeout(shutdown_timeout, "SSL_SHUTDOWN_TIMEOUT")?;
    let (Some(handshake_timeout), Some(shutdown_timeout)) = (handshake_timeout, shutdown_timeout)
    else {
        return stock_init(protocol, &args);
    };
    let server_side = server_side.cloned().unwrap_or_else(|| boolean(false));
    let hostname = hostname.cloned().unwrap_or_else(none);
    let context = if context.truthy()? {
        context.clone()
    } else {
        stock().create_context.call([&server_side, &hostname])?
    };
    let own = fields(protocol);
    own.handshake_timeout.set(handshake_timeout);
    own.shutdown_timeout.set(shutdown_timeout);
    let hostname = (hostname.truthy()? && !server_side.truthy()?).then_some(hostname);
    own.server_side.set(server_side);
    own.server_hostname.put(hostname);
    own.extra.set(dict(&[(c"sslcontext", &context)])?);
    own.context.set(context);
    own.waiter.put((!waiter.is_none()).then(|| waiter.clone()));
    own.event_loop.set(event_loop.clone());
    protocol.call_method(&names().set_app_protocol, [app_protocol])?;
    reset(own);
    let call = call_connection_made.map_or(Ok(true), Ref::truthy)?;
    own.app_state.set(if call {
        stock().app_init.clone()
    } else {
        stock().app_connection_made.clone()
    });
    wrap(own)?;
    set_limits(own)?;
    protocol.call_method(&names().get_app_transport, [])?;
    Ok(())
}

#[cold]
fn stock_init(protocol: &Ref, args: &Args<'_>) -> Result<()> {
    args.pass_on_behind(protocol, &stock().init).map(drop)
}

/// A timeout in seconds, asyncio's `default` if none is given; nothing if it is one that asyncio refuses.
fn timeout(given: Option<&Ref>, default: &str) -> Result<Option<Ref>> {
    let Some(given) = given.filter(|given| !given.is_none()) else {
        return stock().constants.getattr(&string(default)?).map(Some);
    };
    // SAFETY: live objects.
    let refused =
        unsafe { ffi::PyObject_RichCompareBool(given.as_ptr(), names().zero.as_ptr(), ffi::Py_LE) };
    check(refused)?;
    Ok((refused == 0).then(|| given.clone()))
}

/// Everything that a second `__init__` would find changed.
fn reset(own: &ProtocolFields) {
    for slot in [
        &own.app_transport,
        &own.transport,
        &own.inner,
        &own.backlog,
        &own.handshake_start,
        &own.handshake_timer,
        &own.shutdown_timer,
    ] {
        drop(slot.take());
    }
    for flag in [
        &own.app_transport_created,
        &own.ssl_writing_paused,
        &own.ssl_reading_paused,
        &own.app_writing_paused,
        &own.app_reading_paused,
        &own.eof_received,
    ] {
        flag.set(false);
    }
    own.write_buffer_size.set(0);
    own.conn_lost.set(0);
    own.engine.set(engine::Kind::Unknown);
    own.state.set(stock().unwrapped.clone());
}

/// `sslcontext.wrap_bio(incoming, outgoing, server_side=..., server_hostname=...)`
fn wrap(own: &ProtocolFields) -> Result<()> {
    let incoming = stock().memory_bio.call([])?;
    let outgoing = stock().memory_bio.call([])?;
    let given = |slot: &crate::native::Slot| slot.get().unwrap_or_else(none);
    let wrap = given(&own.context).getattr(&string("wrap_bio")?)?;
    let named = dict(&[
        (c"server_side", &given(&own.server_side)),
        (c"server_hostname", &given(&own.server_hostname)),
    ])?;
    own.incoming.set(incoming.clone());
    own.outgoing.set(outgoing.clone());
    let ssl_object = wrap.call_tuple(&tuple(&[&incoming, &outgoing])?, Some(&named))?;
    own.ssl_object.set(ssl_object);
    engine::look(own)
}

/// `connection_lost(exc)`
///
/// asyncio does not tell the user's protocol of an end in the middle of the handshake, and it need not where that
/// was never told of a connection. One that had the connection before `start_tls()` has to hear of it: a stream's
/// `wait_closed()` waits for that. So the handshake counts as over then.
pub fn connection_lost(protocol: &Ref, exc: &Ref) -> Result<Ref> {
    let own = fields(protocol);
    if own.state.peek() == stock().do_handshake.as_ptr()
        && own.app_state.peek() == stock().app_connection_made.as_ptr()
    {
        own.state.set(stock().unwrapped.clone());
    }
    stock().connection_lost.call([protocol, exc])
}

/// The limits that a new connection has.
fn set_limits(own: &ProtocolFields) -> Result<()> {
    let constant = |name: &str| -> Result<u64> {
        let kib = stock().constants.getattr(&string(name)?)?.to_f64()?;
        Ok(kib as u64 * 1024)
    };
    let read = constant("FLOW_CONTROL_HIGH_WATER_SSL_READ")?;
    let write = constant("FLOW_CONTROL_HIGH_WATER_SSL_WRITE")?;
    for (slot, number, value) in [
        (&own.incoming_high, &own.limits.incoming_high, read),
        (
            &own.incoming_low,
            &own.limits.incoming_low,
            read / LOW_OF_HIGH,
        ),
        (&own.outgoing_high, &own.limits.outgoing_high, write),
        (
            &own.outgoing_low,
            &own.limits.outgoing_low,
            write / LOW_OF_HIGH,
        ),
    ] {
        slot.set(integer(value)?);
        number.set(value as f64);
    }
    Ok(())
}

/// `_get_app_transport()`: the user's transport, made when it is first asked for.
pub fn get_app_transport(protocol: &Ref) -> Result<Ref> {
    let own = fields(protocol);
    if let Some(transport) = own.app_transport.get() {
        return Ok(transport);
    }
    if own.app_transport_created.get() {
        return raise(
            // SAFETY: a static exception class.
            unsafe { ffi::PyExc_RuntimeError },
            c"Creating _SSLProtocolTransport twice",
        );
    }
    // SAFETY: set when the module was made; our types live as long as the process.
    let class = unsafe { Ref::borrowed(TRANSPORT.get().cast()) };
    let event_loop = own.event_loop.get().unwrap_or_else(none);
    let transport = class.call([&event_loop, protocol])?;
    own.app_transport.set(transport.clone());
    own.app_transport_created.set(true);
    Ok(transport)
}

/// `_SSLProtocolTransport.__init__(loop, ssl_protocol)`
pub fn init_transport(transport: &Ref, args: Args<'_>) -> Result<()> {
    let Some([Some(event_loop), Some(protocol)]) =
        stock_call::bound(&args, ["loop", "ssl_protocol"], 2)
    else {
        // Raises what it does of such arguments.
        args.pass_on_behind(transport, &stock().transport_init)?;
        return Err(Raised);
    };
    let own = transport_fields(transport);
    own.event_loop.set(event_loop.clone());
    own.protocol
        .put((!protocol.is_none()).then(|| protocol.clone()));
    own.closed.set(false);
    Ok(())
}
