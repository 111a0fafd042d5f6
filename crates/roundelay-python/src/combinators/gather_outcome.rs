//! What became of a child of a gather.

use crate::future::{self, State, outcome};
use crate::imports::{imports, names};
use crate::native::{Ref, Result, string};

/// Outcome of a child, read without marking it as retrieved.
pub enum Outcome {
    /// It returned this.
    Result(Ref),
    /// It raised this.
    Exception(Ref),
    /// It was cancelled.
    Cancelled,
}

/// The outcome of a child that is done.
#[inline]
pub fn outcome_of(child: &Ref) -> Result<Outcome> {
    if let Some(fut) = future::native(child) {
        return Ok(match fut.state.get() {
            State::Cancelled => Outcome::Cancelled,
            State::Failed => {
                fut.log_traceback.set(false);
                Outcome::Exception(fut.value.get().expect("a failed future has an exception"))
            }
            State::Finished | State::Pending => Outcome::Result(outcome::result(child)?),
        });
    }
    if child.call_method(&names().cancelled, [])?.truthy()? {
        return Ok(Outcome::Cancelled);
    }
    let exception = child.call_method(&names().exception, [])?;
    if !exception.is_none() {
        return Ok(Outcome::Exception(exception));
    }
    Ok(Outcome::Result(child.call_method(&names().result, [])?))
}

/// The error that a cancelled child raises.
pub fn make_cancelled_error(child: &Ref) -> Result<Ref> {
    match future::native(child) {
        Some(_) => outcome::make_cancelled_error(child),
        None => child.call_method(&names().make_cancelled_error, []),
    }
}

/// What stands for a child in the list of results: its result, or its exception.
pub fn as_item(child: &Ref) -> Result<Ref> {
    match outcome_of(child)? {
        Outcome::Result(value) => Ok(value),
        Outcome::Exception(exception) => Ok(exception),
        Outcome::Cancelled => {
            let message = child.getattr(&names().cancel_message)?;
            let message = if message.is_none() {
                string("")?
            } else {
                message
            };
            imports().cancelled_error.call([&message])
        }
    }
}
