//! Methods of a stream transport, called by native code: at once, if they are ours, and by name if the class
//! or the object has others.

use crate::compat::unchanged::Unchanged;
use crate::imports::names;
use crate::native::{Ref, Result};

use super::closing;
use super::fields::TransportFields;
use super::setup;
use super::writing;

static WRITE: Unchanged = Unchanged::new(&["write"], &[]);
static IS_CLOSING: Unchanged = Unchanged::new(&["is_closing"], &[]);

/// Takes down what the type has. Called once, when it was made.
pub fn prepare(class: &Ref) -> Result<()> {
    WRITE.prepare(class)?;
    IS_CLOSING.prepare(class)
}

/// Whether this is a stream transport with the `write()` of its class.
#[inline]
pub fn has_own_write(transport: &Ref) -> bool {
    has_own(transport, &WRITE)
}

#[inline]
fn has_own(transport: &Ref, method: &Unchanged) -> bool {
    transport.is_exact(setup::TRANSPORT.get()) && method.is_unchanged(transport)
}

/// `transport.write(data)`, of any transport.
#[inline]
pub fn write(transport: &Ref, data: &Ref) -> Result<()> {
    if has_own(transport, &WRITE) {
        return writing::write(transport, data).map(drop);
    }
    transport.call_method(&names().write, [data]).map(drop)
}

/// `transport.is_closing()`, of any transport.
#[inline]
pub fn is_closing(transport: &Ref) -> Result<bool> {
    if has_own(transport, &IS_CLOSING) {
        return closing::is_closing::<TransportFields>(transport)?.truthy();
    }
    transport.call_method(&names().is_closing, [])?.truthy()
}
