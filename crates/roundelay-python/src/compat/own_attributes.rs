//! Whether an object has attributes of its own: methods set on one object, as tests with mocks do, come
//! before those of its class.
//!
//! Up to 3.12 an object keeps its first attributes without a dict, in an array whose length stands in front
//! of it; asking for the dict would make one, and method calls on the object slower. From 3.13 on
//! [`without_inline_values`] has the types that are asked about start with neither.

use pyo3::ffi;

use crate::native::{Ref, Result, none, string};

unsafe extern "C" {
    /// Where the object keeps its instance dict, or null for an object that has none. (Private, exported by
    /// every supported version.) Makes a dict of attributes that are kept without one.
    fn _PyObject_GetDictPtr(object: *mut ffi::PyObject) -> *mut *mut ffi::PyObject;
}

/// Whether the object has no attributes of its own, so that each of its methods is its class's.
#[inline]
pub fn is_empty(object: &Ref) -> bool {
    #[cfg(not(Py_3_13))]
    if KNOWN.get()
        && let Some(empty) = is_empty_without_dict(object)
    {
        return empty;
    }
    // SAFETY: a live object; the pointer is null or points to a dict or null.
    unsafe {
        let dict = _PyObject_GetDictPtr(object.as_ptr());
        dict.is_null() || (*dict).is_null() || ffi::PyDict_Size(*dict) == 0
    }
}

/// The same for an instance of exactly such a type as [`probe`] was given one of.
#[inline]
pub fn is_empty_in_exact(object: &Ref) -> bool {
    #[cfg(Py_3_13)]
    if OFFSET.get() != 0 {
        // SAFETY: found by `probe`, for such instances; a dict or null.
        let dict = unsafe {
            *object
                .as_ptr()
                .byte_offset(OFFSET.get())
                .cast::<*mut ffi::PyObject>()
        };
        if dict.is_null() {
            return true;
        }
    }
    is_empty(object)
}

/// Where such an instance keeps its dict, from the object on in bytes; zero if that is not known.
#[cfg(Py_3_13)]
static OFFSET: crate::statics::GilCell<isize> = crate::statics::GilCell::new(0);

/// Whether the object itself has an attribute of this name (a `str`).
pub fn contains(object: &Ref, name: &Ref) -> bool {
    // SAFETY: a live object and a live `str`; the pointer is null or points to a dict or null, and the dict is
    // kept alive while it compares keys.
    let found = unsafe {
        let dict = _PyObject_GetDictPtr(object.as_ptr());
        if dict.is_null() || (*dict).is_null() {
            return false;
        }
        let dict = Ref::borrowed(*dict);
        ffi::PyDict_Contains(dict.as_ptr(), name.as_ptr())
    };
    if found < 0 {
        // A key that cannot be compared: whatever it is, it is the user's.
        drop(crate::native::take_raised());
    }
    found != 0
}

/// Has instances of the type, but not of classes derived from it, do without an array for attributes: they
/// get a dict when the first one is set. Called once, when the type is made.
pub fn without_inline_values(class: &Ref) {
    crate::future::object::adjust_type(class);
}

/// Whether objects look as [`is_empty_without_dict`] expects.
#[cfg(not(Py_3_13))]
static KNOWN: crate::statics::GilCell<bool> = crate::statics::GilCell::new(false);

/// Whether the array has no attributes in it; nothing if there is a dict instead.
#[cfg(not(Py_3_13))]
#[inline]
fn is_empty_without_dict(object: &Ref) -> Option<bool> {
    #[cfg(Py_3_12)]
    const PLACE: isize = -3;
    #[cfg(not(Py_3_12))]
    const PLACE: isize = -4;
    // SAFETY: the words in front of an object with a managed dict and the collector's flag, which `KNOWN`
    // says were found as expected. The array has two bytes in front of it, the first of which counts what
    // is in it.
    unsafe {
        let word = *object.as_ptr().cast::<*const u8>().offset(PLACE);
        // 3.12 marks an array by the lowest bit, and has the dict in the same word otherwise.
        #[cfg(Py_3_12)]
        let array = word.map_addr(|address| address.wrapping_sub(1));
        #[cfg(not(Py_3_12))]
        let array = word;
        if word.is_null() || array.addr() & 1 != 0 {
            return None;
        }
        Some(*array.sub(2) == 0)
    }
}

/// Tries it with a fresh object of the kind that will be asked about. Called once, when the module is made.
pub fn probe(object: &Ref) -> Result<()> {
    #[cfg(not(Py_3_13))]
    {
        let name = string("roundelay_probe")?;
        let before = is_empty_without_dict(object);
        object.setattr(&name, &none())?;
        let between = is_empty_without_dict(object);
        // SAFETY: live objects.
        crate::native::check(unsafe { ffi::PyObject_DelAttr(object.as_ptr(), name.as_ptr()) })?;
        let after = is_empty_without_dict(object);
        KNOWN.set((before, between, after) == (Some(true), Some(false), Some(true)));
    }
    #[cfg(Py_3_13)]
    {
        // SAFETY: a live object; the pointer is null or points to a dict or null.
        let place = |object: &Ref| unsafe {
            let dict = _PyObject_GetDictPtr(object.as_ptr());
            (!dict.is_null()).then(|| (dict.byte_offset_from(object.as_ptr()), (*dict).is_null()))
        };
        let before = place(object);
        object.setattr(&string("roundelay_probe")?, &none())?;
        if let (Some((offset, true)), Some((again, false))) = (before, place(object))
            && offset == again
        {
            OFFSET.set(offset);
        }
    }
    Ok(())
}
