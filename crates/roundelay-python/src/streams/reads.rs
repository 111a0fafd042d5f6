//! The coroutines `read` and `readexactly`, and how all that read wait for data.

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::future::any;
use crate::imports::{imports, names};
use crate::native::{
    Ref, Result, check, integer, list, none, raise, raise_chained, raise_object, raise_text,
    text_of,
};

use super::buffer::contents;
use super::reader::resume_if_drained;
use super::reader_fields::{ReaderFields, STOCK, fields, is_plain, transport};
use crate::native::attributes::missing;

pub static READ: AsyncDef = AsyncDef {
    name: "read",
    qualname: "StreamReader.read",
    parameters: &["n"],
    positional: 1,
    required: 0,
    resume: read,
};

pub static READEXACTLY: AsyncDef = AsyncDef {
    name: "readexactly",
    qualname: "StreamReader.readexactly",
    parameters: &["n"],
    positional: 1,
    required: 1,
    resume: read_exactly,
};

pub static WAIT_FOR_DATA: AsyncDef = AsyncDef {
    name: "_wait_for_data",
    qualname: "StreamReader._wait_for_data",
    parameters: &["func_name"],
    positional: 1,
    required: 1,
    resume: wait_for_data,
};

/// The stage of a body that left everything to asyncio's own coroutine.
const DELEGATED: u8 = 1;

/// Goes on with asyncio's own coroutine, whose result is that of this one.
#[cold]
pub fn delegate(frame: Frame<'_>, stock_call: Result<Ref>) -> Result<Flow> {
    frame.stage().set(DELEGATED);
    stock_call.map(Flow::Await)
}

/// Whether [`delegate`] was called.
#[inline]
pub fn is_delegated(frame: Frame<'_>) -> bool {
    frame.stage().get() == DELEGATED
}

/// What `sent` says to a body that waited in [`wait`]: whether it did, or the exception that it ended with.
#[inline]
pub fn waited(own: &ReaderFields, sent: Sent) -> Result<bool> {
    match sent {
        Sent::Start => Ok(false),
        Sent::Value(_) => {
            drop(own.waiter.take());
            Ok(true)
        }
        Sent::Raised(exception) => {
            drop(own.waiter.take());
            raise_object(exception)
        }
    }
}

/// `await self._wait_for_data(name)` of a plain reader that is not at its end.
#[inline]
pub fn wait(reader: &Ref, own: &ReaderFields, name: &str) -> Result<Flow> {
    if own.waiter.is_some() {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_RuntimeError },
            &format!(
                "{name}() called while another coroutine is already waiting for incoming data"
            ),
        );
    }
    // Waiting while nothing may come would be waiting for ever.
    if own.paused.replace(false) {
        transport(own).call_method(&names().resume_reading, [])?;
    }
    own.buffer.tidy()?;
    let Some(event_loop) = own.event_loop.get() else {
        return missing(reader, c"_loop");
    };
    let future = any::create(&event_loop)?;
    own.waiter.set(future.clone());
    Ok(Flow::Await(future))
}

/// Raises what was set by `set_exception`.
#[inline]
pub fn check_exception(own: &ReaderFields) -> Result<()> {
    match own.exception.get() {
        None => Ok(()),
        Some(exception) if exception.is_exception() => raise_chained(exception),
        // A class, as a rule.
        Some(class) => {
            // SAFETY: live; anything but an exception class is refused with the interpreter's own error.
            unsafe {
                if ffi::PyExceptionClass_Check(class.as_ptr()) == 0 {
                    return raise(
                        ffi::PyExc_TypeError,
                        c"exceptions must derive from BaseException",
                    );
                }
            }
            raise_chained(class.call([])?)
        }
    }
}

/// An argument that must be an `int` of ordinary size.
fn number(frame: Frame<'_>, place: usize) -> Option<i64> {
    let argument = frame.slot(place).get()?;
    if !argument.is_exact(&raw mut ffi::PyLong_Type) {
        return None;
    }
    let mut overflow = 0;
    // SAFETY: a live `int`; no error is set for one, however large.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(argument.as_ptr(), &mut overflow) };
    (overflow == 0).then_some(number)
}

/// `b''`
fn nothing() -> Result<Ref> {
    // SAFETY: attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyBytes_FromStringAndSize(std::ptr::null(), 0)) }
}

/// Raises `IncompleteReadError(partial, expected)` with everything that is there.
pub fn raise_incomplete<T>(own: &ReaderFields, expected: &Ref) -> Result<T> {
    let partial = own.buffer.take(own.buffer.len())?;
    raise_chained(imports().incomplete_read_error.call([&partial, expected])?)
}

/// `read(n=-1)`. Slot 0 is the reader, slot 1 `n`, slot 2 the blocks of a read to the end; the number is `n`.
fn read(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    let reader = frame.argument(0);
    let own = fields(&reader);
    let waited = waited(own, sent)?;
    if !waited {
        let given = if frame.slot(1).is_some() {
            number(frame, 1)
        } else {
            Some(-1)
        };
        let Some(count) = given.filter(|_| is_plain(&reader)) else {
            return delegate_read(frame, &reader);
        };
        check_exception(own)?;
        if count == 0 {
            return nothing().map(Flow::Return);
        }
        frame.number().set(count);
    } else if !own.is_usable() {
        return delegate_read(frame, &reader);
    }
    let count = frame.number().get();
    if count < 0 {
        return read_to_the_end(frame, &reader, own, waited);
    }
    if !waited && own.buffer.len() == 0 && !own.eof.get() {
        return wait(&reader, own, "read");
    }
    let data = own.buffer.take(count as usize)?;
    resume_if_drained(own)?;
    Ok(Flow::Return(data))
}

fn delegate_read(frame: Frame<'_>, reader: &Ref) -> Result<Flow> {
    let stock = &STOCK.get().read;
    match frame.slot(1).get() {
        Some(count) => delegate(frame, stock.call([reader, &count])),
        None => delegate(frame, stock.call([reader])),
    }
}

/// Reads block after block until there is none, each as large as the limit at most: an error between two of them
/// leaves the rest where it is.
fn read_to_the_end(
    frame: Frame<'_>,
    reader: &Ref,
    own: &ReaderFields,
    mut waited: bool,
) -> Result<Flow> {
    let blocks = match frame.slot(2).get() {
        Some(blocks) => blocks,
        None => {
            let blocks = list(vec![])?;
            frame.slot(2).set(blocks.clone());
            blocks
        }
    };
    loop {
        if !waited {
            check_exception(own)?;
            if own.buffer.len() == 0 && !own.eof.get() {
                return wait(reader, own, "read");
            }
        }
        waited = false;
        // No limit that native code understands, by now: everything.
        let most = Some(own.bound.get()).filter(|bound| *bound > 0);
        let block = own.buffer.take(most.unwrap_or(usize::MAX))?;
        resume_if_drained(own)?;
        if contents(&block).is_empty() {
            break;
        }
        // SAFETY: a live list and a live object.
        check(unsafe { ffi::PyList_Append(blocks.as_ptr(), block.as_ptr()) })?;
    }
    let joined = nothing()?.call_method(&names().join, [&blocks])?;
    Ok(Flow::Return(joined))
}

/// `readexactly(n)`. Slot 0 is the reader, slot 1 `n`; the number is `n` as well.
fn read_exactly(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    let reader = frame.argument(0);
    let own = fields(&reader);
    if !waited(own, sent)? {
        let Some(count) = number(frame, 1).filter(|_| is_plain(&reader)) else {
            return delegate_read_exactly(frame, &reader);
        };
        if count < 0 {
            // SAFETY: a static exception class.
            return raise(
                unsafe { ffi::PyExc_ValueError },
                c"readexactly size can not be less than zero",
            );
        }
        check_exception(own)?;
        if count == 0 {
            return nothing().map(Flow::Return);
        }
        frame.number().set(count);
    } else if !own.is_usable() {
        return delegate_read_exactly(frame, &reader);
    }
    let count = frame.number().get() as usize;
    if own.buffer.len() < count {
        if own.eof.get() {
            return raise_incomplete(own, &integer(count as u64)?);
        }
        return wait(&reader, own, "readexactly");
    }
    let data = own.buffer.take(count)?;
    resume_if_drained(own)?;
    Ok(Flow::Return(data))
}

fn delegate_read_exactly(frame: Frame<'_>, reader: &Ref) -> Result<Flow> {
    let count = frame.argument(1);
    delegate(frame, STOCK.get().readexactly.call([reader, &count]))
}

/// `_wait_for_data(func_name)`. Slot 0 is the reader, slot 1 the name.
fn wait_for_data(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    let reader = frame.argument(0);
    let own = fields(&reader);
    if waited(own, sent)? {
        return Ok(Flow::Return(none()));
    }
    let name = frame.argument(1);
    if !is_plain(&reader) || own.eof.get() || !name.is_exact(&raw mut ffi::PyUnicode_Type) {
        return delegate(frame, STOCK.get().wait_for_data.call([&reader, &name]));
    }
    wait(&reader, own, &text_of(&name)?)
}
