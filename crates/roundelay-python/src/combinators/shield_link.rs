//! What ties the two futures of a `shield` together.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, Slot};
use crate::statics::{TypeCell, unset};

/// The type.
pub static SHIELD_LINK: TypeCell = unset();

static FREE: FreeList = FreeList::new(1024);

/// What a link is told of, and what it does then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Role {
    /// The inner future is done: hand its outcome to the outer one.
    Inner = 0,
    /// The outer future is done: let the inner one go.
    Outer = 1,
    /// The inner future is done: nobody awaits it any more (3.14 and newer).
    Edge = 2,
}

/// Fields of a link.
#[repr(C)]
pub struct ShieldLink {
    head: ffi::PyObject,
    /// `Inner`: the outer future. `Outer`: the inner one.
    pub other: Slot,
    /// `Outer`: the link that the inner future has; taken when it is removed there.
    pub inner_link: Slot,
    /// `Outer`: the same of the link of role `Edge`, if there is one.
    pub edge_link: Slot,
    /// `Outer` and `Edge`: the task that called `shield`, for call graphs.
    pub caller: Slot,
    /// See [`Role`].
    pub role: Cell<Role>,
}

/// The fields of a link.
pub fn fields(link: &Ref) -> &ShieldLink {
    // SAFETY: only called for instances of `SHIELD_LINK`, which cannot be subclassed.
    unsafe { &*link.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.ShieldLink", size_of::<ShieldLink>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .build(None)?;
    SHIELD_LINK.set(type_of_class(&class));
    Ok(())
}

/// A link to the future `other`.
pub fn make(role: Role, other: Option<Ref>, caller: Option<Ref>) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let link = unsafe { FREE.allocate(SHIELD_LINK.get(), size_of::<ShieldLink>()) }?;
    let own = fields(&link);
    own.role.set(role);
    own.other.put(other);
    own.caller.put(caller);
    track(&link);
    Ok(link)
}

impl ShieldLink {
    fn slots(&self) -> [&Slot; 4] {
        [&self.other, &self.inner_link, &self.edge_link, &self.caller]
    }
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let link = Ref::view(&slf);
        crate::native::gc::traverse(link, fields(link).slots(), visit, arg)
    }
}

fn clear_fields(link: &Ref) {
    for slot in fields(link).slots() {
        drop(slot.take());
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        clear_fields(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            clear_fields(Ref::view(&slf));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
