//! The seam to the operating system's readiness interface.
//!
//! A back end provides
//!
//! - `Poller`, `Send + Sync`, with `new`, `add`, `modify`, `arm`, `remove`, `bell` and `wait`. Descriptors are level-triggered and named by their number; one that was armed is reported once. `wait` says whether the bell rang since the last wait, and has silenced it when it returns.
//! - `Bell`, `Send + Sync`: `ring` makes the poller's current or next wait return. It may outlive the poller.
//! - `Events`, a buffer that `wait` fills, with `new`, `clear` and `iter`. The bell does not show up in it.
//!
//! Dropping a poller in a forked child must leave the parent's poller as it is.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use epoll::{Bell, Events, Poller};

// On Linux the portable back end is built for its tests alone.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod portable;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use portable::{Bell, Events, Poller};

#[cfg(all(test, not(miri)))]
mod tests;
