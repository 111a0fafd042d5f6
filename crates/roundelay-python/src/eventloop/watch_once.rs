//! Waiting once for a descriptor: what `sock_recv` and its kin do.

use std::os::fd::RawFd;

use crate::error::raise_io;
use crate::native::{Ref, Result};

use super::data::{Mode, Watch};
use super::fileno::check_number;
use super::handle::{self, Arguments};
use super::object::data;
use super::schedule::check_closed;
use super::watch::{insert, remove, side_of, take_asleep};

/// Has the loop call `callback(argument)` the next time that the descriptor is readable (or writable), and
/// returns the handle. Nothing is asked of the system when it was called and is not wanted any more.
pub fn watch_once(
    event_loop: &Ref,
    fd: RawFd,
    readable: bool,
    callback: &Ref,
    argument: &Ref,
) -> Result<Ref> {
    let state = data(event_loop);
    check_closed(state)?;
    check_number(fd)?;
    let argument = Arguments::One(argument.clone());
    let handle = handle::make(event_loop, callback, argument, None)?;
    let other = state.watched.borrow().contains_key(&fd);
    if other {
        if let Some(replaced) =
            insert(state, fd, side_of(readable), handle.clone()).or_else(raise_io)?
        {
            handle::cancel(&replaced)?;
        }
    } else {
        let mut watch = Watch {
            mode: Mode::Once,
            ..Watch::default()
        };
        *watch.side(side_of(readable)) = Some(handle.clone());
        if let Some(reactor) = state.reactor().or_else(raise_io)? {
            let known = take_asleep(state, fd);
            reactor.arm(fd, watch.interest(), known).or_else(raise_io)?;
            state.watched.borrow_mut().insert(fd, watch);
        }
    }
    Ok(handle)
}

/// Has the loop call a handle of [`watch_once`] once more, if it is still wanted.
pub fn watch_again(event_loop: &Ref, fd: RawFd, readable: bool, handle: &Ref) -> Result<()> {
    let state = data(event_loop);
    let Some(reactor) = state.reactor().or_else(raise_io)? else {
        return Ok(());
    };
    let mut watched = state.watched.borrow_mut();
    if let Some(watch) = watched.get_mut(&fd)
        && watch.mode == Mode::Asleep
        && is_handle(watch.side(side_of(readable)), handle)
    {
        watch.mode = Mode::Once;
        let armed = reactor.arm(fd, watch.interest(), true);
        drop(watched);
        return armed.or_else(raise_io);
    }
    Ok(())
}

/// Ends what [`watch_once`] began, unless the descriptor's number is somebody else's by now.
pub fn unwatch_handle(event_loop: &Ref, fd: RawFd, readable: bool, handle: &Ref) -> Result<()> {
    let side = side_of(readable);
    let own = data(event_loop)
        .watched
        .borrow_mut()
        .get_mut(&fd)
        .is_some_and(|watch| is_handle(watch.side(side), handle));
    if own {
        remove(event_loop, fd, side)?;
    }
    Ok(())
}

fn is_handle(side: &Option<Ref>, handle: &Ref) -> bool {
    side.as_ref().is_some_and(|kept| kept.is(handle))
}
