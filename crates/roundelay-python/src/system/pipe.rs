//! Reading and writing pipes, and what else a file object may stand for.
//!
//! Whether a call waits for a pipe is said by a flag of the open file, which may be shared with other processes:
//! one that inherits it, a shell for instance, can take back what was set here. So each call says for itself that
//! it must not wait. Linux knows how, since 6.5 for pipes; where it does not (other systems, terminals), Python's
//! own functions make the call, which let go of the GIL meanwhile.

use std::cell::Cell;
use std::io::IoSlice;
#[cfg(target_os = "linux")]
use std::io::IoSliceMut;

use pyo3::ffi;
use rustix::fs::{self, FileType};
#[cfg(target_os = "linux")]
use rustix::io::ReadWriteFlags;
use rustix::io::{self, Errno};

use crate::compat::file_descriptor::descriptor;
use crate::error::raise_io;
use crate::imports::imports;
use crate::native::buffer::{BufferView, bytes, content};
use crate::native::{Raised, Ref, Result, integer, list, take_raised};

use super::landing::Landing;
use super::stream::MOST_PIECES;
use super::{Now, lend, unless_it_waits};

/// What kind of file a descriptor is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pipe, by its nature or by a name.
    Fifo {
        /// It has a name.
        named: bool,
    },
    Socket,
    /// A terminal, for one.
    CharacterDevice,
    /// A file on a disk, a folder, something that cannot be waited for.
    Other,
}

/// The kind of file that the file object has open.
pub fn kind_of(file: &Ref) -> Result<Kind> {
    let stat = lend(descriptor(file)?, |fd| fs::fstat(fd))?.or_else(raise)?;
    Ok(match FileType::from_raw_mode(stat.st_mode as _) {
        FileType::Fifo => Kind::Fifo {
            named: stat.st_nlink > 0,
        },
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        _ => Kind::Other,
    })
}

/// `os.set_blocking(file.fileno(), False)`
pub fn unblock(file: &Ref) -> Result<()> {
    lend(descriptor(file)?, |fd| io::ioctl_fionbio(fd, true))?.or_else(raise)
}

fn raise<T>(error: Errno) -> Result<T> {
    raise_io(error.into())
}

/// How the files of one transport are read or written. All zero bytes are one that was not tried yet.
#[derive(Default)]
pub struct Way {
    /// The system does not know how to be told not to wait for this file.
    by_python: Cell<bool>,
}

impl Way {
    /// Tries a call that does not wait. Nothing comes back if there is none for this file.
    #[cfg(target_os = "linux")]
    fn quick(
        &self,
        file: &Ref,
        operation: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> Result<Option<Now<usize>>> {
        if self.by_python.get() {
            return Ok(None);
        }
        match lend(descriptor(file)?, operation)? {
            Ok(count) => Ok(Some(Some(count))),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Some(None)),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.by_python.set(true);
                Ok(None)
            }
            Err(error) => raise(error),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn quick<F>(&self, _file: &Ref, _operation: F) -> Result<Option<Now<usize>>> {
        self.by_python.set(true);
        Ok(None)
    }

    /// `os.read(file.fileno(), most)`
    pub fn read(&self, file: &Ref, landing: &Landing, most: usize) -> Result<Now<Ref>> {
        let quick = landing.lend(most, |buffer| {
            #[cfg(target_os = "linux")]
            let count = self.quick(file, |fd| {
                let mut pieces = [IoSliceMut::new(&mut *buffer)];
                io::preadv2(fd, &mut pieces, HERE, ReadWriteFlags::NOWAIT)
            })?;
            #[cfg(not(target_os = "linux"))]
            let count = self.quick(file, ())?;
            let read = |count: usize| landing.bytes(&buffer[..count]);
            count.map(|count| count.map(read).transpose()).transpose()
        })?;
        match quick {
            Some(data) => Ok(data),
            None => {
                let number = number_of(file)?;
                let most = integer(most as u64)?;
                unless_it_waits(imports().os_read.call([&number, &most]))
            }
        }
    }

    /// `os.write(file.fileno(), data)`, and whether that is all of it.
    pub fn write(&self, file: &Ref, data: &Ref) -> Result<Now<(usize, bool)>> {
        if let Some(content) = content(data) {
            return self.write_content(file, content, data);
        }
        match BufferView::readable(data) {
            Ok(view) => self.write_content(file, view.bytes(), data),
            Err(Raised) => {
                drop(take_raised());
                // Raises what Python's own function says of such data.
                let count = write_by_python(file, vec![data.clone()])?;
                Ok(count.map(|count| (count, true)))
            }
        }
    }

    fn write_content(&self, file: &Ref, content: &[u8], data: &Ref) -> Result<Now<(usize, bool)>> {
        let count = match self.write_quickly(file, &[IoSlice::new(content)])? {
            Some(count) => count,
            None => write_by_python(file, vec![data.clone()])?,
        };
        Ok(count.map(|count| (count, count == content.len())))
    }

    /// `os.writev(file.fileno(), pieces)`; of more than [`MOST_PIECES`] the first ones.
    pub fn write_all(&self, file: &Ref, pieces: &[IoSlice<'_>]) -> Result<Now<usize>> {
        let pieces = &pieces[..pieces.len().min(MOST_PIECES)];
        match self.write_quickly(file, pieces)? {
            Some(count) => Ok(count),
            None => {
                let pieces: Result<Vec<Ref>> = pieces.iter().map(|piece| bytes(piece)).collect();
                write_by_python(file, pieces?)
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn write_quickly(&self, file: &Ref, pieces: &[IoSlice<'_>]) -> Result<Option<Now<usize>>> {
        self.quick(file, |fd| {
            io::pwritev2(fd, pieces, HERE, ReadWriteFlags::NOWAIT)
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn write_quickly(&self, file: &Ref, _pieces: &[IoSlice<'_>]) -> Result<Option<Now<usize>>> {
        self.quick(file, ())
    }
}

/// The offset that means where the file is, as pipes know no other.
#[cfg(target_os = "linux")]
const HERE: u64 = u64::MAX;

/// The descriptor as an `int`, for Python's functions.
fn number_of(file: &Ref) -> Result<Ref> {
    match u64::try_from(descriptor(file)?) {
        Ok(number) => integer(number),
        Err(_) => raise(Errno::BADF),
    }
}

fn write_by_python(file: &Ref, pieces: Vec<Ref>) -> Result<Now<usize>> {
    let outcome = imports()
        .os_writev
        .call([&number_of(file)?, &list(pieces)?]);
    let Some(count) = unless_it_waits(outcome)? else {
        return Ok(None);
    };
    // SAFETY: live.
    let count = unsafe { ffi::PyLong_AsSize_t(count.as_ptr()) };
    if count == usize::MAX && crate::native::raised() {
        return Err(Raised);
    }
    Ok(Some(count))
}
