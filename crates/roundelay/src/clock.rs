//! The clock: the only place that reads it.

#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// What a loop takes the time from.
///
/// Times are durations since the clock's own beginning.
/// For the real clock this is the beginning of `CLOCK_MONOTONIC`, so that they can be compared with the times that other programs and Python's `time.monotonic()` read on the same machine.
///
/// ```
/// use std::time::Duration;
/// use roundelay::{Clock, VirtualClock};
///
/// let clock = Clock::Virtual(VirtualClock::starting_at(Duration::from_secs(100)));
/// clock.advance_to(Duration::from_secs(3600));
/// assert_eq!(clock.now(), Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's monotonic clock.
    #[default]
    Monotonic,
    /// A clock that stands still until it is told to move on.
    Virtual(VirtualClock),
}

impl Clock {
    /// The time since the clock's beginning.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Duration {
        match self {
            Self::Monotonic => to_duration(clock_gettime(ClockId::Monotonic)),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// The smallest step that the clock can make. Timers due within one step of now are due now.
    #[must_use]
    pub fn resolution(&self) -> Duration {
        match self {
            Self::Monotonic => to_duration(clock_getres(ClockId::Monotonic)),
            Self::Virtual(_) => Duration::from_nanos(1),
        }
    }

    /// Whether time passes only when someone says so.
    #[inline]
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// Moves a virtual clock on to `time`. It never goes back: an earlier time leaves it where it is.
    ///
    /// # Panics
    ///
    /// On the real clock, which nobody moves.
    pub fn advance_to(&self, time: Duration) {
        match self {
            Self::Monotonic => panic!("only a virtual clock can be advanced"),
            Self::Virtual(clock) => clock.advance_to(time),
        }
    }
}

/// A clock for tests and exploration. Clones are handles to the same clock.
///
/// ```
/// use std::time::Duration;
/// use roundelay::VirtualClock;
///
/// let clock = VirtualClock::new();
/// let handle = clock.clone();
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(handle.now(), Duration::from_millis(1500));
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    /// A whole `Duration` rather than an atomic count of nanoseconds: a count would end after 584 years, and a timer behind that end would never be due.
    now: Arc<Mutex<Duration>>,
}

impl VirtualClock {
    /// A clock that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that stands at `time`.
    #[must_use]
    pub fn starting_at(time: Duration) -> Self {
        Self {
            now: Arc::new(Mutex::new(time)),
        }
    }

    /// Where the clock stands.
    #[must_use]
    pub fn now(&self) -> Duration {
        *self.lock()
    }

    /// Moves the clock on by `by`, at most to the end of time.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        *now = now.saturating_add(by);
    }

    /// Moves the clock on to `time`. An earlier time leaves it where it is.
    pub fn advance_to(&self, time: Duration) {
        let mut now = self.lock();
        *now = time.max(*now);
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        // Nothing panics while it holds the lock, and a time is whole whatever happened.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_duration(time: Timespec) -> Duration {
    // The kernel's monotonic clock starts at zero and its nanoseconds are below a second, so neither conversion changes the number.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_stands_still_and_never_goes_back() {
        let clock = Clock::Virtual(VirtualClock::starting_at(Duration::from_secs(5)));
        assert!(clock.is_virtual());
        assert_eq!(clock.now(), clock.now());
        clock.advance_to(Duration::from_secs(3));
        assert_eq!(clock.now(), Duration::from_secs(5));
        clock.advance_to(Duration::MAX);
        assert_eq!(clock.now(), Duration::MAX);
    }

    #[test]
    #[should_panic(expected = "only a virtual clock can be advanced")]
    fn the_real_clock_cannot_be_advanced() {
        Clock::Monotonic.advance_to(Duration::ZERO);
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the system for the time")]
    fn the_real_clock_moves_on_by_itself() {
        let clock = Clock::default();
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(clock.resolution() > Duration::ZERO);
        assert!(clock.resolution() < Duration::from_secs(1));
        assert!(!clock.is_virtual());
    }
}
