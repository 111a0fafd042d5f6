//! Finding a separator in bytes.

use memchr::{memchr, memmem};

/// Where `needle` begins for the first time in `haystack` from `offset` on. The needle is not empty.
#[inline]
pub fn find(haystack: &[u8], needle: &[u8], offset: usize) -> Option<usize> {
    let rest = haystack.get(offset..)?;
    let place = match needle {
        [only] => memchr(*only, rest),
        many => memmem::find(rest, many),
    };
    Some(offset + place?)
}
