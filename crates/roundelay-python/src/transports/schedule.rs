//! The ways from a transport to its loop.

use std::os::fd::RawFd;

use crate::eventloop::{self, watch};
use crate::imports::{imports, names};
use crate::native::{Ref, Result, Slot, is_os_error, tuple};

use super::reading::fatal;

/// A transport whose descriptor its loop watches.
pub trait Watched {
    /// The loop, always native; empty once the transport is done with it.
    fn event_loop(&self) -> &Slot;

    /// The number under which the loop knows the transport. Not for system calls.
    fn descriptor(&self) -> RawFd;
}

/// `loop.call_soon(callback[, arg])`
pub fn call_soon(event_loop: &Ref, callback: &Ref, arg: Option<&Ref>) -> Result<()> {
    if eventloop::is_native(event_loop) && !eventloop::data(event_loop).debug.get() {
        return eventloop::call_soon_now(event_loop, callback, arg);
    }
    let call_soon = event_loop.getattr(&names().call_soon)?;
    match arg {
        Some(arg) => call_soon.call([callback, arg]),
        None => call_soon.call([callback]),
    }
    .map(drop)
}

/// `loop.call_soon(callback, *args)`
pub fn call_soon_with(event_loop: &Ref, callback: &Ref, args: &[&Ref]) -> Result<()> {
    let args = tuple(args)?;
    if eventloop::is_native(event_loop) && !eventloop::data(event_loop).debug.get() {
        return eventloop::call_soon_with(event_loop, callback, args);
    }
    let partial = imports()
        .partial
        .call([&event_loop.getattr(&names().call_soon)?, callback])?;
    partial.call_tuple(&args, None).map(drop)
}

/// Has the loop call the transport's method `_read_ready` while its descriptor is readable (or `_write_ready`
/// while it is writable). Raises what the system has against it, which must not be the end of the matter: see
/// [`watch_or_end`].
pub fn watch(transport: &Ref, own: &impl Watched, readable: bool) -> Result<()> {
    let name = if readable {
        &names().read_ready
    } else {
        &names().write_ready
    };
    watch_for(transport, own, readable, name)
}

/// The same with a method of that name.
pub fn watch_for(transport: &Ref, own: &impl Watched, readable: bool, name: &Ref) -> Result<()> {
    let Some(event_loop) = own.event_loop().get() else {
        return Ok(());
    };
    let callback = transport.getattr(name)?;
    watch::watch(&event_loop, own.descriptor(), readable, &callback)
}

/// The same, but if the system refuses to watch the descriptor, the transport ends with that error, and
/// false comes back. It would never hear of the descriptor again, and whoever waits for its data or its end
/// would wait for ever: the callers are callbacks, which nobody hears raise, and methods that never raise
/// errors of the system.
pub fn watch_or_end(transport: &Ref, own: &impl Watched, readable: bool) -> Result<bool> {
    or_end(transport, watch(transport, own, readable))
}

/// What watching came to, for [`watch_or_end`] and those that watch with another method. Other errors than
/// the system's, such as that the loop is closed, are the caller's.
pub fn or_end(transport: &Ref, watched: Result<()>) -> Result<bool> {
    let refused = watched.is_err() && is_os_error();
    if !refused {
        return watched.map(|()| true);
    }
    let message = "Fatal error: the system does not watch the transport's descriptor";
    fatal(transport, message).map(|_| false)
}

/// Ends what `watch` began, if it did.
pub fn unwatch(own: &impl Watched, readable: bool) -> Result<()> {
    match own.event_loop().get() {
        Some(event_loop) => watch::unwatch(&event_loop, own.descriptor(), readable),
        None => Ok(()),
    }
}

/// Whether the loop that a slot holds is in debug mode.
#[inline]
pub fn in_debug_mode(event_loop: &Slot) -> bool {
    event_loop
        .get()
        .is_some_and(|event_loop| eventloop::data(&event_loop).debug.get())
}
