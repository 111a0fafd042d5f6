//! Where releases of CPython behave differently, and programs can tell: each difference is a question
//! here, answered once by looking at asyncio's own classes, since fixes also arrive in patch releases.

use crate::native::{Ref, Result, import, string};
use crate::statics::GilCell;

/// Whether a waiter of a `Condition` that was told and then cancelled passes the news on.
static CONDITION_PASSES_ON: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
#[allow(dead_code)] // Asked by Condition.
pub fn condition_passes_on() -> bool {
    CONDITION_PASSES_ON.get()
}

/// Looks at asyncio's classes. Called once, when the module is made.
pub fn probe() -> Result<()> {
    CONDITION_PASSES_ON.set(has(c"asyncio.locks", "Condition", "_notify")?);
    Ok(())
}

fn has(module: &std::ffi::CStr, class: &str, attribute: &str) -> Result<bool> {
    let class: Ref = import(module)?.getattr(&string(class)?)?;
    Ok(class.getattr_opt(&string(attribute)?)?.is_some())
}
