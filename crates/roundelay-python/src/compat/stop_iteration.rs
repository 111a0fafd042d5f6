//! What a future does with a `StopIteration` that is set as its exception: refused with a `TypeError` up to
//! some 3.12.x, wrapped in a `RuntimeError` from there on. Which one is found by asking a stock future.

use crate::native::{Ref, Result, boolean, import, string};
use crate::statics::GilCell;

static WRAPPED: GilCell<bool> = GilCell::new(false);

/// Whether it is wrapped.
pub fn is_wrapped() -> bool {
    WRAPPED.get()
}

/// Asks `future`, a stock future that nobody needs.
pub fn probe(future: &Ref) -> Result<()> {
    let stop = import(c"builtins")?
        .getattr(&string("StopIteration")?)?
        .call([])?;
    match future.call_method(&string("set_exception")?, [&stop]) {
        Ok(_) => {
            WRAPPED.set(true);
            future.setattr(&string("_log_traceback")?, &boolean(false))
        }
        Err(_) => {
            drop(crate::native::take_raised());
            Ok(())
        }
    }
}
