//! What OpenSSL tells of the objects that it makes.
//!
//! Whoever keeps data of his own with OpenSSL's objects has a function called for each that is made
//! (`CRYPTO_get_ex_new_index(3)`). So it is known for certain what a new object of Python's has inside of it, and
//! also that the library whose functions were found is the one that Python uses.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;

use super::functions::Functions;

/// Classes of OpenSSL's objects, by the numbers that its headers give them.
#[derive(Clone, Copy)]
#[repr(i32)]
pub enum Class {
    /// `CRYPTO_EX_INDEX_SSL`
    Ssl = 0,
    /// `CRYPTO_EX_INDEX_BIO`
    Bio = 12,
}

/// How many objects this thread was told of, and the last of them.
#[derive(Clone, Copy)]
struct Told(usize, *mut c_void);

const NOTHING: Told = Told(0, ptr::null_mut());

thread_local! {
    // Other threads may make objects at the same time, with or without the GIL.
    static TOLD: Cell<Told> = const { Cell::new(NOTHING) };
}

/// Somebody who is told of each object of a class, until it is dropped.
pub struct Listener<'a> {
    functions: &'a Functions,
    class: Class,
    index: c_int,
}

impl<'a> Listener<'a> {
    /// One for a class; nothing if OpenSSL has no memory for it.
    pub fn to(functions: &'a Functions, class: Class) -> Option<Self> {
        // SAFETY: a function that lives as long as the process, and no others.
        let index = unsafe {
            (functions.CRYPTO_get_ex_new_index)(
                class as c_int,
                0,
                ptr::null_mut(),
                Some(made),
                None,
                None,
            )
        };
        (index >= 0).then_some(Self {
            functions,
            class,
            index,
        })
    }

    /// The one object that `work` makes besides what it returns, if it is one.
    pub fn hear<T>(&self, work: impl FnOnce() -> T) -> (T, Option<*mut c_void>) {
        TOLD.set(NOTHING);
        let outcome = work();
        let Told(count, object) = TOLD.replace(NOTHING);
        (outcome, (count == 1 && !object.is_null()).then_some(object))
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        // SAFETY: the index that was given for this class, once. Nobody stored anything under it.
        unsafe { (self.functions.CRYPTO_free_ex_index)(self.class as c_int, self.index) };
    }
}

/// OpenSSL has made an object (`CRYPTO_EX_new`).
unsafe extern "C" fn made(
    object: *mut c_void,
    _data: *mut c_void,
    _all_data: *mut c_void,
    _index: c_int,
    _number: c_long,
    _pointer: *mut c_void,
) {
    let Told(count, _) = TOLD.get();
    TOLD.set(Told(count + 1, object));
}
