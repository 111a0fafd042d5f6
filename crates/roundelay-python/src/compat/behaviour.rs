//! Where releases of CPython behave differently, and programs can tell: each difference is a question
//! here, answered once by looking at asyncio's own classes, since fixes also arrive in patch releases.

use crate::native::{Ref, Result, import, items, string, text_of};
use crate::statics::GilCell;

/// Whether a waiter of a `Condition` that was told and then cancelled passes the news on.
static CONDITION_PASSES_ON: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn condition_passes_on() -> bool {
    CONDITION_PASSES_ON.get()
}

/// Whether a semaphore goes on to wake as many waiters as it has places for, each time somebody has got or
/// given up one; before, it woke one more at most.
static SEMAPHORE_WAKES_ALL_IT_CAN: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
#[inline]
pub fn semaphore_wakes_all_it_can() -> bool {
    SEMAPHORE_WAKES_ALL_IT_CAN.get()
}

/// Whether an error that took the place of a timeout's cancellation gets a `TimeoutError` as its context.
static TIMEOUT_EXPLAINS_ERRORS: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn timeout_explains_errors() -> bool {
    TIMEOUT_EXPLAINS_ERRORS.get()
}

/// Whether a timeout turns subclasses of `CancelledError` into a `TimeoutError` too.
static TIMEOUT_TAKES_SUBCLASSES: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn timeout_takes_subclasses() -> bool {
    TIMEOUT_TAKES_SUBCLASSES.get()
}

/// Looks at asyncio's classes. Called once, when the module is made.
pub fn probe() -> Result<()> {
    CONDITION_PASSES_ON.set(has(c"asyncio.locks", "Condition", "_notify")?);
    SEMAPHORE_WAKES_ALL_IT_CAN.set(mentions(c"asyncio.locks", "Semaphore", "acquire", "done")?);
    TIMEOUT_EXPLAINS_ERRORS.set(has(
        c"asyncio.timeouts",
        "Timeout",
        "_insert_timeout_error",
    )?);
    TIMEOUT_TAKES_SUBCLASSES.set(mentions(
        c"asyncio.timeouts",
        "Timeout",
        "__aexit__",
        "issubclass",
    )?);
    Ok(())
}

fn has(module: &std::ffi::CStr, class: &str, attribute: &str) -> Result<bool> {
    let class: Ref = import(module)?.getattr(&string(class)?)?;
    Ok(class.getattr_opt(&string(attribute)?)?.is_some())
}

/// Whether a method's code uses an attribute or a global of this name.
fn mentions(module: &std::ffi::CStr, class: &str, method: &str, name: &str) -> Result<bool> {
    let method = import(module)?
        .getattr(&string(class)?)?
        .getattr(&string(method)?)?;
    let names = method
        .getattr(&string("__code__")?)?
        .getattr(&string("co_names")?)?;
    for mentioned in items(&names) {
        if text_of(&mentioned)? == name {
            return Ok(true);
        }
    }
    Ok(false)
}
