//! Where releases of CPython have different TLS code, as questions that are answered once by looking at its
//! classes.

use crate::native::{Ref, Result, items, string, text_of};
use crate::statics::GilCell;

/// Whether a TLS transport counts as closing when the transport below it does (3.14, and later releases of
/// older versions).
static CLOSING_ASKS_BELOW: GilCell<bool> = GilCell::new(false);

/// Whether the methods of `ssl.SSLObject` are those of the standard library, and not what somebody put in their
/// place before roundelay was imported.
static SSL_OBJECTS_ARE_KNOWN: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
#[inline]
pub fn closing_asks_below() -> bool {
    CLOSING_ASKS_BELOW.get()
}

/// See the static of the same name.
pub fn ssl_objects_are_known() -> bool {
    SSL_OBJECTS_ARE_KNOWN.get()
}

/// Looks at the classes. Called once, when the module is made.
pub fn probe(protocol: &Ref, ssl_object: &Ref) -> Result<()> {
    let asks = protocol.getattr_opt(&string("_is_transport_closing")?)?;
    CLOSING_ASKS_BELOW.set(asks.is_some());
    let mut known = true;
    for name in ["read", "write", "pending"] {
        known &= only_hands_on(ssl_object, name)?;
    }
    SSL_OBJECTS_ARE_KNOWN.set(known);
    Ok(())
}

/// Whether all that a method uses is `self._sslobj` and the method of the same name of that.
fn only_hands_on(class: &Ref, name: &str) -> Result<bool> {
    let method = class.getattr(&string(name)?)?;
    let Some(code) = method.getattr_opt(&string("__code__")?)? else {
        return Ok(false);
    };
    for used in items(&code.getattr(&string("co_names")?)?) {
        let used = text_of(&used)?;
        if used != "_sslobj" && used != name {
            return Ok(false);
        }
    }
    Ok(true)
}
