//! Those who wait, first come first served: a queue of futures.
//!
//! It is an object of its own, because the interpreter looks after objects that native classes refer to
//! (see `derived`). Python code that reaches for the private attribute finds in it as much of a
//! `collections.deque` as such code uses.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::future::any;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, Slot, list, none, raise, repr, string};
use crate::statics::{TypeCell, unset};
use crate::{method0, method1, unary_slot};

static QUEUE: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);

#[repr(C)]
struct Queue {
    head: ffi::PyObject,
    /// Null until there is someone; kept for its memory afterwards. No borrow lives across a call into
    /// Python.
    futures: Futures,
}

/// Boxed, so that all zero bytes are `None`.
#[allow(clippy::box_collection)]
type Futures = RefCell<Option<Box<VecDeque<Ref>>>>;

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.WaiterQueue", size_of::<Queue>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot((ffi::Py_sq_length, length as *mut c_void))
        .slot((ffi::Py_sq_item, item as *mut c_void))
        .slot(unary_slot!(Py_tp_iter, iterate))
        .slot(unary_slot!(Py_tp_repr, shown))
        .methods([
            method1!(c"append", append, c"append($self, future, /)\n--\n\n"),
            method1!(c"remove", remove, c"remove($self, future, /)\n--\n\n"),
            method0!(c"popleft", pop_left, c"popleft($self, /)\n--\n\n"),
            method0!(c"clear", forget_all, c"clear($self, /)\n--\n\n"),
        ])
        .build(None)?;
    QUEUE.set(type_of_class(&class));
    Ok(())
}

/// A view of the queue that a slot holds, if it holds one.
pub struct WaiterQueue(Ref);

impl WaiterQueue {
    /// The queue in `slot`, if anybody has ever waited.
    #[inline]
    pub fn of(slot: &Slot) -> Option<Self> {
        slot.get().map(Self)
    }

    /// The queue in `slot`, made if need be.
    #[inline]
    pub fn of_or_new(slot: &Slot) -> Result<Self> {
        if let Some(queue) = Self::of(slot) {
            return Ok(queue);
        }
        // SAFETY: the type is made and this is its size.
        let queue = unsafe { FREE.allocate(QUEUE.get(), size_of::<Queue>()) }?;
        track(&queue);
        slot.set(queue.clone());
        Ok(Self(queue))
    }

    #[inline]
    fn cell(&self) -> &Futures {
        // SAFETY: slots that hold waiters hold objects of this type and nothing else.
        unsafe { &(*self.0.as_ptr().cast::<Queue>()).futures }
    }

    /// How many wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.cell().borrow().as_ref().map_or(0, |all| all.len())
    }

    /// Adds one behind all others.
    #[inline]
    pub fn push(&self, future: Ref) {
        self.cell()
            .borrow_mut()
            .get_or_insert_default()
            .push_back(future);
    }

    /// The one who has waited longest.
    #[inline]
    pub fn first(&self) -> Option<Ref> {
        self.cell().borrow().as_ref()?.front().cloned()
    }

    /// The one at this place, counted from the one who has waited longest.
    #[inline]
    pub fn at(&self, place: usize) -> Option<Ref> {
        self.cell().borrow().as_ref()?.get(place).cloned()
    }

    /// The first one who is not done.
    #[inline]
    pub fn first_pending(&self) -> Result<Option<Ref>> {
        for place in 0..self.len() {
            match self.at(place) {
                Some(future) if any::is_done(&future)? => {}
                found => return Ok(found),
            }
        }
        Ok(None)
    }

    /// Finishes with `value` the first one, or first few, who are not done; returns how many.
    ///
    /// Goes by place, for setting a result runs user code where the future or its loop is not native.
    #[inline]
    pub fn wake(&self, at_most: usize, value: bool) -> Result<usize> {
        let mut woken = 0;
        for place in 0..self.len() {
            if woken == at_most {
                break;
            }
            woken += usize::from(self.wake_at(place, value)?);
        }
        Ok(woken)
    }

    /// Finishes the one at this place with `value`; false if there is nobody or he is done.
    #[inline]
    pub fn wake_at(&self, place: usize, value: bool) -> Result<bool> {
        match self.at(place) {
            Some(future) if !any::is_done(&future)? => {
                any::set_result(&future, crate::native::boolean(value)).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Takes out the one who has waited longest.
    #[inline]
    pub fn pop(&self) -> Option<Ref> {
        self.cell().borrow_mut().as_mut()?.pop_front()
    }

    /// Takes out one future, wherever it stands; false if it is not there.
    #[inline]
    pub fn remove(&self, future: &Ref) -> bool {
        let removed = {
            let mut borrowed = self.cell().borrow_mut();
            let Some(all) = borrowed.as_mut() else {
                return false;
            };
            if all.front().is_some_and(|first| first.is(future)) {
                all.pop_front()
            } else {
                let place = all.iter().position(|other| other.is(future));
                place.and_then(|place| all.remove(place))
            }
        };
        removed.is_some()
    }

    /// Everyone, counted anew, so that it can be gone through while anything happens.
    pub fn snapshot(&self) -> Vec<Ref> {
        let borrowed = self.cell().borrow();
        borrowed
            .as_ref()
            .map_or_else(Vec::new, |all| all.iter().cloned().collect())
    }

    /// Whether whoever is here was cancelled (true if nobody is).
    #[inline]
    pub fn all_cancelled(&self) -> Result<bool> {
        // The first one is not, as a rule.
        for place in 0..self.len() {
            if let Some(future) = self.at(place)
                && !any::is_cancelled(&future)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether nobody is in the queue in `slot`.
#[inline]
pub fn is_nobody(slot: &Slot) -> bool {
    let queue = slot.peek();
    if queue.is_null() {
        return true;
    }
    // SAFETY: slots that hold waiters hold objects of this type; nothing is called meanwhile.
    let futures = unsafe { &(*queue.cast::<Queue>()).futures };
    futures.borrow().as_ref().is_none_or(|all| all.is_empty())
}

/// Takes the future in `waiting` out of the queue in `slot`, and forgets it.
#[inline]
pub fn leave(slot: &Slot, waiting: &Slot) {
    if let (Some(queue), Some(future)) = (WaiterQueue::of(slot), waiting.take()) {
        queue.remove(&future);
    }
}

/// Whether the object is a queue of waiters.
pub fn is_queue(object: &Ref) -> bool {
    object.is_exact(QUEUE.get())
}

/// The attribute `_waiters`: the queue, or `None` before there is one.
pub fn as_attribute(slot: &Slot) -> Ref {
    slot.get().unwrap_or_else(none)
}

/// The attribute `_waiters` of a class that has it from the start.
pub fn as_attribute_always(slot: &Slot) -> Result<Ref> {
    WaiterQueue::of_or_new(slot).map(|queue| queue.0)
}

/// Sets the attribute `_waiters`: anything that can be gone through, or `None`.
pub fn set_attribute(slot: &Slot, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value.filter(|value| !value.is_none()) else {
        drop(slot.take());
        return Ok(());
    };
    // SAFETY: live; a new reference or null.
    let all = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(value.as_ptr())) }?;
    drop(slot.take());
    let queue = WaiterQueue::of_or_new(slot)?;
    for future in crate::native::items(&all) {
        queue.push(future);
    }
    Ok(())
}

/// The queue itself, as its own methods are called with it.
fn this(object: &Ref) -> WaiterQueue {
    WaiterQueue(object.clone())
}

unsafe extern "C" fn length(slf: *mut ffi::PyObject) -> ffi::Py_ssize_t {
    guard(-1, || {
        // SAFETY: the interpreter passes a live object.
        Ok(this(unsafe { Ref::view(&slf) }).len() as ffi::Py_ssize_t)
    })
}

unsafe extern "C" fn item(slf: *mut ffi::PyObject, place: ffi::Py_ssize_t) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes a live object, and has added the length to a negative place.
        let all = this(unsafe { Ref::view(&slf) }).snapshot();
        match usize::try_from(place).ok().and_then(|place| all.get(place)) {
            Some(future) => Ok(future.clone()),
            // SAFETY: a static exception class.
            None => raise(
                unsafe { ffi::PyExc_IndexError },
                c"deque index out of range",
            ),
        }
    })
}

fn iterate(queue: &Ref) -> Result<Ref> {
    let all = list(this(queue).snapshot())?;
    // SAFETY: a live list; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyObject_GetIter(all.as_ptr())) }
}

fn shown(queue: &Ref) -> Result<Ref> {
    let all = list(this(queue).snapshot())?;
    string(&format!("deque({})", repr(&all)?))
}

fn append(queue: &Ref, future: &Ref) -> Result<Ref> {
    this(queue).push(future.clone());
    Ok(none())
}

fn remove(queue: &Ref, future: &Ref) -> Result<Ref> {
    if this(queue).remove(future) {
        return Ok(none());
    }
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_ValueError },
        c"deque.remove(x): x not in deque",
    )
}

fn pop_left(queue: &Ref) -> Result<Ref> {
    match this(queue).pop() {
        Some(future) => Ok(future),
        // SAFETY: a static exception class.
        None => raise(unsafe { ffi::PyExc_IndexError }, c"pop from an empty deque"),
    }
}

fn forget_all(queue: &Ref) -> Result<Ref> {
    drop(view(queue).futures.take());
    Ok(none())
}

fn view(object: &Ref) -> &Queue {
    // SAFETY: called by the interpreter for objects of this type, which cannot be subclassed.
    unsafe { &*object.as_ptr().cast() }
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object, while no other code runs.
    unsafe {
        let queue = Ref::view(&slf);
        let mut status = visit(queue.type_ptr().cast(), arg);
        if let Ok(borrowed) = view(queue).futures.try_borrow()
            && let Some(all) = borrowed.as_ref()
        {
            for future in all.iter() {
                if status == 0 {
                    status = visit(future.as_ptr(), arg);
                }
            }
        }
        status
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object; taken out first, dropped after the borrow.
        let all = view(unsafe { Ref::view(&slf) }).futures.take();
        drop(all);
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            drop(view(Ref::view(&slf)).futures.take());
            FREE.recycle(slf);
        }
        Ok(())
    });
}
