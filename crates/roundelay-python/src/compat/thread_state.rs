//! The words of the running thread's state in which the interpreter keeps what a loop asks for at every step.
//! They are found by behaviour, when the module is imported.

use pyo3::ffi;

/// How many words the state of every thread has; on 3.14 with those that it keeps for asyncio. What lies behind
/// them belongs to somebody else.
pub const WORDS: usize = if cfg!(Py_3_14) {
    117
} else if cfg!(Py_3_13) {
    38
} else if cfg!(Py_3_12) {
    36
} else {
    45
};

/// The place of the one word for which `is_it(words, place)` holds.
pub fn find(is_it: impl Fn(&[*mut ffi::PyObject], usize) -> bool) -> Option<usize> {
    // SAFETY: attached, so there is a state; it has so many words, which began as zeros.
    let words = unsafe {
        std::slice::from_raw_parts(ffi::PyThreadState_Get().cast::<*mut ffi::PyObject>(), WORDS)
    };
    let mut places = (1..WORDS).filter(|place| is_it(words, *place));
    places.next().filter(|_| places.next().is_none())
}
