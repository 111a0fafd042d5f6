//! The ready ring: what runs next, in an order that is a value.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crate::Order;

/// Above this many entries an empty ring gives its memory back when asked to. That is a megabyte of words:
/// a program that was so wide once will be again, and new memory costs more than what is done with it.
const KEPT_CAPACITY: usize = 1 << 17;

/// A ring of entries that are ready to run.
///
/// The ring owns its entries: whatever keeps a task alive travels inside `P`.
/// One turn of a loop reads the length once and then takes that many entries, so that entries added meanwhile wait for the next turn, as in asyncio.
///
/// ```
/// use roundelay::Ready;
///
/// let mut ring = Ready::new();
/// ring.push("first");
/// ring.push("second");
///
/// let mut batch_left = ring.len();
/// while batch_left > 0 {
///     let entry = ring.take(batch_left).unwrap();
///     batch_left -= 1;
///     if entry == "first" {
///         ring.push("added during the turn");
///     }
/// }
/// assert_eq!(ring.iter().collect::<Vec<_>>(), [&"added during the turn"]);
/// ```
#[derive(Debug)]
pub struct Ready<P> {
    /// Oldest entry in front.
    entries: VecDeque<P>,
    /// Consulted by `take` alone; the entries are always stored oldest first.
    order: Order,
}

impl<P> Ready<P> {
    /// An empty ring that is first in, first out.
    #[must_use]
    pub fn new() -> Self {
        Self::with_order(Order::Fifo)
    }

    /// An empty ring with the given order.
    #[must_use]
    pub fn with_order(order: Order) -> Self {
        Self {
            entries: VecDeque::new(),
            order,
        }
    }

    /// Adds an entry behind all others.
    #[inline]
    pub fn push(&mut self, what: P) {
        self.entries.push_back(what);
    }

    /// Takes the next entry of a turn that still has `batch_left` entries to run, this one included.
    ///
    /// First in, first out takes the oldest.
    /// A seeded order takes any of the `batch_left` oldest and keeps the others in their order.
    /// `batch_left` is at least one; `None` means that the ring is empty.
    #[inline]
    pub fn take(&mut self, batch_left: usize) -> Option<P> {
        debug_assert!(batch_left > 0, "a turn that is over takes nothing");
        match self.order {
            Order::Fifo => self.entries.pop_front(),
            Order::Seeded(_) => self.take_seeded(batch_left),
        }
    }

    #[cold]
    fn take_seeded(&mut self, batch_left: usize) -> Option<P> {
        let Order::Seeded(generator) = &mut self.order else {
            return self.entries.pop_front();
        };
        let choices = batch_left.min(self.entries.len());
        self.entries.remove(generator.below(choices))
    }

    /// The entry that so many others came before, for a look at what may be taken soon.
    #[inline]
    #[must_use]
    pub fn ahead(&self, others: usize) -> Option<&P> {
        self.entries.get(others)
    }

    /// How many entries are ready.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is ready.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, oldest first. A garbage collector's traversal uses this.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.entries.iter()
    }

    /// Empties the ring and returns what was in it, oldest first.
    ///
    /// The entries are moved out before any of them is dropped, so that an entry whose destructor pushes to the ring does no harm.
    #[must_use = "dropping the entries may run code that touches the ring again"]
    pub fn drain(&mut self) -> Vec<P> {
        std::mem::take(&mut self.entries).into()
    }

    /// Gives memory back after a burst: an empty ring shrinks to a hundred thousand entries.
    pub fn trim(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > KEPT_CAPACITY {
            self.entries.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl<P> Default for Ready<P> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(ring: &mut Ready<u32>) -> Vec<u32> {
        (1..=ring.len())
            .rev()
            .map(|left| ring.take(left).unwrap())
            .collect()
    }

    #[test]
    fn fifo_takes_the_oldest_first() {
        let mut ring = Ready::new();
        (0..5).for_each(|n| ring.push(n));
        assert_eq!(take_all(&mut ring), [0, 1, 2, 3, 4]);
        assert_eq!(ring.take(1), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_another_seed_another() {
        let order_of = |seed| {
            let mut ring = Ready::with_order(Order::seeded(seed));
            (0..20).for_each(|n| ring.push(n));
            take_all(&mut ring)
        };
        assert_eq!(order_of(3), order_of(3));
        assert_ne!(order_of(3), order_of(4));
        assert_ne!(order_of(3), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_seeded_order_never_reaches_past_the_turn() {
        let mut ring = Ready::with_order(Order::seeded(11));
        (0..3).for_each(|n| ring.push(n));
        // These belong to the next turn.
        (100..200).for_each(|n| ring.push(n));
        let turn: Vec<u32> = (1..=3).rev().map(|left| ring.take(left).unwrap()).collect();
        assert!(turn.iter().all(|&n| n < 3), "{turn:?}");
        assert_eq!(
            ring.iter().copied().collect::<Vec<_>>(),
            (100..200).collect::<Vec<_>>()
        );
    }

    #[test]
    fn trimming_returns_the_memory_of_a_burst_but_never_entries() {
        let mut ring = Ready::new();
        ring.entries.reserve(4 * KEPT_CAPACITY);
        (0..100).for_each(|n| ring.push(n));
        ring.trim();
        assert_eq!(take_all(&mut ring).len(), 100);
        ring.trim();
        assert!(
            ring.entries.capacity() <= 2 * KEPT_CAPACITY,
            "{}",
            ring.entries.capacity()
        );
        ring.push(1);
        assert_eq!(ring.take(1), Some(1));
    }
}
