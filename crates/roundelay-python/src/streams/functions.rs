//! `open_connection`, `start_server` and their Unix variants: asyncio's own functions, which find our classes
//! where theirs were. What they await is the loop's, and takes a thousand times longer than they do.

use std::ffi::CStr;

use pyo3::ffi;

use crate::native::{Ref, Result, check, string, tuple};

const NAMES: [&CStr; 4] = [
    c"open_connection",
    c"start_server",
    c"open_unix_connection",
    c"start_unix_server",
];

/// Makes those that there are on this system; returns them with their names.
pub fn make(classes: &[(&'static CStr, Ref)]) -> Result<Vec<(&'static CStr, Ref)>> {
    let module = crate::imports::module(c"asyncio.streams")?;
    let mut made = vec![];
    for name in NAMES {
        if let Some(function) = module.getattr_opt(&string(&name.to_string_lossy())?)? {
            made.push((name, with_classes(&function, classes)?));
        }
    }
    Ok(made)
}

/// The same Python function, but with these objects under the global names.
pub fn with_classes(function: &Ref, classes: &[(&CStr, Ref)]) -> Result<Ref> {
    let get = |name: &str| function.getattr(&string(name)?);
    let globals = get("__globals__")?.call_method(&string("copy")?, [])?;
    for (name, class) in classes {
        // SAFETY: a live dict and a live object, a name that ends with a null byte.
        check(unsafe {
            ffi::PyDict_SetItemString(globals.as_ptr(), name.as_ptr(), class.as_ptr())
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
