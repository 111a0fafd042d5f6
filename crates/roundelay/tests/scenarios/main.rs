//! What programs on the loop may rely on, one file per kind of scenario.
//!
//! The clock is virtual, so an hour of sleep takes no time and every count is exact.
//! What needs the operating system stands in `real.rs`, apart, so that the rest runs under miri.

#![cfg(not(loom))]

mod cancelling;
mod deadlock;
mod ending;
mod gathering;
mod order;
mod panicking;
mod real;
mod sleeping;
mod support;
mod timeouts;
mod waiting;
mod waking;
