//! Readers and writers: callbacks of descriptors.

use std::ffi::CStr;
use std::io::ErrorKind;
use std::os::fd::RawFd;

use pyo3::ffi;
use roundelay::{Interest, Reactor};

use crate::error::raise_io;
use crate::native::{Args, Raised, Ref, Result, boolean, integer, list, none, raise_text, tuple};

use crate::sockets;
use crate::sync::stock_call;

use super::data::{LoopData, Mode, Watch};
use super::fileno::{check_number, descriptor};
use super::handle::{self, Arguments};
use super::object::data;
use super::schedule::check_closed;
use super::transport_table;

/// Which of the two callbacks of a descriptor is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Reader,
    Writer,
}

impl Watch {
    pub(super) fn side(&mut self, side: Side) -> &mut Option<Ref> {
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
    remove_any(event_loop, fd, Side::Reader)
}

/// `_remove_writer(fd)`
pub fn remove_writer(event_loop: &Ref, fd: &Ref) -> Result<Ref> {
    remove_any(event_loop, fd, Side::Writer)
}

/// `add_reader(fd, callback, *args)`
pub fn add_reader_checked(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    add_checked(event_loop, args, Side::Reader, c"add_reader")
}

/// `add_writer(fd, callback, *args)`
pub fn add_writer_checked(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    add_checked(event_loop, args, Side::Writer, c"add_writer")
}

/// `remove_reader(fd)`
pub fn remove_reader_checked(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    remove_checked(event_loop, args, Side::Reader, c"remove_reader")
}

/// `remove_writer(fd)`
pub fn remove_writer_checked(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    remove_checked(event_loop, args, Side::Writer, c"remove_writer")
}

/// The public methods leave alone what belongs to a transport. asyncio's own call the others of these.
fn add_checked(event_loop: &Ref, args: Args<'_>, side: Side, name: &CStr) -> Result<Ref> {
    let ([fd, _, ..], true, true) = (
        args.positional,
        args.no_keywords(),
        sockets::is_unchanged(event_loop),
    ) else {
        return stock_call::call(event_loop, name, &args);
    };
    transport_table::ensure_method(event_loop, fd)?;
    add(event_loop, args, side).map(|_| none())
}

fn remove_checked(event_loop: &Ref, args: Args<'_>, side: Side, name: &CStr) -> Result<Ref> {
    let ([fd], true, true) = (
        args.positional,
        args.no_keywords(),
        sockets::is_unchanged(event_loop),
    ) else {
        return stock_call::call(event_loop, name, &args);
    };
    transport_table::ensure_method(event_loop, fd)?;
    remove_any(event_loop, fd, side)
}

fn remove_any(event_loop: &Ref, object: &Ref, side: Side) -> Result<Ref> {
    let state = data(event_loop);
    if state.closed.get() {
        return Ok(boolean(false));
    }
    match descriptor(object) {
        Ok(fd) => remove(event_loop, fd, side).map(boolean),
        // SAFETY: a static exception class; an exception is set.
        Err(Raised) if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_OverflowError) } != 0 => {
            // Nobody watches such a number.
            drop(crate::native::take_raised());
            Ok(boolean(false))
        }
        // SAFETY: as above.
        Err(Raised) if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_ValueError) } != 0 => {
            let Some(fd) = given_as(state, object) else {
                return Err(Raised);
            };
            drop(crate::native::take_raised());
            remove(event_loop, fd, side).map(boolean)
        }
        Err(Raised) => Err(Raised),
    }
}

/// The descriptor that began to be watched as this object, which may have no descriptor any more.
fn given_as(state: &LoopData, object: &Ref) -> Option<RawFd> {
    let watched = state.watched.borrow();
    let is_it = |watch: &Watch| watch.file.as_ref().is_some_and(|file| file.is(object));
    watched
        .iter()
        .find_map(|(fd, watch)| is_it(watch).then_some(*fd))
}

/// Remembers as what a descriptor was given, unless as a number.
fn remember_file(state: &LoopData, fd: RawFd, object: &Ref) {
    // SAFETY: live.
    if unsafe { ffi::PyLong_Check(object.as_ptr()) } != 0 {
        return;
    }
    let before = match state.watched.borrow_mut().get_mut(&fd) {
        Some(watch) => watch.file.replace(object.clone()),
        None => None,
    };
    drop(before);
}

fn add(event_loop: &Ref, args: Args<'_>, side: Side) -> Result<Ref> {
    let state = data(event_loop);
    check_closed(state)?;
    let [object, callback, rest @ ..] = args.positional else {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_TypeError },
            "a descriptor and a callback are required",
        );
    };
    let fd = descriptor(object)?;
    let arguments = match rest {
        [] => Arguments::None,
        [only] => Arguments::One(only.clone()),
        many => Arguments::Many(crate::native::tuple(&many.iter().collect::<Vec<_>>())?),
    };
    let handle = handle::make(event_loop, callback, arguments, None)?;
    let replaced = insert(state, fd, side, handle.clone()).or_else(raise_io)?;
    remember_file(state, fd, object);
    if let Some(replaced) = replaced {
        handle::cancel(&replaced)?;
    }
    Ok(handle)
}

/// Has the loop call a native transport's method while its descriptor is readable (or writable).
pub fn watch(event_loop: &Ref, fd: RawFd, readable: bool, callback: &Ref) -> Result<()> {
    watch_with(event_loop, fd, readable, callback, Arguments::None)
}

/// The same with a callback that has arguments.
pub fn watch_with(
    event_loop: &Ref,
    fd: RawFd,
    readable: bool,
    callback: &Ref,
    arguments: Arguments,
) -> Result<()> {
    let state = data(event_loop);
    check_closed(state)?;
    check_number(fd)?;
    let handle = handle::make(event_loop, callback, arguments, None)?;
    match insert(state, fd, side_of(readable), handle).or_else(raise_io)? {
        Some(replaced) => handle::cancel(&replaced).map(drop),
        None => Ok(()),
    }
}

/// Ends what [`watch`] began, if it did.
pub fn unwatch(event_loop: &Ref, fd: RawFd, readable: bool) -> Result<()> {
    remove(event_loop, fd, side_of(readable)).map(drop)
}

/// Whether the reactor probably knows a descriptor that is not watched; it is about to be.
pub(super) fn take_asleep(state: &LoopData, fd: RawFd) -> bool {
    let mut asleep = state.asleep.borrow_mut();
    let place = usize::try_from(fd).ok().and_then(|fd| asleep.get_mut(fd));
    place.is_some_and(std::mem::take)
}

/// Notes that the reactor knows a descriptor that is not watched any more.
fn note_asleep(state: &LoopData, fd: RawFd) {
    let Ok(place) = usize::try_from(fd) else {
        return;
    };
    let mut asleep = state.asleep.borrow_mut();
    if asleep.len() <= place {
        asleep.resize(place + 1, false);
    }
    asleep[place] = true;
}

pub(super) fn side_of(readable: bool) -> Side {
    if readable { Side::Reader } else { Side::Writer }
}

/// Registers first and remembers second, so that a refused descriptor leaves nothing behind.
pub(super) fn insert(
    state: &LoopData,
    fd: RawFd,
    side: Side,
    handle: Ref,
) -> std::io::Result<Option<Ref>> {
    let Some(reactor) = state.reactor()? else {
        return Ok(None);
    };
    let mut watched = state.watched.borrow_mut();
    match watched.get_mut(&fd) {
        Some(watch) => {
            let replaced = watch.side(side).replace(handle);
            // Even where nothing seems to change: the number may stand for another file by now.
            if let Err(error) = register(&reactor, fd, watch.interest(), true) {
                let refused = std::mem::replace(watch.side(side), replaced);
                // What the callback held on to may end here, and anything may run then.
                drop(watched);
                drop(refused);
                return Err(error);
            }
            watch.mode = Mode::Always;
            Ok(replaced)
        }
        None => {
            let mut watch = Watch::default();
            *watch.side(side) = Some(handle);
            let registered = register(&reactor, fd, watch.interest(), take_asleep(state, fd));
            if registered.is_ok() {
                watched.insert(fd, watch);
            } else {
                // As above.
                drop(watched);
                drop(watch);
            }
            registered.map(|()| None)
        }
    }
}

/// Has the reactor watch a descriptor. `known` says that it probably knows the number; the file behind it may
/// be another one.
fn register(reactor: &Reactor, fd: RawFd, interest: Interest, known: bool) -> std::io::Result<()> {
    let (first, otherwise) = match known {
        true => (reactor.modify(fd, interest), ErrorKind::NotFound),
        false => (reactor.add(fd, interest), ErrorKind::AlreadyExists),
    };
    match first {
        Err(error) if error.kind() == otherwise && known => reactor.add(fd, interest),
        Err(error) if error.kind() == otherwise => reactor.modify(fd, interest),
        done => done,
    }
}

pub(super) fn remove(event_loop: &Ref, fd: RawFd, side: Side) -> Result<bool> {
    let state = data(event_loop);
    if state.closed.get() {
        return Ok(false);
    }
    let Some(handle) = take(state, fd, side) else {
        return Ok(false);
    };
    handle::cancel(&handle)?;
    Ok(true)
}

/// Takes the handle out and tells the reactor. A descriptor that was closed meanwhile is no error: the
/// system has forgotten it by itself. Nor is a system that refuses; see [`tell_again`].
fn take(state: &LoopData, fd: RawFd, side: Side) -> Option<Ref> {
    let reactor = state.reactor().ok().flatten();
    let mut watched = state.watched.borrow_mut();
    let watch = watched.get_mut(&fd)?;
    let handle = watch.side(side).take();
    let rest = watch.interest();
    let asleep = watch.mode == Mode::Asleep;
    let told = match &reactor {
        Some(_) if asleep => Ok(()),
        Some(reactor) if rest == Interest::default() => reactor.remove(fd),
        Some(reactor) if handle.is_some() => reactor.modify(fd, rest),
        _ => Ok(()),
    };
    let gone = match rest == Interest::default() {
        true => watched.remove(&fd),
        false => None,
    };
    if gone.is_some() && asleep {
        note_asleep(state, fd);
    }
    // See above.
    drop(told);
    // What it was given as may end here, and anything may run then.
    drop(watched);
    drop(gone);
    handle
}

/// Tells the reactor once more what is wanted of a descriptor, of which it has reported something else. It was
/// told before and refused, or the descriptor was closed and its file is open under another number; and it
/// would report it in each turn, so that the loop would never sleep again.
#[cold]
pub(super) fn tell_again(state: &LoopData, fd: RawFd) {
    let interest = match state.watched.borrow().get(&fd) {
        Some(watch) if watch.mode == Mode::Always => Some(watch.interest()),
        // Such a descriptor has been reported, and is not reported again.
        Some(_) => return,
        None => None,
    };
    let Ok(Some(reactor)) = state.reactor() else {
        return;
    };
    // If it refuses again, it reports the descriptor again, and is told again.
    drop(match interest {
        Some(interest) => reactor.modify(fd, interest),
        None => reactor.remove(fd),
    });
}

/// Forgets a reader or writer whose handle was cancelled by hand.
pub fn forget_cancelled(state: &LoopData, fd: RawFd, readable: bool) {
    drop(take(state, fd, side_of(readable)));
}

/// `_watched()`: what is watched, as tuples of what was given for the descriptor, the descriptor, reader and
/// writer (a handle or `None` each).
pub fn watched(event_loop: &Ref) -> Result<Ref> {
    let copies: Vec<(RawFd, [Option<Ref>; 3])> = data(event_loop)
        .watched
        .borrow()
        .iter()
        .map(|(fd, watch)| {
            (
                *fd,
                [&watch.file, &watch.reader, &watch.writer].map(Option::clone),
            )
        })
        .collect();
    let mut tuples = Vec::with_capacity(copies.len());
    for (fd, [file, reader, writer]) in copies {
        let fd = integer(fd.unsigned_abs().into())?;
        let file = file.unwrap_or_else(|| fd.clone());
        let (reader, writer) = (reader.unwrap_or_else(none), writer.unwrap_or_else(none));
        tuples.push(tuple(&[&file, &fd, &reader, &writer])?);
    }
    list(tuples)
}
