//! Calls that a native method does not understand go to the method of asyncio's that it stands for, which
//! raises the very error that asyncio raises.

use std::ffi::CStr;

use pyo3::ffi;

use crate::native::args::matches;
use crate::native::method::is_native;
use crate::native::{Args, Ref, Result, items, none, raise_text, string};

/// `object.name(*args, **kwargs)` with asyncio's own method.
#[cold]
pub fn call(object: &Ref, name: &CStr, args: &Args<'_>) -> Result<Ref> {
    args.pass_on_behind(object, &method(object, name)?)
}

/// `object.__init__(*args, **kwargs)` with asyncio's own method.
#[cold]
pub fn init(object: &Ref, args: &Args<'_>) -> Result<()> {
    call(object, c"__init__", args).map(drop)
}

/// The first function written in Python behind the native one of the same name.
fn method(object: &Ref, name: &CStr) -> Result<Ref> {
    let text = name.to_string_lossy();
    let name = string(&text)?;
    // SAFETY: a live object has a live type.
    let class = unsafe { Ref::borrowed(object.type_ptr().cast()) };
    let mut native_seen = false;
    for class in items(&class.getattr(&string("__mro__")?)?) {
        let found = class
            .getattr(&string("__dict__")?)?
            .call_method(&string("get")?, [&name, &none()])?;
        let function = &raw mut ffi::PyFunction_Type;
        native_seen |= is_native(&found);
        if native_seen && found.is_exact(function) {
            return Ok(found);
        }
    }
    // SAFETY: a static exception class.
    raise_text(
        unsafe { ffi::PyExc_TypeError },
        &format!("{text}() was called with arguments that it does not take"),
    )
}

/// The argument of a method that takes at most one, called `name`; nothing if the call is another.
#[inline]
pub fn one_optional<'a>(args: &Args<'a>, name: &str) -> Option<Option<&'a Ref>> {
    match (args.positional, args.keywords) {
        ([], []) => Some(None),
        ([only], []) => Some(Some(only)),
        ([], [only]) if matches(&args.keyword_name(0), name) => Some(Some(only)),
        _ => None,
    }
}

/// The arguments of a call, by the names of the parameters, the first `required` of which have no default;
/// nothing if the call is another.
#[inline]
pub fn bound<'a, const N: usize>(
    args: &Args<'a>,
    names: [&str; N],
    required: usize,
) -> Option<[Option<&'a Ref>; N]> {
    let mut bound = [None; N];
    if args.positional.len() > N {
        return None;
    }
    for (place, value) in bound.iter_mut().zip(args.positional) {
        *place = Some(value);
    }
    for (name, value) in args.keyword_items() {
        let place = names
            .iter()
            .position(|candidate| matches(&name, candidate))?;
        if bound[place].replace(value).is_some() {
            return None;
        }
    }
    let complete = bound[..required].iter().all(Option::is_some);
    complete.then_some(bound)
}
