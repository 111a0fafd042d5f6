//! asyncio's turn, as pure decisions: when to poll, and for how long.

#![forbid(unsafe_code)]

use std::time::Duration;

/// No poll lasts longer than this, so that a deadline far away overflows nothing. asyncio has the same bound.
const LONGEST_POLL: Duration = Duration::from_secs(24 * 60 * 60);

/// Decides how long polling may be skipped while there is ready work.
///
/// asyncio asks the operating system once in every turn, which for a turn of one task costs more than the task.
/// With nothing watched there is little to ask, so a few turns may share one poll; the bound keeps a task that spins from starving what comes from outside.
///
/// ```
/// use roundelay::Pacer;
///
/// let mut pacer = Pacer::new();
/// let mut polls = 0;
/// for _turn in 0..610 {
///     if pacer.should_poll(1, false, false) {
///         polls += 1;
///     }
///     pacer.ran(1);
/// }
/// assert_eq!(polls, 10);
/// ```
#[derive(Debug)]
pub struct Pacer {
    /// Entries that ran since the last poll.
    since_poll: u32,
}

impl Pacer {
    /// At most this many entries run between two polls, give or take the turn that reaches the number.
    pub const ENTRIES: u32 = 61;

    /// A pacer whose first turn polls.
    #[must_use]
    pub fn new() -> Self {
        Self {
            since_poll: Self::ENTRIES,
        }
    }

    /// Whether the turn that begins now must poll.
    ///
    /// It must when nothing is `ready` to run, when a descriptor is being watched, and when a stop was asked or something else outside waits to be heard.
    #[inline]
    pub fn should_poll(&mut self, ready: usize, watching: bool, stop: bool) -> bool {
        let due = ready == 0 || watching || stop || self.since_poll >= Self::ENTRIES;
        if due {
            self.since_poll = 0;
        }
        due
    }

    /// Notes that `entries` ran.
    #[inline]
    pub fn ran(&mut self, entries: usize) {
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        self.since_poll = self.since_poll.saturating_add(entries);
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new()
    }
}

/// How long a poll may last: not at all while work is ready, until the `next` deadline, or for ever (`None`).
///
/// The answer is zero only when the deadline has been reached. A deadline that is close is never rounded down to zero, which would turn waiting for it into spinning.
///
/// ```
/// use std::time::Duration;
/// use roundelay::poll_timeout;
///
/// let now = Duration::from_secs(10);
/// assert_eq!(poll_timeout(true, None, now), Some(Duration::ZERO));
/// assert_eq!(poll_timeout(false, None, now), None);
/// let close = now + Duration::from_nanos(1);
/// assert_eq!(poll_timeout(false, Some(close), now), Some(Duration::from_nanos(1)));
/// ```
#[inline]
#[must_use]
pub fn poll_timeout(work_ready: bool, next: Option<Duration>, now: Duration) -> Option<Duration> {
    if work_ready {
        return Some(Duration::ZERO);
    }
    next.map(|deadline| deadline.saturating_sub(now).min(LONGEST_POLL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_turn_polls() {
        assert!(Pacer::new().should_poll(1, false, false));
    }

    #[test]
    fn a_turn_without_work_polls() {
        let mut pacer = Pacer::new();
        pacer.should_poll(1, false, false);
        assert!(pacer.should_poll(0, false, false));
    }

    #[test]
    fn watching_or_stopping_makes_every_turn_poll() {
        let mut pacer = Pacer::new();
        pacer.should_poll(1, false, false);
        assert!(pacer.should_poll(1, true, false));
        assert!(pacer.should_poll(1, false, true));
        assert!(!pacer.should_poll(1, false, false));
    }

    #[test]
    fn a_long_turn_is_followed_by_a_poll() {
        let mut pacer = Pacer::new();
        pacer.should_poll(1, false, false);
        pacer.ran(usize::MAX);
        assert!(pacer.should_poll(1, false, false));
        pacer.ran(Pacer::ENTRIES as usize - 1);
        assert!(!pacer.should_poll(1, false, false));
        pacer.ran(1);
        assert!(pacer.should_poll(1, false, false));
    }

    #[test]
    fn a_deadline_far_away_is_bounded() {
        let timeout = poll_timeout(false, Some(Duration::MAX), Duration::ZERO);
        assert_eq!(timeout, Some(LONGEST_POLL));
    }

    #[test]
    fn a_deadline_in_the_past_means_do_not_wait() {
        let timeout = poll_timeout(false, Some(Duration::ZERO), Duration::from_secs(1));
        assert_eq!(timeout, Some(Duration::ZERO));
    }
}
