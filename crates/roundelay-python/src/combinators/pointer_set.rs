//! A set of pointers to objects, most of which were made one after the other.
//!
//! A wide gather asks of each of its arguments whether it was there before. In a hash table every question is
//! about another place in memory. Objects that were made one after the other stand beside each other, so here
//! each page of memory has one bit for every place that an object can have in it, and most questions are about
//! the page of the question before.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use pyo3::ffi;

/// How many bytes of memory a page has, as a power of two.
const PAGE: u32 = 12;

/// Objects are aligned to sixteen bytes.
const ALIGNMENT: u32 = 4;

/// One bit for every place in a page.
type Places = [u64; (1 << (PAGE - ALIGNMENT)) / 64];

/// See the module's text.
pub struct PointerSet {
    /// Where in `places` a page's bits are.
    pages: HashMap<usize, usize, BuildHasherDefault<PageHasher>>,
    places: Vec<Places>,
    /// The page that was asked about last, and where its bits are.
    last: (usize, usize),
}

impl PointerSet {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            pages: HashMap::default(),
            places: Vec::new(),
            // No object is on the last page of all memory.
            last: (usize::MAX, 0),
        }
    }

    /// Adds a pointer; false if it was there already.
    #[inline]
    pub fn insert(&mut self, object: *mut ffi::PyObject) -> bool {
        let address = object as usize;
        let page = address >> PAGE;
        if page != self.last.0 {
            self.last = (page, self.turn_to(page));
        }
        let place = (address >> ALIGNMENT) & ((1 << (PAGE - ALIGNMENT)) - 1);
        let word = &mut self.places[self.last.1][place / 64];
        let bit = 1 << (place % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Where the bits of a page are, which may be a new one.
    fn turn_to(&mut self, page: usize) -> usize {
        let next = self.places.len();
        let place = *self.pages.entry(page).or_insert(next);
        if place == next {
            self.places.push(Places::default());
        }
        place
    }
}

/// One multiplication spreads the numbers of pages well enough.
#[derive(Default)]
struct PageHasher(u64);

impl Hasher for PageHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers of pages are hashed");
    }
    fn write_usize(&mut self, value: usize) {
        self.0 = (value as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(20);
    }
}
