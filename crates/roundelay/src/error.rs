//! What can go wrong with a run, a task or a wait.

#![forbid(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Why a loop did not run to the end of its main future.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The thread runs a loop already. A future awaits; it does not start a second loop.
    AlreadyRunning,
    /// Nothing is ready and no timer is set, so a virtual clock has nowhere to go and nobody is left who could move things on.
    ///
    /// The names are those who wait.
    Deadlock(Vec<String>),
    /// The system would not give what waiting needs.
    Io(io::Error),
}

/// How many names of a deadlock are printed.
const NAMES_PRINTED: usize = 8;

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning => {
                f.write_str("roundelay::run() cannot be called from a running event loop")
            }
            Self::Deadlock(waiting) => {
                f.write_str("deadlock: nothing is ready and no timer is set, so virtual time cannot move on; waiting: ")?;
                let printed = &waiting[..waiting.len().min(NAMES_PRINTED)];
                f.write_str(&printed.join(", "))?;
                match waiting.len() - printed.len() {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::Io(error) => write!(f, "the event loop cannot wait: {error}"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::AlreadyRunning | Self::Deadlock(_) => None,
        }
    }
}

/// Why a task has no result.
#[derive(Debug)]
pub enum TaskError {
    /// The task was cancelled: its future was dropped before it had finished.
    Cancelled,
    /// The task panicked.
    Panicked(Panic),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::Panicked(panic) => write!(f, "the task panicked: {}", panic.message()),
        }
    }
}

impl Error for TaskError {}

/// A panic that was caught at the edge of a task.
pub struct Panic {
    /// The lock only makes the payload shareable, so that errors that carry it can cross threads. It is never held.
    payload: Mutex<Box<dyn Any + Send>>,
    message: Box<str>,
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match (
            payload.downcast_ref::<&str>(),
            payload.downcast_ref::<String>(),
        ) {
            (Some(text), _) => (*text).into(),
            (None, Some(text)) => text.as_str().into(),
            (None, None) => "a payload that is no text".into(),
        };
        Self {
            payload: Mutex::new(payload),
            message,
        }
    }

    /// What the panic said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was given to `panic_any`, or the message as `&str` or `String`.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the panic go on in the caller, as if it had not been caught.
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.into_payload())
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message).finish()
    }
}

/// A [`timeout`](fn@crate::timeout) was over before its future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timeout has elapsed")
    }
}

impl Error for Elapsed {}
