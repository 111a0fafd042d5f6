//! The descriptor of a Python socket; see [`super::descriptor_word`].

use std::os::fd::RawFd;

use crate::imports::imports;
use crate::native::{Raised, Ref, Result, items, string, take_raised};

use super::descriptor_word::{DescriptorWord, fileno};

/// Where a `socket.socket` has it.
static WORD: DescriptorWord = DescriptorWord::new();

/// Finds the word.
pub fn probe() -> Result<()> {
    if let Err(Raised) = search() {
        // No descriptors left, or a sandbox without sockets: `fileno()` will be called.
        drop(take_raised());
    }
    Ok(())
}

fn search() -> Result<()> {
    let pair = imports().socketpair.call([])?;
    match <[Ref; 2]>::try_from(items(&pair)) {
        Ok(pair) if is_socket(&pair[0]) => WORD.search(&pair),
        _ => Ok(()),
    }
}

/// Whether this is exactly a `socket.socket`, whose methods are known.
#[inline]
pub fn is_socket(object: &Ref) -> bool {
    object.is_exact(imports().socket_class.as_ptr().cast())
}

/// The descriptor that the socket has now; -1 once it is closed.
#[inline]
pub fn descriptor(socket: &Ref) -> Result<RawFd> {
    if is_socket(socket)
        && let Some(fd) = WORD.of(socket)
    {
        return Ok(fd);
    }
    fileno(socket)
}

/// `socket.shutdown(SHUT_WR)`
pub fn shut_writing(socket: &Ref) -> Result<()> {
    let how = crate::native::integer(SHUT_WR)?;
    socket.call_method(&string("shutdown")?, [&how]).map(drop)
}

/// `socket.SHUT_WR`, the same everywhere.
const SHUT_WR: u64 = 1;
