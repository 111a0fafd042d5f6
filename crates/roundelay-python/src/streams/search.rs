//! Finding a separator in bytes.

/// How many bytes are compared at once. The compiler makes a few vector instructions of a block.
const BLOCK: usize = 64;

/// Where `needle` begins for the first time in `haystack` from `offset` on. The needle is not empty.
pub fn find(haystack: &[u8], needle: &[u8], offset: usize) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = offset;
    loop {
        let place = from + position(haystack.get(from..)?, *first)?;
        if haystack[place + 1..].starts_with(rest) {
            return Some(place);
        }
        from = place + 1;
    }
}

/// Where the byte is for the first time.
fn position(haystack: &[u8], byte: u8) -> Option<usize> {
    let mut skipped = 0;
    for block in haystack.chunks_exact(BLOCK) {
        if block
            .iter()
            .fold(false, |found, other| found | (*other == byte))
        {
            break;
        }
        skipped += BLOCK;
    }
    let place = haystack[skipped..]
        .iter()
        .position(|other| *other == byte)?;
    Some(skipped + place)
}
