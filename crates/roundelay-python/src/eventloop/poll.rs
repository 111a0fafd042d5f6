//! Waiting for descriptors: the one place where the thread is detached from the interpreter.

use std::io;
use std::time::Duration;

use pyo3::ffi;
use roundelay::{Reactor, Readiness};

use crate::error::raise_io;
use crate::native::{Raised, Result};

use super::data::{LoopData, Mode};
use super::handle;
use super::watch::{forget_cancelled, tell_again};
use super::word::Word;

/// Waits at most `timeout` (for ever if there is none), then queues the callbacks of what is ready, in
/// the order in which the system reported it: reader before writer.
pub fn poll(state: &LoopData, timeout: Option<Duration>) -> Result<()> {
    let Some(reactor) = state.reactor().or_else(raise_io)? else {
        return Ok(());
    };
    let mut readiness = state.readiness.take();
    let outcome = if timeout == Some(Duration::ZERO) && may_stay_attached(state) {
        reactor.wait(&mut readiness, timeout)
    } else {
        wait(&reactor, &mut readiness, timeout)
    };
    let interrupted = match outcome {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
        Err(error) => {
            state.readiness.replace(readiness);
            return raise_io(error);
        }
    };
    queue(state, &readiness);
    state.readiness.replace(readiness);
    // A signal may also have come through the wakeup descriptor, without interrupting anything.
    // SAFETY: attached again.
    if (interrupted || timeout != Some(Duration::ZERO)) && unsafe { ffi::PyErr_CheckSignals() } < 0
    {
        return Err(Raised);
    }
    Ok(())
}

/// How many polls in a row may be made without letting go of the interpreter. Threads of other interpreters
/// that share its lock are not in the list that is looked at, and must not wait for ever either.
const MOST_ATTACHED: u32 = 64;

/// Whether a poll that returns at once need not let go of the interpreter: no other thread could have it.
fn may_stay_attached(state: &LoopData) -> bool {
    let polls = state.attached_polls.get() + 1;
    let stays = polls < MOST_ATTACHED && is_the_only_thread();
    state.attached_polls.set(if stays { polls } else { 0 });
    stays
}

/// Whether the interpreter knows no other thread than this one.
fn is_the_only_thread() -> bool {
    // SAFETY: attached, so this thread's state is live. Others may come and go meanwhile, so theirs are
    // compared and never looked into; new ones come in front of the list.
    unsafe {
        let own = ffi::PyThreadState_Get();
        let first = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        first == own && ffi::PyThreadState_Next(own).is_null()
    }
}

/// The wait itself, detached.
fn wait(reactor: &Reactor, readiness: &mut Readiness, timeout: Option<Duration>) -> io::Result<()> {
    // SAFETY: this thread is attached; between the two calls no Python object is touched: what is
    // captured is plain Rust data that only this thread uses, or is made for sharing.
    unsafe {
        let thread = ffi::PyEval_SaveThread();
        let outcome = reactor.wait(readiness, timeout);
        ffi::PyEval_RestoreThread(thread);
        outcome
    }
}

fn queue(state: &LoopData, readiness: &Readiness) {
    for (fd, ready) in readiness.iter() {
        let (reader, writer) = match state.watched.borrow_mut().get_mut(&fd) {
            Some(watch) => {
                if watch.mode == Mode::Once {
                    watch.mode = Mode::Asleep;
                }
                (
                    watch.reader.clone().filter(|_| ready.readable),
                    watch.writer.clone().filter(|_| ready.writable),
                )
            }
            None => (None, None),
        };
        if reader.is_none() && writer.is_none() {
            tell_again(state, fd);
        }
        for (found, readable) in [(reader, true), (writer, false)] {
            let Some(found) = found else { continue };
            if handle::is_cancelled(&found) {
                forget_cancelled(state, fd, readable);
            } else {
                state.push(Word::handle(found));
            }
        }
    }
}
