//! Where a queue keeps its items: a `collections.deque` or a `list`, as asyncio's does, so that programs
//! that look into `_queue` find what they expect.
//!
//! Anything else that a user puts there is used through the methods that asyncio's code calls.

use pyo3::ffi;

use crate::compat::builtin_method::BuiltinMethod;
use crate::compat::deque_length;
use crate::imports::{imports, names};
use crate::native::types::type_of_class;
use crate::native::{Raised, Ref, Result, check, list};

use super::fields::Kind;

static APPEND: BuiltinMethod = BuiltinMethod::unset();
static POP_LEFT: BuiltinMethod = BuiltinMethod::unset();

/// Looks up what a deque can do. Called once, when the module is made.
pub fn prepare() -> Result<()> {
    let deque = imports().deque_class.call([])?;
    APPEND.find_with_one_argument(&deque, "append")?;
    POP_LEFT.find_without_argument(&deque, "popleft")
}

/// An empty container for a queue of this kind.
pub fn make(kind: Kind) -> Result<Ref> {
    match kind {
        Kind::Fifo => imports().deque_class.call([]),
        Kind::Priority | Kind::Lifo => list(vec![]),
    }
}

#[inline]
fn is_deque(container: &Ref) -> bool {
    container.is_exact(type_of_class(&imports().deque_class))
}

#[inline]
fn is_list(container: &Ref) -> bool {
    container.is_exact(&raw mut ffi::PyList_Type)
}

/// `len(container)`
#[inline(always)]
pub fn len(container: &Ref) -> Result<usize> {
    match deque_length::of(container) {
        Some(length) => Ok(length),
        None => len_of_any(container),
    }
}

fn len_of_any(container: &Ref) -> Result<usize> {
    // SAFETY: live.
    usize::try_from(unsafe { ffi::PyObject_Size(container.as_ptr()) }).map_err(|_| Raised)
}

/// `not container`
#[inline(always)]
pub fn is_empty(container: &Ref) -> Result<bool> {
    match deque_length::of(container) {
        Some(length) => Ok(length == 0),
        None => Ok(!container.truthy()?),
    }
}

/// Adds an item.
#[inline(always)]
pub fn put(kind: Kind, container: &Ref, item: &Ref) -> Result<()> {
    match kind {
        Kind::Priority => imports().heappush.call([container, item]).map(drop),
        Kind::Lifo if is_list(container) => {
            // SAFETY: a live list.
            check(unsafe { ffi::PyList_Append(container.as_ptr(), item.as_ptr()) })
        }
        Kind::Fifo | Kind::Lifo => append(container, item),
    }
}

#[inline(always)]
fn append(container: &Ref, item: &Ref) -> Result<()> {
    if is_deque(container) {
        // SAFETY: the method of exactly this type takes one argument.
        if let Some(done) = unsafe { APPEND.call(container, Some(item)) } {
            return done.map(drop);
        }
    }
    container.call_method(&names().append, [item]).map(drop)
}

/// Takes out the item whose turn it is.
#[inline(always)]
pub fn take(kind: Kind, container: &Ref) -> Result<Ref> {
    match kind {
        Kind::Priority => imports().heappop.call([container]),
        Kind::Lifo => pop(container),
        Kind::Fifo => pop_left(container),
    }
}

#[inline(always)]
fn pop_left(container: &Ref) -> Result<Ref> {
    if is_deque(container) {
        // SAFETY: the method of exactly this type takes no argument.
        if let Some(item) = unsafe { POP_LEFT.call(container, None) } {
            return item;
        }
    }
    container.call_method(&names().popleft, [])
}

#[inline]
fn pop(container: &Ref) -> Result<Ref> {
    if is_list(container) {
        // SAFETY: a live list, whose last item is counted before it is taken out.
        unsafe {
            let size = ffi::PyList_GET_SIZE(container.as_ptr());
            if size > 0 {
                let item = Ref::borrowed(ffi::PyList_GET_ITEM(container.as_ptr(), size - 1));
                check(ffi::PyList_SetSlice(
                    container.as_ptr(),
                    size - 1,
                    size,
                    std::ptr::null_mut(),
                ))?;
                return Ok(item);
            }
        }
    }
    container.call_method(&names().pop, [])
}
