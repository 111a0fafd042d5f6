//! The length of a `collections.deque`, read from the object.
//!
//! A queue asks for it in every `put` and `get`, and calling `len()` costs more than the rest of the question.
//! A deque keeps the number where objects of variable size have theirs, which is not promised.

use pyo3::ffi;

use crate::imports::{imports, names};
use crate::native::types::type_of_class;
use crate::native::{Ref, Result, none};
use crate::statics::GilCell;

/// Whether the number is where it is expected.
static KNOWN: GilCell<bool> = GilCell::new(false);

/// More than fit into one of a deque's blocks.
const TRIED: isize = 100;

/// Tries it with a deque that grows and shrinks. Called once, when the module is made.
pub fn probe() -> Result<()> {
    let deque = imports().deque_class.call([])?;
    // SAFETY: a live type.
    let size = unsafe { (*deque.type_ptr()).tp_basicsize };
    if size < size_of::<ffi::PyVarObject>() as isize {
        return Ok(());
    }
    let mut as_expected = true;
    for length in 0..TRIED {
        as_expected &= number(&deque) == length;
        deque.call_method(&names().append, [&none()])?;
    }
    for length in (0..TRIED).rev() {
        deque.call_method(&names().popleft, [])?;
        as_expected &= number(&deque) == length;
    }
    KNOWN.set(as_expected);
    Ok(())
}

#[inline]
fn number(deque: &Ref) -> isize {
    // SAFETY: a live object, which `probe` has found to be large enough.
    unsafe { (*deque.as_ptr().cast::<ffi::PyVarObject>()).ob_size }
}

/// `len(object)`, if it is a plain deque and that can be read.
#[inline]
pub fn of(object: &Ref) -> Option<usize> {
    (KNOWN.get() && object.is_exact(type_of_class(&imports().deque_class)))
        .then(|| number(object) as usize)
}
