//! The types that cross threads, in one place: those of the standard library, or loom's when its model checker runs.

#![forbid(unsafe_code)]

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
