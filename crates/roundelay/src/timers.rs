//! The timers: what runs later, in order of (deadline, insertion).

#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// Cancelled entries are swept out once there are more than this many of them and they outnumber the live ones.
const TOLERATED_DEAD: usize = 64;

/// Above this many timers an empty heap gives its memory back when asked to; up to then that is a few megabytes,
/// which a program that was so wide once will want again.
const KEPT_CAPACITY: usize = 1 << 17;

/// How many children a node of the heap has. Four make the tree half as deep as two, and siblings share cache lines.
const ARITY: usize = 4;

/// Names a timer from its insertion until its payload has been handed out, by [`Timers::pop_due`], [`Timers::cancel`] or [`Timers::drain`].
///
/// The number is used again afterwards, so whoever keeps an id forgets it at that moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerId(pub u32);

/// A heap of timers that fire in order of deadline, and in order of insertion where deadlines are equal.
///
/// The clock is not read here: deadlines are any ordered value, and the present comes in by argument.
///
/// Cancelling takes the payload out at once and leaves an empty entry in the heap.
/// Empty entries go when they reach the top, or in one sweep when they outnumber the live ones; so a program that schedules and cancels a timeout for every request pays for neither a search nor growing memory.
///
/// ```
/// use roundelay::Timers;
///
/// let mut timers = Timers::new();
/// timers.insert(20, "late");
/// let early = timers.insert(10, "early");
/// timers.insert(10, "early too");
/// assert_eq!(timers.cancel(early), Some("early"));
///
/// assert_eq!(timers.next_deadline(), Some(10));
/// assert_eq!(timers.pop_due(11), Some("early too"));
/// assert_eq!(timers.pop_due(11), None);
/// ```
#[derive(Debug)]
pub struct Timers<K, P> {
    /// Entries that came in the order in which they will fire, as those of equal delays do: a timer that is
    /// not before the last one here is put behind it, and neither goes in nor comes out through the heap.
    lane: VecDeque<Entry<K>>,
    /// All other entries: a 4-ary heap by (at, seq). Every entry refers to a slot of its own.
    heap: Vec<Entry<K>>,
    /// Payloads by slot. `None` is either a cancelled timer whose entry is still there, or a free slot.
    slots: Vec<Option<P>>,
    /// Slots without an entry, to be used again. A slot comes here only when its entry has gone, so an entry never meets a stranger's payload and slots need no generation.
    free: Vec<u32>,
    /// The number that the next insertion gets. At one insertion a nanosecond it lasts 584 years.
    next_seq: u64,
    /// Entries whose slot holds a payload. The rest are dead.
    live: usize,
}

/// Where an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Lane,
    Heap,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    at: K,
    seq: u64,
    slot: u32,
}

impl<K: Ord + Copy> Entry<K> {
    fn is_before(&self, other: &Self) -> bool {
        (self.at, self.seq) < (other.at, other.seq)
    }
}

impl<K: Ord + Copy, P> Timers<K, P> {
    /// An empty heap.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lane: VecDeque::new(),
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            next_seq: 0,
            live: 0,
        }
    }

    /// Adds a timer that fires at `at`, after those already there for the same moment.
    ///
    /// # Panics
    ///
    /// If four thousand million timers are there at once.
    pub fn insert(&mut self, at: K, what: P) -> TimerId {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(what);
                slot
            }
            None => {
                let slot = u32::try_from(self.slots.len()).expect("at most 2^32 timers at once");
                self.slots.push(Some(what));
                slot
            }
        };
        let seq = self.next_seq;
        self.next_seq += 1;
        self.live += 1;
        let entry = Entry { at, seq, slot };
        if self.lane.back().is_none_or(|last| last.at <= at) {
            self.lane.push_back(entry);
        } else {
            self.heap.push(entry);
            self.sift_up(self.heap.len() - 1);
        }
        TimerId(slot)
    }

    /// Takes a timer out before it fires. `None` if it was cancelled already.
    pub fn cancel(&mut self, id: TimerId) -> Option<P> {
        let what = self.slots.get_mut(id.0 as usize)?.take()?;
        self.live -= 1;
        let dead = self.entries() - self.live;
        if dead > TOLERATED_DEAD && dead > self.live {
            self.sweep();
        }
        Some(what)
    }

    /// Gives a live timer another payload and returns the old one.
    ///
    /// The deadline and the place among equal deadlines stay. If the timer was cancelled already, `what` is dropped and `None` returned.
    pub fn replace(&mut self, id: TimerId, what: P) -> Option<P> {
        let payload = self.slots.get_mut(id.0 as usize)?.as_mut()?;
        Some(std::mem::replace(payload, what))
    }

    /// The payload of a timer. An id whose timer has fired or was cancelled may meet a later timer's.
    #[must_use]
    pub fn get(&self, id: TimerId) -> Option<&P> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// The deadline of the earliest live timer.
    pub fn next_deadline(&mut self) -> Option<K> {
        loop {
            let (first, place) = self.first()?;
            if self.slots[first.slot as usize].is_some() {
                return Some(first.at);
            }
            self.remove_first(place);
        }
    }

    /// Takes the earliest live timer with a deadline before `before`.
    pub fn pop_due(&mut self, before: K) -> Option<P> {
        loop {
            let (first, place) = self.first()?;
            if first.at >= before {
                return None;
            }
            let what = self.slots[first.slot as usize].take();
            self.remove_first(place);
            if what.is_some() {
                self.live -= 1;
                return what;
            }
        }
    }

    /// How many timers are waiting to fire. Cancelled ones do not count.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no timer is waiting to fire.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The live payloads, in no particular order. A garbage collector's traversal uses this.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.slots.iter().flatten()
    }

    /// Empties the heap and returns the live payloads in the order in which they would have fired.
    ///
    /// All ids become invalid.
    #[must_use = "dropping the payloads may run code that touches the heap again"]
    pub fn drain(&mut self) -> Vec<P> {
        let mut entries = std::mem::take(&mut self.heap);
        entries.extend(std::mem::take(&mut self.lane));
        let mut slots = std::mem::take(&mut self.slots);
        self.free = Vec::new();
        self.live = 0;
        entries.sort_unstable_by_key(|entry| (entry.at, entry.seq));
        entries
            .iter()
            .filter_map(|entry| slots[entry.slot as usize].take())
            .collect()
    }

    /// Gives memory back after a burst, if no timer is left.
    pub fn trim(&mut self) {
        if self.live == 0 && self.slots.capacity() > KEPT_CAPACITY {
            self.lane = VecDeque::new();
            self.heap = Vec::new();
            self.slots = Vec::new();
            self.free = Vec::new();
        }
    }

    /// How many entries there are, dead ones included.
    fn entries(&self) -> usize {
        self.lane.len() + self.heap.len()
    }

    /// The earliest entry, dead or alive, and where it is.
    fn first(&self) -> Option<(Entry<K>, Place)> {
        match (self.lane.front(), self.heap.first()) {
            (Some(lane), Some(heap)) if heap.is_before(lane) => Some((*heap, Place::Heap)),
            (Some(lane), _) => Some((*lane, Place::Lane)),
            (None, Some(heap)) => Some((*heap, Place::Heap)),
            (None, None) => None,
        }
    }

    /// Removes the first entry of the place, whose payload has been taken already, and frees its slot.
    fn remove_first(&mut self, place: Place) {
        let removed = match place {
            Place::Lane => self.lane.pop_front(),
            Place::Heap => {
                let top = self.heap.swap_remove(0);
                if !self.heap.is_empty() {
                    self.sift_down(0);
                }
                Some(top)
            }
        };
        if let Some(removed) = removed {
            debug_assert!(self.slots[removed.slot as usize].is_none());
            self.free.push(removed.slot);
        }
    }

    /// Removes every dead entry and frees its slot. Costs one pass, paid for by the cancellations that made it due.
    fn sweep(&mut self) {
        let (slots, free) = (&self.slots, &mut self.free);
        let mut is_live = |entry: &Entry<K>| {
            let live = slots[entry.slot as usize].is_some();
            if !live {
                free.push(entry.slot);
            }
            live
        };
        self.heap.retain(&mut is_live);
        self.lane.retain(&mut is_live);
        debug_assert_eq!(self.entries(), self.live);
        // Build the heap bottom-up, from the last node that has a child.
        if self.heap.len() > 1 {
            for index in (0..=(self.heap.len() - 2) / ARITY).rev() {
                self.sift_down(index);
            }
        }
    }

    fn sift_up(&mut self, mut index: usize) {
        let entry = self.heap[index];
        while index > 0 {
            let parent = (index - 1) / ARITY;
            if !entry.is_before(&self.heap[parent]) {
                break;
            }
            self.heap[index] = self.heap[parent];
            index = parent;
        }
        self.heap[index] = entry;
    }

    fn sift_down(&mut self, mut index: usize) {
        let entry = self.heap[index];
        loop {
            let first = index * ARITY + 1;
            let end = (first + ARITY).min(self.heap.len());
            if first >= end {
                break;
            }
            let mut least = first;
            for child in first + 1..end {
                if self.heap[child].is_before(&self.heap[least]) {
                    least = child;
                }
            }
            if !self.heap[least].is_before(&entry) {
                break;
            }
            self.heap[index] = self.heap[least];
            index = least;
        }
        self.heap[index] = entry;
    }
}

impl<K: Ord + Copy, P> Default for Timers<K, P> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_deadlines_fire_in_order_of_insertion() {
        let mut timers = Timers::new();
        for number in 0..50 {
            timers.insert(7, number);
        }
        let fired: Vec<i32> = std::iter::from_fn(|| timers.pop_due(8)).collect();
        assert_eq!(fired, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_deadline_at_the_bound_is_not_due() {
        let mut timers = Timers::new();
        timers.insert(5, ());
        assert_eq!(timers.pop_due(5), None);
        assert_eq!(timers.pop_due(6), Some(()));
    }

    #[test]
    fn cancelling_twice_gives_the_payload_once() {
        let mut timers = Timers::new();
        let id = timers.insert(1, "payload");
        assert_eq!(timers.cancel(id), Some("payload"));
        assert_eq!(timers.cancel(id), None);
        assert_eq!(timers.replace(id, "other"), None);
        assert!(timers.is_empty());
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_slot_is_not_used_again_while_its_dead_entry_is_in_the_heap() {
        let mut timers = Timers::new();
        let cancelled = timers.insert(1, "cancelled");
        timers.cancel(cancelled);
        let later = timers.insert(100, "later");
        assert_ne!(cancelled, later);
        // Had the slot been shared, the dead entry at 1 would have fired it.
        assert_eq!(timers.pop_due(50), None);
        assert_eq!(timers.next_deadline(), Some(100));
    }

    #[test]
    fn replacing_keeps_the_deadline_and_the_place() {
        let mut timers = Timers::new();
        let first = timers.insert(1, "first");
        timers.insert(1, "second");
        assert_eq!(timers.replace(first, "new first"), Some("first"));
        assert_eq!(timers.pop_due(2), Some("new first"));
        assert_eq!(timers.pop_due(2), Some("second"));
    }

    #[test]
    fn scheduling_and_cancelling_for_ever_needs_no_more_memory() {
        let mut timers = Timers::new();
        timers.insert(0_u64, 0_u64);
        for number in 1..=100_000 {
            let id = timers.insert(number, number);
            assert_eq!(timers.cancel(id), Some(number));
        }
        assert!(
            timers.entries() <= 2 * TOLERATED_DEAD,
            "{}",
            timers.entries()
        );
        assert!(
            timers.slots.len() <= 2 * TOLERATED_DEAD,
            "{}",
            timers.slots.len()
        );
        assert_eq!(timers.pop_due(1), Some(0));
    }

    #[test]
    fn draining_returns_live_payloads_in_firing_order_and_frees_everything() {
        let mut timers = Timers::new();
        timers.insert(3, "c");
        timers.insert(1, "a");
        let dead = timers.insert(2, "dead");
        timers.insert(2, "b");
        timers.cancel(dead);
        assert_eq!(timers.iter().count(), 3);
        assert_eq!(timers.drain(), ["a", "b", "c"]);
        assert!(timers.is_empty());
        assert_eq!(timers.insert(1, "again"), TimerId(0));
    }

    #[test]
    fn trimming_returns_the_memory_of_a_burst() {
        let mut timers = Timers::new();
        let ids: Vec<TimerId> = (0..100).map(|n| timers.insert(n, n)).collect();
        timers.slots.reserve(KEPT_CAPACITY);
        timers.trim();
        assert_eq!(timers.len(), 100);
        for id in ids {
            timers.cancel(id);
        }
        timers.trim();
        assert_eq!(
            timers.slots.capacity() + timers.heap.capacity() + timers.free.capacity(),
            0
        );
    }
}
