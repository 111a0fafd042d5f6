//! The coroutines `drain` and `wait_closed` of a writer, and `_drain_helper` of a protocol.

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::future::any;
use crate::imports::names;
use crate::native::{Ref, Result, none, raise, raise_chained};
use crate::sync::waiter_queue::{self, WaiterQueue};
use crate::transports::direct;

use super::protocol_fields::{self, ProtocolFields};
use super::reads::{delegate, is_delegated};
use super::writer::{self, STOCK};
use super::{protocol, reader};
use crate::native::attributes::missing;

pub static DRAIN: AsyncDef = AsyncDef {
    name: "drain",
    qualname: "StreamWriter.drain",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: drain,
};

pub static WAIT_CLOSED: AsyncDef = AsyncDef {
    name: "wait_closed",
    qualname: "StreamWriter.wait_closed",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: wait_closed,
};

pub static DRAIN_HELPER: AsyncDef = AsyncDef {
    name: "_drain_helper",
    qualname: "FlowControlMixin._drain_helper",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: drain_helper,
};

/// Where `drain` stands (a body that left everything to asyncio's is at another stage).
const LET_OTHERS_RUN: u8 = 2;
const WAITING: u8 = 3;
const HELPED: u8 = 4;

/// `drain()`. Slot 0 is the writer, slot 1 the future that is waited for, slot 2 the protocol that has it.
fn drain(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    let stage = frame.stage();
    if stage.get() == WAITING {
        return stop_waiting(frame, 2, sent);
    }
    let is_start = matches!(sent, Sent::Start);
    sent.value()?;
    if stage.get() == HELPED {
        return Ok(Flow::Return(none()));
    }
    let writer = frame.argument(0);
    if is_start {
        let Some((reader, transport)) = parts(&writer) else {
            return delegate(frame, STOCK.get().drain.call([&writer]));
        };
        if let Some(reader) = reader
            && let Some(exception) = reader::exception(&reader)?
        {
            return raise_given(exception);
        }
        if direct::is_closing(&transport)? {
            // Lets `connection_lost` be called, so that whoever writes and drains in a loop hears of it.
            stage.set(LET_OTHERS_RUN);
            return Ok(Flow::Pause);
        }
    }
    let Some(protocol) = writer::fields(&writer).protocol.get() else {
        return missing(&writer, c"_protocol");
    };
    match protocol_fields::plain(&protocol) {
        Some(own) => {
            stage.set(WAITING);
            frame.slot(2).set(protocol.clone());
            wait(frame, &protocol, own)
        }
        None => {
            stage.set(HELPED);
            let helper = protocol.call_method(&names().drain_helper, [])?;
            Ok(Flow::Await(helper))
        }
    }
}

/// Reader and transport of a plain writer.
fn parts(writer: &Ref) -> Option<(Option<Ref>, Ref)> {
    let own = writer::plain(writer)?;
    Some((own.reader.get(), own.transport.get()?))
}

/// `raise exception`, where that may be anything.
fn raise_given<T>(exception: Ref) -> Result<T> {
    if exception.is_exception() {
        return raise_chained(exception);
    }
    // SAFETY: live; static exception classes.
    unsafe {
        if ffi::PyExceptionClass_Check(exception.as_ptr()) != 0 {
            return raise_chained(exception.call([])?);
        }
        raise(
            ffi::PyExc_TypeError,
            c"exceptions must derive from BaseException",
        )
    }
}

/// Waits until a plain protocol may write; the future is in slot 1.
#[inline]
fn wait(frame: Frame<'_>, protocol: &Ref, own: &ProtocolFields) -> Result<Flow> {
    if own.connection_lost.get() {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_ConnectionResetError },
            c"Connection lost",
        );
    }
    if !own.paused.get() {
        return Ok(Flow::Return(none()));
    }
    let Some(event_loop) = own.event_loop.get() else {
        return missing(protocol, c"_loop");
    };
    let future = any::create(&event_loop)?;
    WaiterQueue::of_or_new(&own.drain_waiters)?.push(future.clone());
    frame.slot(1).set(future.clone());
    Ok(Flow::Await(future))
}

/// The end of [`wait`], whichever it is; the protocol is in the slot at `place`.
fn stop_waiting(frame: Frame<'_>, place: usize, sent: Sent) -> Result<Flow> {
    let protocol = frame.argument(place);
    let own = protocol_fields::fields(&protocol);
    waiter_queue::leave(&own.drain_waiters, frame.slot(1));
    sent.value()?;
    Ok(Flow::Return(none()))
}

/// `_drain_helper()` of a protocol, which is in slot 0; slot 1 has the future that is waited for.
fn drain_helper(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    if !matches!(sent, Sent::Start) {
        return stop_waiting(frame, 0, sent);
    }
    let protocol = frame.argument(0);
    match protocol_fields::plain(&protocol) {
        Some(own) => wait(frame, &protocol, own),
        None => delegate(
            frame,
            protocol::inherited(&protocol, "_drain_helper").and_then(|method| method.call([])),
        ),
    }
}

/// `wait_closed()`. Slot 0 is the writer.
fn wait_closed(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    if !matches!(sent, Sent::Start) {
        sent.value()?;
        return Ok(Flow::Return(none()));
    }
    let writer = frame.argument(0);
    let protocol = writer::plain(&writer).and_then(|own| own.protocol.get());
    let Some(protocol) = protocol else {
        return delegate(frame, STOCK.get().wait_closed.call([&writer]));
    };
    let closed = match protocol_fields::plain(&protocol).and_then(|own| own.closed.get()) {
        Some(closed) => closed,
        None => protocol.call_method(&names().get_close_waiter, [&writer])?,
    };
    Ok(Flow::Await(closed))
}
