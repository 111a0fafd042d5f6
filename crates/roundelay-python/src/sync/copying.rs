//! Copying and pickling of native classes: as those of asyncio's that they stand for.
//!
//! A class that is written in Python keeps everything in its instance dict, and that is what is copied. Ours
//! give the same dict as their state and take it back attribute by attribute, so a pickle of one is good
//! for the other. What is asyncio's by name need not be ours (before `install()`), hence a function of our
//! own by which the class is found.

use std::ffi::CStr;

use pyo3::ffi;

use crate::imports::imports;
use crate::native::{Ref, Result, check, dict, items, none, string, tuple};
use crate::statics::Once;

/// `roundelay._core._rebuild`
static REBUILD: Once<Ref> = Once::new();

/// Takes what is needed from our module. Called once, when it is made.
pub fn prepare(module: &Ref) -> Result<()> {
    REBUILD.set(module.getattr(&string("_rebuild")?)?);
    Ok(())
}

/// `_rebuild(name)`: a fresh object of the native class called so, before its `__init__`.
pub fn rebuild(module: &Ref, name: &Ref) -> Result<Ref> {
    let class = module.getattr(name)?;
    class.call_method(&string("__new__")?, [&class])
}

/// `__reduce_ex__(protocol)`
pub fn reduce_ex(object: &Ref, protocol: &Ref) -> Result<Ref> {
    // SAFETY: a live object has a live type.
    let class = unsafe { Ref::borrowed(object.type_ptr().cast()) };
    let name = class.getattr(&string("__name__")?)?;
    let module = class.getattr(&string("__module__")?)?;
    if !crate::native::text_of(&module)?.starts_with("asyncio.") {
        // A class of the user's is found by its own name.
        // SAFETY: a static type.
        let base = unsafe { Ref::borrowed((&raw mut ffi::PyBaseObject_Type).cast()) };
        let reduce = base.getattr(&string("__reduce_ex__")?)?;
        return reduce.call([object, protocol]);
    }
    let state = object.call_method(&string("__getstate__")?, [])?;
    tuple(&[REBUILD.get(), &tuple(&[&name])?, &state])
}

/// `__getstate__()`: the instance dict and the attributes `names`, which a Python class would have in it.
/// The loop is among them once there is one.
pub fn state(object: &Ref, names: &[&CStr]) -> Result<Ref> {
    let state = dict(&[])?;
    let own = object.getattr(&string("__dict__")?)?;
    // SAFETY: two live dicts.
    check(unsafe { ffi::PyDict_Update(state.as_ptr(), own.as_ptr()) })?;
    let event_loop = object.getattr_opt(&string("_loop")?)?;
    for name in names.iter().copied().chain(
        event_loop
            .is_some_and(|set| !set.is_none())
            .then_some(c"_loop"),
    ) {
        let mut value = object.getattr(&string(&name.to_string_lossy())?)?;
        if super::waiter_queue::is_queue(&value) {
            value = imports().deque_class.call([&value])?;
        }
        // SAFETY: live objects, a name that ends with a null byte.
        check(unsafe { ffi::PyDict_SetItemString(state.as_ptr(), name.as_ptr(), value.as_ptr()) })?;
    }
    Ok(state)
}

/// `__setstate__(state)`: sets every attribute that `__getstate__` gave.
pub fn set_state(object: &Ref, state: &Ref) -> Result<Ref> {
    let pairs = state.call_method(&string("items")?, [])?;
    // SAFETY: a live iterable; a new reference or null.
    let pairs = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(pairs.as_ptr())) }?;
    for pair in items(&pairs) {
        let pair = items(&pair);
        object.setattr(&pair[0], &pair[1])?;
    }
    Ok(none())
}
