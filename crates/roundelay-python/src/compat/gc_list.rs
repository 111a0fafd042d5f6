//! The list of objects that the garbage collector looks at first: adding to it and taking out of it.
//!
//! `PyObject_GC_Track` links an object behind the last one of that list, and is a call into another library
//! that first asks which interpreter this is. There is one, so the list is always the same, and linking is
//! four words. The head of the list is found by behaviour; unless everything about it is as expected, the
//! functions of the interpreter are called.

use pyo3::ffi;

use crate::native::{Ref, Result, list};
use crate::statics::GilCell;

/// What stands in front of every object that the collector can look at, and at the head of its lists. `next` is
/// zero for an object in no list; the lowest bits of `prev` are marks.
#[repr(C)]
struct Head {
    next: usize,
    prev: usize,
}

const MARKS: usize = 3;

/// The mark of an object whose finalizer has run, which stays.
const FINALIZED: usize = 1;

/// The head of the list, null if it was not found.
static YOUNG: GilCell<*mut Head> = GilCell::new(std::ptr::null_mut());

/// Versions whose collector works in steps, and marks the pointers of this list differently from one round
/// to the next (`Py_Version` of the first one, and of the first one after them).
const IN_STEPS: std::ops::Range<std::ffi::c_ulong> = 0x030E_0000..0x030E_0A00;

/// How often the head is looked for: a collection may come in between.
const TRIALS: usize = 3;

/// Finds the head. Called once, when the module is made.
pub fn probe() -> Result<()> {
    // SAFETY: a constant of the interpreter.
    let version = unsafe { (&raw const ffi::Py_Version).read() };
    if IN_STEPS.contains(&version) {
        return Ok(());
    }
    for _ in 0..TRIALS {
        if YOUNG.get().is_null() {
            try_once()?;
        }
    }
    Ok(())
}

fn try_once() -> Result<()> {
    let objects = [list(vec![])?, list(vec![])?, list(vec![])?];
    let [first, second, third] = objects.each_ref().map(head_of);
    // SAFETY: the objects are alive and were put into the list one after the other; unless a collection came in
    // between, behind the last one stands the head. Words of live objects are read; what is not one of these
    // objects is looked at only once the second object has proven that it is not what follows the first.
    unsafe {
        let in_a_row = (*first).next == second as usize
            && (*second).next == third as usize
            && (*second).prev & !MARKS == first as usize
            && (*third).prev & !MARKS == second as usize;
        let young = (*third).next as *mut Head;
        if !in_a_row || young.is_null() || young as usize & MARKS != 0 {
            return Ok(());
        }
        if (*young).prev != third as usize {
            return Ok(());
        }
        // What the interpreter and what we do must come to the same.
        let is_tracked = |object: &Ref| ffi::PyObject_GC_IsTracked(object.as_ptr()) != 0;
        ffi::PyObject_GC_UnTrack(objects[2].as_ptr().cast());
        let taken_out = (*young).prev == second as usize
            && (*second).next == young as usize
            && (*third).next == 0
            && (*third).prev == 0;
        if !taken_out {
            ffi::PyObject_GC_Track(objects[2].as_ptr().cast());
            return Ok(());
        }
        link(young, third);
        let linked = is_tracked(&objects[2])
            && (*young).prev == third as usize
            && (*third).next == young as usize
            && (*third).prev == second as usize
            && (*second).next == third as usize;
        unlink(third);
        let unlinked = !is_tracked(&objects[2])
            && (*young).prev == second as usize
            && (*second).next == young as usize
            && (*third).prev == 0;
        ffi::PyObject_GC_Track(objects[2].as_ptr().cast());
        if linked && unlinked && (*third).next == young as usize {
            YOUNG.set(young);
        }
    }
    Ok(())
}

fn head_of(object: &Ref) -> *mut Head {
    object.as_ptr().cast::<Head>().wrapping_sub(1)
}

/// # Safety
/// `young` is the head of the list, `head` stands in front of an object that is in none.
#[inline(always)]
unsafe fn link(young: *mut Head, head: *mut Head) {
    // SAFETY: by the caller's contract; the last one of the list is alive.
    unsafe {
        let last = (*young).prev as *mut Head;
        (*last).next = head as usize;
        (*head).prev = (*head).prev & MARKS | last as usize;
        (*head).next = young as usize;
        (*young).prev = head as usize;
    }
}

/// # Safety
/// `head` stands in front of an object that is in a list of the collector, which is not at work.
#[inline(always)]
unsafe fn unlink(head: *mut Head) {
    // SAFETY: by the caller's contract; whoever is in a list has living neighbours.
    unsafe {
        let (prev, next) = (
            ((*head).prev & !MARKS) as *mut Head,
            (*head).next as *mut Head,
        );
        (*prev).next = next as usize;
        (*next).prev = (*next).prev & MARKS | prev as usize;
        (*head).next = 0;
        (*head).prev &= FINALIZED;
    }
}

/// Has the collector look at an object of a type with its flag, unless it does already.
#[inline]
pub fn track(object: &Ref) {
    let head = head_of(object);
    // SAFETY: such an object has the collector's words in front of it; it is fully built.
    unsafe {
        if (*head).next != 0 {
            return;
        }
        let young = YOUNG.get();
        if young.is_null() {
            ffi::PyObject_GC_Track(object.as_ptr().cast());
        } else {
            link(young, head);
        }
    }
}

/// Has the collector not look at such an object any more, if it does.
#[inline]
pub fn untrack(object: &Ref) {
    let head = head_of(object);
    // SAFETY: as above. Objects are untracked when they die, and none dies while the collector sorts its lists.
    unsafe {
        if (*head).next == 0 {
            return;
        }
        if YOUNG.get().is_null() {
            ffi::PyObject_GC_UnTrack(object.as_ptr().cast());
        } else {
            unlink(head);
        }
    }
}
