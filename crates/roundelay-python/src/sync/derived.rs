//! Native classes that derive from classes of asyncio that are written in Python.
//!
//! An instance is `[what the base class needs][our fields]`. The references among the fields are declared
//! as members of the type, so that the interpreter itself visits, clears and drops them together with the
//! instance dict: no such class has a `tp_traverse`, `tp_clear` or `tp_dealloc` of its own. What a class
//! does not define is inherited, and works because each attribute that asyncio's code uses is there.

use std::ffi::CStr;

use pyo3::ffi;

use crate::native::types::TypeBuilder;
use crate::native::{Ref, Result, dict, import, none, raise_text, string};

/// Where our fields begin: the size of an instance of a Python class that has `__dict__` and weak
/// references, which 3.12 and newer keep in front of the object.
#[cfg(Py_3_12)]
pub const BODY: usize = size_of::<ffi::PyObject>();
/// Where our fields begin: 3.11 keeps the list of weak references in the object.
#[cfg(not(Py_3_12))]
pub const BODY: usize = size_of::<ffi::PyObject>() + size_of::<usize>();

/// `class name(base)`, with `F` behind the base. `references` are the offsets in `F` of its slots, with a
/// name for each by which nobody should ask.
pub fn builder<F>(
    name: &'static CStr,
    base: &Ref,
    references: &[(&'static CStr, usize)],
) -> Result<TypeBuilder> {
    // SAFETY: a class is a type object.
    let size = unsafe { (*base.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize } as usize;
    if size != BODY {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_ImportError },
            &format!(
                "an instance of {} takes {size} bytes here, and {BODY} in the Python that roundelay was built for; \
                 install roundelay anew so that it is built for this interpreter",
                name.to_string_lossy()
            ),
        );
    }
    let members = references.iter().map(|(name, offset)| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_OBJECT_EX,
        offset: (BODY + offset) as _,
        // Not read-only: those the interpreter would not drop.
        flags: 0,
        doc: std::ptr::null(),
    });
    Ok(TypeBuilder::new(name, BODY + size_of::<F>())
        .flags(ffi::Py_TPFLAGS_BASETYPE)
        .members(members))
}

/// The class of asyncio's that a native one derives from.
pub fn base(module: &CStr, name: &str) -> Result<Ref> {
    import(module)?.getattr(&string(name)?)
}

/// The fields of an instance.
///
/// # Safety
/// `object` is an instance of a type that [`builder`] made for `F`, or of a subclass.
#[inline]
pub unsafe fn fields<F>(object: &Ref) -> &F {
    // SAFETY: the fields are there by the caller's contract, zeroed by the allocator, and live as long as
    // the object.
    unsafe { &*object.as_ptr().cast::<u8>().add(BODY).cast::<F>() }
}

/// `__getstate__()`: the instance dict and the attributes `names`, which a Python class would have in it.
/// The loop is among them once there is one.
pub fn state(object: &Ref, names: &[&CStr]) -> Result<Ref> {
    let state = dict(&[])?;
    let own = object.getattr(&string("__dict__")?)?;
    // SAFETY: two live dicts.
    crate::native::check(unsafe { ffi::PyDict_Update(state.as_ptr(), own.as_ptr()) })?;
    let event_loop = object.getattr_opt(&string("_loop")?)?;
    for name in names.iter().copied().chain(
        event_loop
            .is_some_and(|set| !set.is_none())
            .then_some(c"_loop"),
    ) {
        let value = object.getattr(&string(&name.to_string_lossy())?)?;
        // SAFETY: live objects, a name that ends with a null byte.
        crate::native::check(unsafe {
            ffi::PyDict_SetItemString(state.as_ptr(), name.as_ptr(), value.as_ptr())
        })?;
    }
    Ok(state)
}

/// `__setstate__(state)`: sets every attribute that `__getstate__` gave.
pub fn set_state(object: &Ref, state: &Ref) -> Result<Ref> {
    let items = state.call_method(&string("items")?, [])?;
    // SAFETY: a live iterable; a new reference or null.
    let items = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(items.as_ptr())) }?;
    for item in crate::native::items(&items) {
        let pair = crate::native::items(&item);
        object.setattr(&pair[0], &pair[1])?;
    }
    Ok(none())
}
