//! Maps whose keys are descriptors.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::RawFd;

/// A map by descriptor. The system gives small numbers, one after the other, so they are spread by one
/// multiplication; nobody can choose many that collide.
pub type ByDescriptor<T> = HashMap<RawFd, T, BuildHasherDefault<Spread>>;

/// Spreads one number.
#[derive(Default)]
pub struct Spread(u64);

/// The golden ratio in 64 bits: odd, so that no two numbers become one.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for Spread {
    #[inline]
    fn write_i32(&mut self, number: i32) {
        self.0 = u64::from(number as u32).wrapping_mul(GOLDEN);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(GOLDEN);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
