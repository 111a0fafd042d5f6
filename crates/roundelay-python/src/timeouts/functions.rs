//! `timeout` and `timeout_at`: the functions that make a timeout.

use std::ffi::CStr;

use pyo3::ffi;

use crate::eventloop;
use crate::imports::names;
use crate::native::function::{self, all_required};
use crate::native::{Args, Ref, Result, float};
use crate::sync::derived::base;

use super::timeout::make as make_timeout;

/// Makes the functions; returns them with their names.
pub fn make() -> Result<Vec<(&'static CStr, Ref)>> {
    let stock = |name| base(c"asyncio.timeouts", name);
    Ok(vec![
        (c"timeout", function::make(timeout, stock("timeout")?)?),
        (
            c"timeout_at",
            function::make(timeout_at, stock("timeout_at")?)?,
        ),
    ])
}

/// `timeout(delay)`
fn timeout(args: &Args<'_>) -> Result<Option<Ref>> {
    match all_required(args, ["delay"]) {
        Some([delay]) => after(delay).map(Some),
        None => Ok(None),
    }
}

/// A timeout that is over `delay` seconds from now; `None` for never.
#[inline]
pub fn after(delay: &Ref) -> Result<Ref> {
    let event_loop = eventloop::running_or_error()?;
    if delay.is_none() {
        return make_timeout(None);
    }
    if eventloop::is_plain(&event_loop) {
        let state = eventloop::data(&event_loop);
        let (when, shown) = eventloop::time::after(&event_loop, state, delay)?;
        return make_timeout(Some(match shown {
            Some(shown) => shown,
            None => float(when)?,
        }));
    }
    let now = event_loop.call_method(&names().time, [])?;
    // SAFETY: both live; a new reference or null.
    let when = unsafe { Ref::owned_or_raised(ffi::PyNumber_Add(now.as_ptr(), delay.as_ptr())) }?;
    make_timeout(Some(when))
}

/// `timeout_at(when)`
fn timeout_at(args: &Args<'_>) -> Result<Option<Ref>> {
    match all_required(args, ["when"]) {
        Some([when]) => make_timeout((!when.is_none()).then(|| when.clone())).map(Some),
        None => Ok(None),
    }
}
