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

impl Keys {
    /// Size of the table, of its indices, and kind of its entries, in one number.
    #[inline]
    fn shape(&self) -> u32 {
        u32::from_ne_bytes([self.log2_size, self.log2_index_bytes, self.kind, 0])
    }
}

#[repr(C)]
struct Entry {
    hash: ffi::Py_hash_t,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
}

/// Whether dicts look as declared above.
static KNOWN: GilCell<bool> = GilCell::new(false);

/// Where a key was found last.
pub struct Place {
    /// What the table's `shape` was then, none if there is no such place. As the shape says where entries begin,
    /// one that is the same makes the offset good.
    shape: GilCell<u32>,
    /// At which entry.
    number: GilCell<isize>,
    /// How far behind the table's beginning that entry is, in bytes.
    offset: GilCell<usize>,
}

/// No table's shape: its indices would take more than there is memory.
const NOWHERE: u32 = u32::MAX;

impl Place {
    /// A key that was never looked for.
    pub const fn unknown() -> Self {
        Self {
            shape: GilCell::new(NOWHERE),
            number: GilCell::new(0),
            offset: GilCell::new(0),
        }
    }

    /// The entry, if it is there still and of this key.
    ///
    /// # Safety
    /// `dict` is a live dict whose keys are no strings.
    #[inline]
    unsafe fn entry(
        &self,
        dict: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
    ) -> Option<*mut Entry> {
        // SAFETY: a place is found only where dicts look as declared. A table of the same shape has its entries
        // at the same place, and those up to the count in its head are in it. (A table that several dicts share
        // has another shape.)
        unsafe {
            let keys = (*dict.cast::<ffi::PyDictObject>()).ma_keys.cast::<Keys>();
            if (*keys).shape() != self.shape.get() || self.number.get() >= (*keys).entries {
                return None;
            }
            let entry = keys.byte_add(self.offset.get()).cast::<Entry>();
            ((*entry).key == key && !(*entry).value.is_null()).then_some(entry)
        }
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
        // SAFETY: by the caller's contract. An entry owns its value; none is deleted, for it has one.
        unsafe {
            let entry = self.entry(dict, key)?;
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
        // SAFETY: by the caller's contract. An entry owns its value.
        unsafe { Some(Ref::borrowed((*self.entry(dict, key)?).value)) }
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
            let keys = (*dict.cast::<ffi::PyDictObject>()).ma_keys.cast::<Keys>();
            let mut number = 0;
            while let Some(entry) = entry_at(dict, number) {
                if (*entry).key == key && !(*entry).value.is_null() {
                    self.shape.set((*keys).shape());
                    self.number.set(number);
                    self.offset.set(entry.byte_offset_from(keys) as usize);
                    return;
                }
                number += 1;
            }
        }
    }
}

/// The entry at a place; nothing behind the last one.
///
/// # Safety
/// `dict` is a live dict, and dicts look as declared above.
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
