//! The coroutine-like object that a call of a native `async def` returns: layout, birth and death.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::kept_stop;
use crate::imports::imports;
use crate::native::gc::{FreeList, track, untrack};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, WeakList, type_of_class};
use crate::native::{Ref, Result, Slot, aside, write_unraisable};
use crate::statics::{TypeCell, unset};

use super::definition::AsyncDef;
use super::{drive, members};

static COROUTINE: TypeCell = unset();

static FREE: FreeList = FreeList::new(4096);

/// How many references a body may keep.
pub const SLOTS: usize = 8;

/// How far a coroutine has come.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nothing of it has run; it does not even know that it will be awaited.
    #[allow(dead_code)] // All zero bytes are this.
    Created = 0,
    /// Its body runs.
    Running = 1,
    /// It waits for what `awaiting` holds.
    Suspended = 2,
    /// It returned, raised or was closed.
    Closed = 3,
}

/// What `awaiting` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Awaiting {
    /// Nothing: a bare yield, or nothing is awaited.
    Nothing = 0,
    /// A native future, asked for its outcome without an iterator in between.
    Future = 1,
    /// Any other iterator, which everything sent and thrown goes to.
    Iterator = 2,
}

/// A native coroutine.
#[repr(C)]
pub struct Coroutine {
    head: ffi::PyObject,
    /// The function that this is a call of; never null in a finished object.
    pub definition: Cell<*const AsyncDef>,
    /// Arguments and local variables; see [`Coroutine::slots`].
    slots: [Slot; SLOTS],
    /// See [`Awaiting`].
    pub awaiting: Slot,
    /// For the body; see `Frame::number`.
    pub number: Cell<i64>,
    /// For the body; see `Frame::stage`.
    pub stage: Cell<u8>,
    /// See [`State`].
    pub state: Cell<State>,
    /// What kind of object `awaiting` holds.
    pub kind: Cell<Awaiting>,
    /// How many of the slots may be filled, those in front.
    used: Cell<u8>,
    weak: WeakList,
}

impl Coroutine {
    /// The first `count` slots, for filling some of them.
    #[inline]
    pub fn slots(&self, count: usize) -> &[Slot] {
        self.used.set(self.used.get().max(count as u8));
        &self.slots[..count]
    }

    /// The object whose method this is a call of, unless it is over.
    #[inline]
    pub fn first_argument(&self) -> Option<Ref> {
        self.slots[0].get()
    }

    /// The function that this is a call of.
    #[inline]
    pub fn definition(&self) -> &'static AsyncDef {
        // SAFETY: set by `make` to a static, before anyone sees the object.
        unsafe { &*self.definition.get() }
    }
}

/// The fields of a native coroutine.
#[inline]
pub fn fields(coroutine: &Ref) -> &Coroutine {
    debug_assert!(is_native(coroutine));
    // SAFETY: only called for instances of `COROUTINE`, which cannot be subclassed.
    unsafe { &*coroutine.as_ptr().cast() }
}

/// Whether the object is a native coroutine.
#[inline]
pub fn is_native(object: &Ref) -> bool {
    object.is_exact(COROUTINE.get())
}

/// Function, object (if it is a method's call) and what is awaited, of a native coroutine.
pub fn parts(object: &Ref) -> Option<(&'static AsyncDef, Option<Ref>, Option<Ref>)> {
    if !is_native(object) {
        return None;
    }
    let own = fields(object);
    let definition = own.definition();
    let owner = own.first_argument().filter(|_| definition.is_method());
    Some((definition, owner, own.awaiting.get()))
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = members::fill(
        TypeBuilder::new(c"roundelay.coroutine", size_of::<Coroutine>())
            .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
            .doc(c"A call of a native coroutine function; await it.")
            .collected(dealloc, traverse, clear)
            .weakly_referable(offset_of!(Coroutine, weak))
            .slot((ffi::Py_tp_finalize, finalize as *mut c_void)),
    )
    .build(None)?;
    COROUTINE.set(type_of_class(&class));
    Ok(())
}

/// A coroutine that has not begun, all its slots empty.
#[inline]
pub fn make(definition: &'static AsyncDef) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let coroutine = unsafe { FREE.allocate(COROUTINE.get(), size_of::<Coroutine>()) }?;
    // SAFETY: a fresh object of the type; `fields` would do, were it not for its assertion's cost.
    let own = unsafe { &*coroutine.as_ptr().cast::<Coroutine>() };
    own.definition.set(definition);
    track(&coroutine);
    Ok(coroutine)
}

/// The same with arguments in its first slots.
#[inline]
pub fn make_with(definition: &'static AsyncDef, args: &[Ref]) -> Result<Ref> {
    let coroutine = make(definition)?;
    // SAFETY: as in `make`.
    let own = unsafe { &*coroutine.as_ptr().cast::<Coroutine>() };
    for (slot, value) in own.slots(args.len()).iter().zip(args) {
        slot.fill(value.clone());
    }
    Ok(coroutine)
}

/// Ends a coroutine: it holds nothing any more.
#[inline]
pub fn finish(coroutine: &Ref) {
    let own = fields(coroutine);
    own.state.set(State::Closed);
    own.kind.set(Awaiting::Nothing);
    drop_references(own);
}

#[inline]
fn drop_references(own: &Coroutine) {
    // A finalizer that runs meanwhile may fill a slot again.
    for slot in &own.slots[..usize::from(own.used.replace(0))] {
        drop(slot.take());
    }
    drop(own.awaiting.take());
}

/// A coroutine that goes before its end: one that never began is reported, any other is closed, which
/// runs what stands in the `finally` of an `async def`.
unsafe extern "C" fn finalize(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: the interpreter passes an object that is alive again for this call.
        let coroutine = unsafe { Ref::view(&slf) };
        let own = fields(coroutine);
        match own.state.get() {
            State::Created => aside(|| {
                own.state.set(State::Closed);
                if imports()
                    .warn_unawaited_coroutine
                    .call([coroutine])
                    .is_err()
                {
                    write_unraisable(coroutine);
                }
            }),
            State::Suspended => aside(|| {
                if drive::close(coroutine).is_err() {
                    write_unraisable(coroutine);
                }
            }),
            State::Running | State::Closed => {}
        }
        Ok(())
    });
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let coroutine = Ref::view(&slf);
        let own = fields(coroutine);
        crate::native::gc::traverse(
            coroutine,
            own.slots.iter().chain([&own.awaiting]),
            visit,
            arg,
        )
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        finish(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone. The finalizer may run Python code, which may
        // keep the object. The memory is given back last.
        unsafe {
            kept_stop::take_back();
            let own = fields(Ref::view(&slf));
            let was_closed = own.state.get() == State::Closed;
            if !was_closed && ffi::PyObject_CallFinalizerFromDealloc(slf) < 0 {
                return Ok(());
            }
            untrack(Ref::view(&slf));
            own.weak.clear(slf);
            // One that is closed has dropped them already.
            if !was_closed {
                drop_references(own);
            }
            FREE.recycle(slf);
        }
        Ok(())
    });
}
