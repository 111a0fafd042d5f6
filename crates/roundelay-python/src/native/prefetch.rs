//! Objects that are wanted soon, asked for ahead of their turn.
//!
//! A wide program has more tasks than a cache holds, and goes through them one after the other. Each of them
//! would be waited for; who knows which comes after the next few can have the memory fetch them meanwhile.

use pyo3::ffi;

use super::call::{aside, check, take_raised};
use super::refs::{Ref, Result};

/// From so many objects on it is worth the asking: fewer are in a cache since they were used last.
pub const MANY: usize = 256;

/// How many items of a list are deleted together.
const TOGETHER: ffi::Py_ssize_t = 32;

/// The size of what a memory fetches at once.
const LINE: usize = 64;

/// The collector's header, which is in front of an object.
const HEADER: usize = 16;

/// Asks for the first `size` bytes of an object, and what is in front of them. That never fails, and changes
/// nothing but how long it takes to come to them.
#[inline(always)]
pub fn prefetch(object: *mut ffi::PyObject, size: usize) {
    let start = object.cast::<u8>().wrapping_sub(HEADER);
    let mut at = 0;
    while at < HEADER + size {
        line(start.wrapping_add(at));
        at += LINE;
    }
}

#[inline(always)]
fn line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint of the processor's, which every x86-64 has; it takes any address and reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint of the processor's; it takes any address, and neither reads, writes nor changes a flag.
    unsafe {
        core::arch::asm!(
            "prfm pldl1keep, [{address}]",
            address = in(reg) address,
            options(nostack, readonly, preserves_flags)
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Deletes the items of a list that is about to go, in the order in which it would do that itself: the last
/// one first. A list that somebody else has is left alone.
pub fn empty_list(list: &Ref, size_of_items: usize) {
    // What is raised at present is not to be lost. Should there be no memory, the list goes as it is.
    aside(|| {
        if delete_items(list, size_of_items).is_err() {
            drop(take_raised());
        }
    });
}

fn delete_items(list: &Ref, size_of_items: usize) -> Result<()> {
    // SAFETY: a live list; its size and items are looked at anew after each call that may run Python code.
    unsafe {
        while ffi::PyList_CheckExact(list.as_ptr()) != 0 && list.count() == 1 {
            let length = ffi::PyList_GET_SIZE(list.as_ptr());
            if length <= MANY as ffi::Py_ssize_t {
                break;
            }
            let kept = length - TOGETHER;
            for place in kept..length {
                prefetch(ffi::PyList_GET_ITEM(list.as_ptr(), place), size_of_items);
            }
            let nothing = std::ptr::null_mut();
            check(ffi::PyList_SetSlice(list.as_ptr(), kept, length, nothing))?;
        }
    }
    Ok(())
}
