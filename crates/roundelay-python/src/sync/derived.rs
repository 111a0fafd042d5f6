//! Native classes that derive from classes of asyncio that are written in Python.
//!
//! An instance is `[what the base class needs][our fields]`. The references among the fields are declared
//! as members of the type, so that the interpreter itself visits, clears and drops them together with the
//! instance dict: no such class has a `tp_traverse` or `tp_clear` of its own, and none has a `tp_dealloc` but
//! those that are made and dropped all the time (see `end`). (The interpreter leaves members alone that are
//! read-only, so they are writable, and Python code does not find them.)
//! What a class does not define is inherited, and works because each attribute that asyncio's code uses is
//! there.

use std::ffi::CStr;

use pyo3::ffi;

use super::copying;
pub use super::copying::state;
use crate::method1;
use crate::native::types::TypeBuilder;
use crate::native::{Ref, Result, items, raise_text, repr, string, text_of};

/// Where our fields begin: the size of an instance of a Python class that has `__dict__` and weak
/// references, which 3.12 and newer keep in front of the object.
#[cfg(Py_3_12)]
pub const BODY: usize = size_of::<ffi::PyObject>();
/// Where our fields begin: 3.11 keeps the list of weak references in the object.
#[cfg(not(Py_3_12))]
pub const BODY: usize = size_of::<ffi::PyObject>() + size_of::<usize>();

/// `class name(base)`, with `F` behind the base. `references` are the offsets in `F` of its slots, with a
/// name for each that nobody sees. Documentation, signature and the ways to copy are there already.
pub fn builder<F>(
    name: &'static CStr,
    base: &Ref,
    references: &[(&'static CStr, usize)],
) -> Result<TypeBuilder> {
    let builder = bare_builder::<F>(name, base, BODY, references)?;
    Ok(builder
        .flags(ffi::Py_TPFLAGS_BASETYPE)
        .doc(documentation(name, base)?)
        .methods([
            method1!(
                c"__reduce_ex__",
                copying::reduce_ex,
                c"__reduce_ex__($self, protocol, /)\n--\n\n"
            ),
            method1!(
                c"__setstate__",
                copying::set_state,
                c"__setstate__($self, state, /)\n--\n\n"
            ),
        ]))
}

/// The same for a class of another size, `body`, that is neither copied nor derived from.
pub fn bare_builder<F>(
    name: &'static CStr,
    base: &Ref,
    body: usize,
    references: &[(&'static CStr, usize)],
) -> Result<TypeBuilder> {
    // SAFETY: a class is a type object.
    let size = unsafe { (*base.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize } as usize;
    if size != body {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_ImportError },
            &format!(
                "an instance of {} takes {size} bytes here, and {body} in the Python that roundelay was built for; \
                 install roundelay anew so that it is built for this interpreter",
                name.to_string_lossy()
            ),
        );
    }
    let members = references.iter().map(|(name, offset)| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_OBJECT_EX,
        offset: (body + offset) as _,
        // Not read-only: those the interpreter would not drop.
        flags: 0,
        doc: std::ptr::null(),
    });
    Ok(TypeBuilder::new(name, body + size_of::<F>())
        .members(members)
        .like_python_class())
}

/// How many bytes an instance takes.
#[cfg(Py_3_13)]
pub const fn size<F>() -> usize {
    BODY + size_of::<F>()
}

/// The documentation of asyncio's class, behind the signature of its `__init__`. Lives as long as the type.
fn documentation(name: &CStr, base: &Ref) -> Result<&'static CStr> {
    let init = base.getattr(&string("__init__")?)?;
    let code = init.getattr(&string("__code__")?)?;
    let count = code.getattr(&string("co_argcount")?)?.to_f64()? as usize;
    let mut parameters = Vec::new();
    for parameter in &items(&code.getattr(&string("co_varnames")?)?)[1..count] {
        parameters.push(text_of(parameter)?);
    }
    let defaults = init.getattr(&string("__defaults__")?)?;
    if !defaults.is_none() {
        let defaults = items(&defaults);
        let first = parameters.len() - defaults.len();
        for (parameter, default) in parameters[first..].iter_mut().zip(&defaults) {
            *parameter = format!("{parameter}={}", repr(default)?);
        }
    }
    let doc = base.getattr(&string("__doc__")?)?;
    let doc = if doc.is_none() {
        String::new()
    } else {
        text_of(&doc)?
    };
    let name = name.to_string_lossy();
    let name = name.rsplit('.').next().unwrap_or_default();
    let text = format!("{name}({})\n--\n\n{doc}", parameters.join(", "));
    Ok(Box::leak(
        std::ffi::CString::new(text)
            .unwrap_or_default()
            .into_boxed_c_str(),
    ))
}

/// The class of asyncio's that a native one derives from.
pub fn base(module: &CStr, name: &str) -> Result<Ref> {
    crate::imports::module(module)?.getattr(&string(name)?)
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

/// Raises what reading an attribute raises that was never set.
#[cold]
pub fn missing<T>(object: &Ref, attribute: &str) -> Result<T> {
    // SAFETY: a live object has a live type.
    let class = unsafe { Ref::borrowed(object.type_ptr().cast()) };
    let name = class.getattr(&string("__name__")?)?;
    // SAFETY: a static exception class.
    raise_text(
        unsafe { ffi::PyExc_AttributeError },
        &format!(
            "'{}' object has no attribute '{attribute}'",
            text_of(&name)?
        ),
    )
}

/// The `tp_dealloc` of a class whose instances come from a free list, with its slots. The interpreter's own
/// does the same in three times as many steps.
///
/// # Safety
/// Called when the last reference to `object` is gone. It is an instance of `class`, which [`builder`] made
/// and of which every object in `free` was, or of a subclass; `slots` are all its slots.
#[cfg(Py_3_13)]
pub unsafe fn end(
    object: *mut ffi::PyObject,
    class: *mut ffi::PyTypeObject,
    free: &crate::native::gc::FreeList,
    slots: &[&crate::native::Slot],
) {
    // SAFETY: by the caller's contract. Weak references go before anything else, the memory goes last.
    unsafe {
        crate::native::gc::untrack(Ref::view(&object));
        crate::compat::instance_dict::clear_weakrefs(object);
        for slot in slots {
            drop(slot.take());
        }
        crate::compat::instance_dict::clear(object);
        if ffi::Py_TYPE(object) == class {
            free.recycle(object);
        } else {
            crate::native::gc::release(object);
        }
    }
}
