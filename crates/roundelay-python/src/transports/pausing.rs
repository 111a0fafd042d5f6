//! Reading begins, is paused and resumed: the same for every transport that reads.

use std::cell::Cell;

use crate::native::{Ref, Result, boolean, none};

use super::reading::log;
use super::schedule::{Watched, in_debug_mode, unwatch, watch_or_end};

/// A transport whose reading can be paused.
pub trait Pausable: Watched {
    /// The fields of such a transport.
    fn of(transport: &Ref) -> &Self;

    /// Whether it is being closed, after which nothing is read.
    fn is_closing(&self) -> bool;

    /// `pause_reading()` was called.
    fn paused(&self) -> &Cell<bool>;
}

/// The methods, for a type whose fields are a [`Pausable`].
#[macro_export]
macro_rules! pausing_methods {
    ($kind:ty) => {{
        use $crate::transports::pausing;
        [
            $crate::method0!(
                c"_start_reading",
                pausing::start::<$kind>,
                c"_start_reading($self, /)\n--\n\n"
            ),
            $crate::method0!(
                c"is_reading",
                pausing::is_reading::<$kind>,
                c"is_reading($self, /)\n--\n\nReturn True if the transport is receiving."
            ),
            $crate::method0!(
                c"pause_reading",
                pausing::pause::<$kind>,
                c"pause_reading($self, /)\n--\n\nPause the receiving end."
            ),
            $crate::method0!(
                c"resume_reading",
                pausing::resume::<$kind>,
                c"resume_reading($self, /)\n--\n\nResume the receiving end."
            ),
        ]
    }};
}

#[inline]
fn wants_to_read(own: &impl Pausable) -> bool {
    !own.is_closing() && !own.paused().get()
}

/// The first reading, a callback that comes behind `connection_made()`.
pub fn start<T: Pausable>(transport: &Ref) -> Result<Ref> {
    let own = T::of(transport);
    if wants_to_read(own) {
        watch_or_end(transport, own, true)?;
    }
    Ok(none())
}

/// `is_reading()`
pub fn is_reading<T: Pausable>(transport: &Ref) -> Result<Ref> {
    Ok(boolean(wants_to_read(T::of(transport))))
}

/// `pause_reading()`
pub fn pause<T: Pausable>(transport: &Ref) -> Result<Ref> {
    let own = T::of(transport);
    if wants_to_read(own) {
        own.paused().set(true);
        unwatch(own, true)?;
        if in_debug_mode(own.event_loop()) {
            log("debug", transport, "%r pauses reading")?;
        }
    }
    Ok(none())
}

/// `resume_reading()`
pub fn resume<T: Pausable>(transport: &Ref) -> Result<Ref> {
    let own = T::of(transport);
    if own.paused().get() && !own.is_closing() {
        own.paused().set(false);
        if !watch_or_end(transport, own, true)? {
            return Ok(none());
        }
        if in_debug_mode(own.event_loop()) {
            log("debug", transport, "%r resumes reading")?;
        }
    }
    Ok(none())
}
