//! Readers and writers: callbacks of descriptors.

use std::os::fd::RawFd;

use pyo3::ffi;
use roundelay::Interest;

use crate::error::raise_io;
use crate::imports::names;
use crate::native::{Args, Raised, Ref, Result, boolean, integer, list, none, raise_text, tuple};

use super::data::{LoopData, Watch};
use super::handle;
use super::object::data;
use super::schedule::check_closed;

/// Which of the two callbacks of a descriptor is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Reader,
    Writer,
}

impl Watch {
    fn side(&mut self, side: Side) -> &mut Option<Ref> {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    /// What the reactor has to watch for.
    pub fn interest(&self) -> Interest {
        Interest {
            readable: self.reader.is_some(),
            writable: self.writer.is_some(),
        }
    }
}

/// `_add_reader(fd, callback, *args)`
pub fn add_reader(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    add(event_loop, args, Side::Reader)
}

/// `_add_writer(fd, callback, *args)`
pub fn add_writer(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    add(event_loop, args, Side::Writer)
}

/// `_remove_reader(fd)`
pub fn remove_reader(event_loop: &Ref, fd: &Ref) -> Result<Ref> {
    remove(event_loop, descriptor(fd)?, Side::Reader).map(boolean)
}

/// `_remove_writer(fd)`
pub fn remove_writer(event_loop: &Ref, fd: &Ref) -> Result<Ref> {
    remove(event_loop, descriptor(fd)?, Side::Writer).map(boolean)
}

/// A descriptor given as a number or as an object with `fileno()`, as `selectors` takes it.
fn descriptor(object: &Ref) -> Result<RawFd> {
    let invalid = |text: String| -> Result<RawFd> {
        // SAFETY: a static exception class.
        raise_text(unsafe { ffi::PyExc_ValueError }, &text)
    };
    // SAFETY: live.
    let is_int = |object: &Ref| unsafe { ffi::PyLong_Check(object.as_ptr()) != 0 };
    let number = if is_int(object) {
        object.clone()
    } else {
        let number = object
            .getattr(&names().fileno)
            .and_then(|fileno| fileno.call([]));
        match number {
            Ok(number) if is_int(&number) => number,
            _ => {
                drop(crate::native::take_raised());
                return invalid(format!(
                    "Invalid file object: {}",
                    crate::native::repr(object)?
                ));
            }
        }
    };
    // SAFETY: a live int.
    let fd = unsafe { ffi::PyLong_AsLong(number.as_ptr()) };
    if fd == -1 && crate::native::raised() {
        return Err(Raised);
    }
    match RawFd::try_from(fd) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => invalid(format!("Invalid file descriptor: {fd}")),
    }
}

fn add(event_loop: &Ref, args: Args<'_>, side: Side) -> Result<Ref> {
    let state = data(event_loop);
    check_closed(state)?;
    let [fd, callback, rest @ ..] = args.positional else {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_TypeError },
            "a descriptor and a callback are required",
        );
    };
    let fd = descriptor(fd)?;
    let arguments = match rest {
        [] => handle::Arguments::None,
        [only] => handle::Arguments::One(only.clone()),
        many => handle::Arguments::Many(crate::native::tuple(&many.iter().collect::<Vec<_>>())?),
    };
    let handle = handle::make(event_loop, callback, arguments, None)?;
    let replaced = insert(state, fd, side, handle.clone()).or_else(raise_io)?;
    if let Some(replaced) = replaced {
        replaced.call_method(&names().cancel, [])?;
    }
    Ok(handle)
}

/// Has the loop call a native transport's method while its descriptor is readable (or writable).
pub fn watch(event_loop: &Ref, fd: RawFd, readable: bool, callback: &Ref) -> Result<()> {
    let state = data(event_loop);
    check_closed(state)?;
    let handle = handle::make(event_loop, callback, handle::Arguments::None, None)?;
    match insert(state, fd, side_of(readable), handle).or_else(raise_io)? {
        Some(replaced) => replaced.call_method(&names().cancel, []).map(drop),
        None => Ok(()),
    }
}

/// Ends what [`watch`] began, if it did.
pub fn unwatch(event_loop: &Ref, fd: RawFd, readable: bool) -> Result<()> {
    remove(event_loop, fd, side_of(readable)).map(drop)
}

fn side_of(readable: bool) -> Side {
    if readable { Side::Reader } else { Side::Writer }
}

/// Registers first and remembers second, so that a refused descriptor leaves nothing behind.
fn insert(state: &LoopData, fd: RawFd, side: Side, handle: Ref) -> std::io::Result<Option<Ref>> {
    let Some(reactor) = state.reactor()? else {
        return Ok(None);
    };
    let mut watched = state.watched.borrow_mut();
    match watched.get_mut(&fd) {
        Some(watch) => {
            let before = watch.interest();
            let replaced = watch.side(side).replace(handle);
            let after = watch.interest();
            if before != after
                && let Err(error) = reactor.modify(fd, after)
            {
                *watch.side(side) = replaced;
                return Err(error);
            }
            Ok(replaced)
        }
        None => {
            let mut watch = Watch::default();
            *watch.side(side) = Some(handle);
            reactor.add(fd, watch.interest())?;
            watched.insert(fd, watch);
            Ok(None)
        }
    }
}

fn remove(event_loop: &Ref, fd: RawFd, side: Side) -> Result<bool> {
    let state = data(event_loop);
    if state.closed.get() {
        return Ok(false);
    }
    let Some(handle) = take(state, fd, side) else {
        return Ok(false);
    };
    handle.call_method(&names().cancel, [])?;
    Ok(true)
}

/// Takes the handle out and tells the reactor. A descriptor that was closed meanwhile is no error: the
/// system has forgotten it by itself.
fn take(state: &LoopData, fd: RawFd, side: Side) -> Option<Ref> {
    let reactor = state.reactor().ok().flatten();
    let mut watched = state.watched.borrow_mut();
    let watch = watched.get_mut(&fd)?;
    let handle = watch.side(side).take();
    let rest = watch.interest();
    let told = match &reactor {
        Some(reactor) if rest == Interest::default() => reactor.remove(fd),
        Some(reactor) if handle.is_some() => reactor.modify(fd, rest),
        _ => Ok(()),
    };
    if rest == Interest::default() {
        watched.remove(&fd);
    }
    // See above: the only error a removal can meet is that the number is closed already.
    drop(told);
    handle
}

/// Forgets a reader or writer whose handle was cancelled by hand.
pub fn forget_cancelled(state: &LoopData, fd: RawFd, readable: bool) {
    drop(take(state, fd, side_of(readable)));
}

/// `_watched()`: what is watched, as tuples of descriptor, reader and writer (a handle or `None` each).
pub fn watched(event_loop: &Ref) -> Result<Ref> {
    let copies: Vec<(RawFd, Option<Ref>, Option<Ref>)> = data(event_loop)
        .watched
        .borrow()
        .iter()
        .map(|(fd, watch)| (*fd, watch.reader.clone(), watch.writer.clone()))
        .collect();
    let mut tuples = Vec::with_capacity(copies.len());
    for (fd, reader, writer) in copies {
        let fd = integer(fd.unsigned_abs().into())?;
        let (reader, writer) = (reader.unwrap_or_else(none), writer.unwrap_or_else(none));
        tuples.push(tuple(&[&fd, &reader, &writer])?);
    }
    list(tuples)
}
