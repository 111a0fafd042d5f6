//! In which order ready entries are taken: a value, fixed when a loop is built.

#![forbid(unsafe_code)]

/// The order in which a [`Ready`](crate::Ready) ring hands out its entries.
///
/// asyncio promises first in, first out, and programs come to rely on it without knowing.
/// A seeded order keeps every other promise (an entry runs in the turn that it was ready for, and runs once) but shuffles the entries of one turn, which brings hidden dependencies on the order to light.
/// The same seed always gives the same choices.
///
/// ```
/// use roundelay::{Order, Ready};
///
/// let mut ring = Ready::with_order(Order::seeded(7));
/// for number in 0..4 {
///     ring.push(number);
/// }
/// let mut taken: Vec<i32> = (1..=4).rev().map(|left| ring.take(left).unwrap()).collect();
/// taken.sort();
/// assert_eq!(taken, [0, 1, 2, 3]);
/// ```
#[derive(Clone, Debug, Default)]
pub enum Order {
    /// First in, first out: asyncio's order.
    #[default]
    Fifo,
    /// Chosen among the entries of the current turn by a small generator.
    Seeded(SplitMix),
}

impl Order {
    /// An order that is chosen by a generator started from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(SplitMix::new(seed))
    }
}

/// SplitMix64, a generator of one word of state.
///
/// It is here so that randomness comes in by argument and a schedule can be repeated on every machine and version.
/// It is no source of secrets.
#[derive(Clone, Debug)]
pub struct SplitMix {
    /// A counter that grows by a fixed odd step; the output is a hash of it.
    state: u64,
}

impl SplitMix {
    /// A generator whose choices depend on `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number in `0..bound`, or zero if `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        // The high half of a widening product maps 64 bits onto the range without a division.
        let product = u128::from(self.next_u64()) * bound as u128;
        (product >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_matches_the_published_sequence() {
        // The first outputs of SplitMix64 for seed 1234567, as other implementations print them.
        let mut generator = SplitMix::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| generator.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn below_stays_in_range_and_reaches_every_value() {
        let mut generator = SplitMix::new(1);
        let mut seen = [0_u32; 5];
        for _ in 0..500 {
            seen[generator.below(5)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
        assert_eq!(generator.below(0), 0);
    }
}
