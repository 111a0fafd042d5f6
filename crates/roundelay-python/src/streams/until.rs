//! The coroutines `readuntil` and `readline`, and iteration over lines.

use std::cell::Cell;

use pyo3::ffi;

use crate::compat::behaviour;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::imports::{imports, names};
use crate::native::{
    Raised, Ref, Result, check, integer, items, none, raise_chained, raise_object, string,
    take_raised, while_handling,
};

use super::buffer::contents;
use super::reader::resume_if_drained;
use super::reader_fields::{ReaderFields, STOCK, fields, is_plain};
use super::reads::{check_exception, delegate, is_delegated, raise_incomplete, wait, waited};

pub static READUNTIL: AsyncDef = AsyncDef {
    name: "readuntil",
    qualname: "StreamReader.readuntil",
    parameters: &["separator"],
    positional: 1,
    required: 0,
    resume: read_until,
};

pub static READLINE: AsyncDef = AsyncDef {
    name: "readline",
    qualname: "StreamReader.readline",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: read_line,
};

pub static NEXT: AsyncDef = AsyncDef {
    name: "__anext__",
    qualname: "StreamReader.__anext__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: next,
};

/// Longer separators are searched for by asyncio's code, whose search stays quick for any of them.
const LONGEST: usize = 64;

const NEWLINE: &[u8] = b"\n";

/// What a look into the buffer gives.
enum Found {
    /// Everything up to the separator.
    Chunk(Ref),
    /// No separator yet.
    Nothing,
}

/// The separator or separators that `readuntil` was called with, kept alive by their objects.
enum Separators {
    One(Option<Ref>),
    /// The shortest first, in the order given.
    Many(Vec<Ref>),
}

impl Separators {
    /// The argument, if native code understands it.
    fn of(argument: Option<Ref>) -> Result<Option<Self>> {
        let Some(argument) = argument else {
            return Ok(Some(Self::One(None)));
        };
        if is_separator(&argument) {
            return Ok(Some(Self::One(Some(argument))));
        }
        if !argument.is_exact(&raw mut ffi::PyTuple_Type) || !behaviour::streams_take_separators() {
            return Ok(None);
        }
        let mut all = items(&argument);
        if all.is_empty() || !all.iter().all(is_separator) {
            return Ok(None);
        }
        all.sort_by_key(|separator| contents(separator).len());
        Ok(Some(Self::Many(all)))
    }

    /// Calls `look` with the separators.
    #[inline]
    fn with<T>(&self, look: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            Self::One(None) => look(&[NEWLINE]),
            Self::One(Some(separator)) => look(&[contents(separator)]),
            Self::Many(all) => look(&all.iter().map(contents).collect::<Vec<_>>()),
        }
    }
}

fn is_separator(object: &Ref) -> bool {
    object.is_exact(&raw mut ffi::PyBytes_Type) && (1..=LONGEST).contains(&contents(object).len())
}

/// Looks for the first of the separators (the shortest first) from `offset` on, before which there is none.
#[inline]
fn look(own: &ReaderFields, separators: &[&[u8]], offset: &Cell<i64>) -> Result<Found> {
    let (shortest, longest) = (separators[0].len(), separators[separators.len() - 1].len());
    let limit = own.bound.get();
    let len = own.buffer.len();
    let from = offset.get() as usize;
    if len >= from + shortest {
        let mut best: Option<(usize, usize)> = None;
        for separator in separators {
            if let Some(start) = own.buffer.find(separator, from) {
                let end = start + separator.len();
                if best.is_none_or(|(_, earliest)| end < earliest) {
                    best = Some((start, end));
                }
            }
        }
        if let Some((start, end)) = best {
            if start > limit {
                return raise_overrun("Separator is found, but chunk is longer than limit", start);
            }
            let chunk = own.buffer.take(end)?;
            resume_if_drained(own)?;
            return Ok(Found::Chunk(chunk));
        }
        // The end may be the beginning of a separator.
        let from = (len + 1).saturating_sub(longest);
        offset.set(from as i64);
        if from > limit {
            return raise_overrun("Separator is not found, and chunk exceed the limit", from);
        }
    }
    if own.eof.get() {
        return raise_incomplete(own, &none());
    }
    Ok(Found::Nothing)
}

#[cold]
fn raise_overrun<T>(text: &str, consumed: usize) -> Result<T> {
    let class = &imports().limit_overrun_error;
    raise_chained(class.call([&string(text)?, &integer(consumed as u64)?])?)
}

/// `readuntil(separator=b'\n')`. Slot 0 is the reader, slot 1 the separator; the number is the offset up to
/// which there is none.
fn read_until(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    let reader = frame.argument(0);
    let own = fields(&reader);
    let waited = waited(own, sent)?;
    let usable = if waited {
        own.is_usable()
    } else {
        is_plain(&reader)
    };
    let separators = Separators::of(frame.slot(1).get())?;
    let Some(separators) = separators.filter(|_| usable) else {
        let stock = &STOCK.get().readuntil;
        return match frame.slot(1).get() {
            Some(separator) => delegate(frame, stock.call([&reader, &separator])),
            None => delegate(frame, stock.call([&reader])),
        };
    };
    if !waited {
        check_exception(own)?;
    }
    match separators.with(|all| look(own, all, frame.number()))? {
        Found::Chunk(chunk) => Ok(Flow::Return(chunk)),
        Found::Nothing => wait(&reader, own, "readuntil"),
    }
}

/// `readline()`. Slot 0 is the reader; the number is the offset up to which there is no newline.
fn read_line(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if is_delegated(frame) {
        return sent.value().map(Flow::Return);
    }
    let reader = frame.argument(0);
    let own = fields(&reader);
    match line(frame, &reader, own, sent) {
        Ok(Flow::Await(stock)) if is_delegated(frame) => Ok(Flow::Await(stock)),
        Err(Raised) => recover(&reader, own).map(Flow::Return),
        flow => flow,
    }
}

/// A line, or the error of `readuntil`.
#[inline]
fn line(frame: Frame<'_>, reader: &Ref, own: &ReaderFields, sent: Sent) -> Result<Flow> {
    let waited = waited(own, sent)?;
    if !waited {
        if !is_plain(reader) {
            return delegate(frame, STOCK.get().readline.call([reader]));
        }
        check_exception(own)?;
    } else if !own.is_usable() {
        return delegate(frame, STOCK.get().readline.call([reader]));
    }
    match look(own, &[NEWLINE], frame.number())? {
        Found::Chunk(chunk) => Ok(Flow::Return(chunk)),
        Found::Nothing => wait(reader, own, "readuntil"),
    }
}

/// What `readline` makes of an exception: the line that the stream ends with, or a `ValueError` for one that
/// is too long, which is dropped.
#[cold]
fn recover(reader: &Ref, own: &ReaderFields) -> Result<Ref> {
    let exception = take_raised().expect("an error has an exception");
    if exception.is_exception_of(imports().incomplete_read_error.as_ptr()) {
        return exception.getattr(&names().partial);
    }
    if !exception.is_exception_of(imports().limit_overrun_error.as_ptr()) {
        return raise_object(exception);
    }
    while_handling(&exception.clone(), || {
        let consumed = exception.getattr(&names().consumed)?;
        let buffer = reader.getattr(&names().buffer)?;
        // SAFETY: attached; a new reference or null.
        let newline = unsafe {
            Ref::owned_or_raised(ffi::PyBytes_FromStringAndSize(NEWLINE.as_ptr().cast(), 1))
        }?;
        let found = buffer.call_method(&names().startswith, [&newline, &consumed])?;
        if found.truthy()? {
            // SAFETY: live objects; the place may be an error.
            unsafe {
                let place = ffi::PyNumber_AsSsize_t(consumed.as_ptr(), ffi::PyExc_OverflowError);
                if place == -1 && crate::native::raised() {
                    return Err(Raised);
                }
                check(ffi::PySequence_DelSlice(buffer.as_ptr(), 0, place + 1))?;
            }
        } else {
            buffer.call_method(&names().clear, [])?;
        }
        drop(buffer);
        resume_if_drained(own)?;
        let text = items(&exception.getattr(&names().args)?);
        // SAFETY: a static exception class.
        let class = unsafe { Ref::borrowed(ffi::PyExc_ValueError) };
        match text.first() {
            Some(text) => raise_chained(class.call([text])?),
            // As `args[0]` of an exception without arguments.
            None => crate::native::raise(
                // SAFETY: a static exception class.
                unsafe { ffi::PyExc_IndexError },
                c"tuple index out of range",
            ),
        }
    })
}

/// `__anext__()`. Slot 0 is the reader.
fn next(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if matches!(sent, Sent::Start) {
        let reader = frame.argument(0);
        if !is_plain(&reader) {
            return delegate(frame, STOCK.get().next.call([&reader]));
        }
    }
    match read_line(frame, sent)? {
        Flow::Return(line) if is_empty(&line)? => {
            // SAFETY: a static exception class.
            unsafe { ffi::PyErr_SetNone(ffi::PyExc_StopAsyncIteration) };
            Err(Raised)
        }
        flow => Ok(flow),
    }
}

/// `line == b''`
#[inline]
fn is_empty(line: &Ref) -> Result<bool> {
    if line.is_exact(&raw mut ffi::PyBytes_Type) {
        return Ok(contents(line).is_empty());
    }
    // An `IncompleteReadError` of the user's may have anything as what was read.
    // SAFETY: attached; a new reference or null.
    let empty =
        unsafe { Ref::owned_or_raised(ffi::PyBytes_FromStringAndSize(std::ptr::null(), 0)) }?;
    line.equals(&empty)
}
