//! How much may wait to be sent before the protocol is paused: asyncio's `_FlowControlMixin`.

use std::cell::Cell;

use pyo3::ffi;

use crate::imports::imports;
use crate::native::{Raised, Ref, Result, Slot, integer, none, take_raised, tuple};

/// `set_write_buffer_limits()` of a new transport.
const HIGH_WATER: u64 = 64 * 1024;
const LOW_WATER: u64 = HIGH_WATER / 4;

/// The limits of a transport. All zero bytes are limits that were not set.
#[repr(C)]
pub struct FlowControl {
    /// Above this many bytes the protocol is paused, as the user gave it.
    pub high_water: Slot,
    /// At this many bytes, or fewer, it is resumed.
    pub low_water: Slot,
    /// The two as numbers, the lower one first.
    limits: [Cell<f64>; 2],
    /// The protocol's `pause_writing()` was called.
    pub protocol_paused: Cell<bool>,
}

impl FlowControl {
    /// Sets the limits of a new transport.
    pub fn begin(&self) -> Result<()> {
        self.high_water.set(integer(HIGH_WATER)?);
        self.low_water.set(integer(LOW_WATER)?);
        self.limits[0].set(LOW_WATER as f64);
        self.limits[1].set(HIGH_WATER as f64);
        Ok(())
    }

    /// Whether so many bytes may wait without the protocol being paused.
    #[inline]
    pub fn has_room_for(&self, size: usize) -> bool {
        size as f64 <= self.limits[1].get()
    }

    /// `_maybe_pause_protocol()`, when so many bytes wait.
    #[inline]
    pub fn pause_if_full(&self, transport: &Ref, size: usize) -> Result<()> {
        if size as f64 > self.limits[1].get() && !self.protocol_paused.get() {
            imports().stock_pause_protocol.call([transport])?;
        }
        Ok(())
    }

    /// `_maybe_resume_protocol()`, when so many bytes wait.
    #[inline]
    pub fn resume_if_drained(&self, transport: &Ref, size: usize) -> Result<()> {
        if self.protocol_paused.get() && size as f64 <= self.limits[0].get() {
            imports().stock_resume_protocol.call([transport])?;
        }
        Ok(())
    }

    /// `get_write_buffer_limits()`
    pub fn both(&self) -> Result<Ref> {
        tuple(&[&shown(&self.low_water), &shown(&self.high_water)])
    }

    /// Sets `_low_water`.
    pub fn set_low_water(&self, value: Option<&Ref>) -> Result<()> {
        set_limit(&self.low_water, &self.limits[0], value)
    }

    /// Sets `_high_water`.
    pub fn set_high_water(&self, value: Option<&Ref>) -> Result<()> {
        set_limit(&self.high_water, &self.limits[1], value)
    }
}

fn shown(slot: &Slot) -> Ref {
    slot.get().unwrap_or_else(none)
}

/// Keeps the object that was given, and the number that it stands for: any that can be compared will do.
pub fn set_limit(slot: &Slot, number: &Cell<f64>, value: Option<&Ref>) -> Result<()> {
    let value = value.cloned().unwrap_or_else(none);
    number.set(match value.to_f64() {
        Ok(number) => number,
        // SAFETY: a static exception class.
        Err(Raised) if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_OverflowError) } != 0 => {
            drop(take_raised());
            f64::INFINITY
        }
        Err(Raised) => return Err(Raised),
    });
    slot.set(value);
    Ok(())
}

/// The attributes `_high_water`, `_low_water` and `_protocol_paused` of a transport with these limits;
/// `$fields` gives the object that has them as `flow`.
#[macro_export]
macro_rules! flow_control_attributes {
    ($fields:path) => {{
        use $crate::native::{Ref, Result};
        fn set_high_water(transport: &Ref, value: Option<&Ref>) -> Result<()> {
            $fields(transport).flow.set_high_water(value)
        }
        fn set_low_water(transport: &Ref, value: Option<&Ref>) -> Result<()> {
            $fields(transport).flow.set_low_water(value)
        }
        fn high_water(transport: &Ref) -> Result<Ref> {
            let slot = &$fields(transport).flow.high_water;
            Ok(slot.get().unwrap_or_else($crate::native::none))
        }
        fn low_water(transport: &Ref) -> Result<Ref> {
            let slot = &$fields(transport).flow.low_water;
            Ok(slot.get().unwrap_or_else($crate::native::none))
        }
        [
            $crate::attribute!(c"_high_water", high_water, set_high_water),
            $crate::attribute!(c"_low_water", low_water, set_low_water),
            $crate::flag_attribute!(c"_protocol_paused", $fields, flow.protocol_paused),
        ]
    }};
}
