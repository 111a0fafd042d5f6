//! The place of one value in a dict: replacing the value of a key that is there, without looking it up.
//!
//! Up to 3.13 the current task of each loop is in a dict, which is written once a step. A lookup and an
//! insertion are a ninth of a switch between tasks; writing to the entry is not. Where the entries are is not
//! public, so [`probe`] tries it on a dict whose content is known, and everything goes through
//! `PyDict_SetItem` if a single thing is not as expected.
//!
//! Only for a dict whose keys are not strings, and which nobody watches.

use pyo3::ffi;

use crate::native::{Ref, Result, check, dict, list};
use crate::statics::GilCell;

/// How the table behind a dict begins. The indices follow, then the entries.
#[repr(C)]
struct Keys {
    references: isize,
    log2_size: u8,
    /// Of how many bytes the indices are, as a power of two.
    log2_index_bytes: u8,
    /// Zero for a table whose entries have a hash.
    kind: u8,
    version: u32,
    usable: isize,
    /// How many entries were ever filled, those deleted since included.
    entries: isize,
}

#[repr(C)]
struct Entry {
    hash: ffi::Py_hash_t,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
}

/// Whether dicts look as declared above.
static KNOWN: GilCell<bool> = GilCell::new(false);

/// At which entry a key was found last.
pub struct Place(GilCell<isize>);

impl Place {
    /// A key that was never looked for.
    pub const fn unknown() -> Self {
        Self(GilCell::new(0))
    }

    /// Replaces the value of `key`, and returns what it was; nothing if the key is not where it was last.
    ///
    /// # Safety
    /// `dict` is a live dict whose keys are no strings; `key` is live.
    #[inline]
    pub unsafe fn replace(
        &self,
        dict: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
        value: &Ref,
    ) -> Option<Ref> {
        if !KNOWN.get() {
            return None;
        }
        // SAFETY: the layout is known. An entry owns its value; none is deleted, for it has one.
        unsafe {
            let entry = entry_at(dict, self.0.get())?;
            if (*entry).key != key || (*entry).value.is_null() {
                return None;
            }
            let previous = std::mem::replace(&mut (*entry).value, value.clone().into_ptr());
            Some(Ref::owned(previous))
        }
    }

    /// The value of `key`; nothing if the key is not where it was last.
    ///
    /// # Safety
    /// As for [`Place::replace`].
    #[inline]
    pub unsafe fn get(&self, dict: *mut ffi::PyObject, key: *mut ffi::PyObject) -> Option<Ref> {
        if !KNOWN.get() {
            return None;
        }
        // SAFETY: the layout is known. An entry owns its value.
        unsafe {
            let entry = entry_at(dict, self.0.get())?;
            ((*entry).key == key && !(*entry).value.is_null())
                .then(|| Ref::borrowed((*entry).value))
        }
    }

    /// Looks where `key` is, for the next time.
    ///
    /// # Safety
    /// As for [`Place::replace`].
    pub unsafe fn find(&self, dict: *mut ffi::PyObject, key: *mut ffi::PyObject) {
        if !KNOWN.get() {
            return;
        }
        // SAFETY: the layout is known; the search ends with the entries.
        unsafe {
            let mut place = 0;
            while let Some(entry) = entry_at(dict, place) {
                if (*entry).key == key && !(*entry).value.is_null() {
                    self.0.set(place);
                    return;
                }
                place += 1;
            }
        }
    }
}

/// The entry at a place; nothing behind the last one.
///
/// # Safety
/// `dict` is a live dict, and dicts look as declared above.
#[inline]
unsafe fn entry_at(dict: *mut ffi::PyObject, place: isize) -> Option<*mut Entry> {
    // SAFETY: by the caller's contract; entries up to the count in the head are in the table.
    unsafe {
        let dict = dict.cast::<ffi::PyDictObject>();
        let keys = (*dict).ma_keys.cast::<Keys>();
        if place >= (*keys).entries || (*keys).kind != 0 || !(*dict).ma_values.is_null() {
            return None;
        }
        let indices = keys.add(1).cast::<u8>();
        let entries = indices.add(1 << (*keys).log2_index_bytes).cast::<Entry>();
        Some(entries.offset(place))
    }
}

/// Tries it on dicts of several sizes. Called once, when the module is made.
pub fn probe() -> Result<()> {
    // More than fit into the smallest table, and more than a byte can index.
    for count in [1, 6, 300] {
        if !looks_as_expected(count)? {
            return Ok(());
        }
    }
    KNOWN.set(true);
    Ok(())
}

fn looks_as_expected(count: usize) -> Result<bool> {
    let tried = dict(&[])?;
    let mut content = Vec::new();
    for _ in 0..count {
        // SAFETY: a static type.
        let key = unsafe { Ref::borrowed((&raw mut ffi::PyBaseObject_Type).cast()) }.call([])?;
        let value = list(vec![])?;
        // SAFETY: all live.
        check(unsafe { ffi::PyDict_SetItem(tried.as_ptr(), key.as_ptr(), value.as_ptr()) })?;
        content.push((key, value));
    }
    // SAFETY: a live dict of objects that are no strings. The head of its table is as long as declared in
    // every version; what it says is believed only if it leads to each of the known keys and values.
    unsafe {
        let keys = (*tried.as_ptr().cast::<ffi::PyDictObject>())
            .ma_keys
            .cast::<Keys>();
        let fits = (*keys).entries == count as isize
            && (*keys).kind == 0
            && (*keys).log2_size < 16
            && (*keys).log2_index_bytes >= (*keys).log2_size
            && (*keys).log2_index_bytes <= (*keys).log2_size + 3;
        Ok(fits
            && content.iter().enumerate().all(|(place, (key, value))| {
                entry_at(tried.as_ptr(), place as isize).is_some_and(|entry| {
                    (*entry).key == key.as_ptr()
                        && (*entry).value == value.as_ptr()
                        && (*entry).hash == ffi::PyObject_Hash(key.as_ptr())
                })
            }))
    }
}
