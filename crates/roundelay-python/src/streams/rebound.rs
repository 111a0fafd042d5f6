//! asyncio's own functions, which find our classes where theirs were.

use std::ffi::CStr;

use pyo3::ffi;

use crate::native::{Ref, Result, check, string, tuple};

/// The same Python function, but with these objects under the global names.
pub fn with_globals(function: &Ref, replaced: &[(&CStr, Ref)]) -> Result<Ref> {
    let get = |name: &str| function.getattr(&string(name)?);
    let globals = get("__globals__")?.call_method(&string("copy")?, [])?;
    for (name, value) in replaced {
        // SAFETY: a live dict and a live object, a name that ends with a null byte.
        check(unsafe {
            ffi::PyDict_SetItemString(globals.as_ptr(), name.as_ptr(), value.as_ptr())
        })?;
    }
    // SAFETY: a live object has a live type.
    let class = unsafe { Ref::borrowed(function.type_ptr().cast()) };
    let arguments = tuple(&[
        &get("__code__")?,
        &globals,
        &get("__name__")?,
        &get("__defaults__")?,
        &get("__closure__")?,
    ])?;
    let made = class.call_tuple(&arguments, None)?;
    for name in [
        "__kwdefaults__",
        "__qualname__",
        "__doc__",
        "__annotations__",
    ] {
        made.setattr(&string(name)?, &get(name)?)?;
    }
    Ok(made)
}
