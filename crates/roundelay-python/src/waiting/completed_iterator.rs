//! What `as_completed` returns: an iterator of coroutines, and an asynchronous iterator of futures.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::completion_behaviour::completion as behaviour;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent, object};
use crate::future::{self, any, outcome};
use crate::imports::names;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Ref, Result, Slot, raise_object};
use crate::statics::{TypeCell, unset};
use crate::sync::loop_bound;
use crate::sync::waiter_queue::{self, WaiterQueue};
use crate::{method0, unary_slot};

use super::as_completed::{cancel, handle_timeout, wake_next};

/// The type.
pub static AS_COMPLETED: TypeCell = unset();

static FREE: FreeList = FreeList::new(64);

/// Fields of the iterator. asyncio keeps a queue of the futures that are done; the middle three are it.
#[repr(C)]
pub struct AsCompleted {
    head: ffi::PyObject,
    /// A set of the futures that are not done.
    pub todo: Slot,
    /// Futures that are done and that nobody has fetched, and a `None` for each that the timeout took.
    pub done: Slot,
    /// Those who wait for one.
    pub getters: Slot,
    /// The loop they belong to.
    event_loop: Slot,
    /// The timer, if there is a timeout.
    pub timer: Slot,
    /// The task that called `as_completed`, for call graphs.
    pub caller: Slot,
    /// How many more times one can be asked for.
    pub left: Cell<usize>,
}

impl AsCompleted {
    /// How many futures are not done.
    #[inline]
    pub fn todo_count(&self) -> usize {
        let todo = self.todo.peek();
        if todo.is_null() {
            return 0;
        }
        // SAFETY: a set of our own, which the slot keeps alive.
        unsafe { ffi::PySet_Size(todo) as usize }
    }
}

/// The fields of an iterator.
pub fn fields(iterator: &Ref) -> &AsCompleted {
    // SAFETY: only called for instances of `AS_COMPLETED`, which cannot be subclassed.
    unsafe { &*iterator.as_ptr().cast() }
}

static NEXT: AsyncDef = AsyncDef {
    name: "__anext__",
    qualname: "_AsCompletedIterator.__anext__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: next_future,
};

static WAIT_FOR_ONE: AsyncDef = AsyncDef {
    name: "_wait_for_one",
    qualname: "_AsCompletedIterator._wait_for_one",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: next_result,
};

/// The same, in releases in which `as_completed` is a generator.
static WAIT_FOR_ONE_INSIDE: AsyncDef = AsyncDef {
    name: "_wait_for_one",
    qualname: "as_completed.<locals>._wait_for_one",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: next_result,
};

/// Where the frame of each keeps the future that it waits at.
const GETTER: usize = 1;

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(
        c"asyncio.tasks._AsCompletedIterator",
        size_of::<AsCompleted>(),
    )
    .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
    .doc(c"Iterator of awaitables representing tasks of asyncio.as_completed.")
    .collected(dealloc, traverse, clear)
    .slot((ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void))
    .slot((ffi::Py_tp_iternext, next as *mut c_void))
    .slot((ffi::Py_am_aiter, ffi::PyObject_SelfIter as *mut c_void))
    .slot(unary_slot!(Py_am_anext, anext))
    .methods([method0!(
        c"_handle_timeout",
        handle_timeout,
        c"_handle_timeout($self, /)\n--\n\n"
    )])
    .build(None)?;
    AS_COMPLETED.set(type_of_class(&class));
    Ok(())
}

/// An iterator without futures.
pub fn make() -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let iterator = unsafe { FREE.allocate(AS_COMPLETED.get(), size_of::<AsCompleted>()) }?;
    track(&iterator);
    Ok(iterator)
}

/// `__next__()`: a coroutine for the result of the next future.
unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes a live iterator.
    let iterator = unsafe { Ref::view(&slf) };
    let left = &fields(iterator).left;
    if left.get() == 0 {
        // Null without an exception is the end.
        return std::ptr::null_mut();
    }
    left.set(left.get() - 1);
    let definition = if behaviour().iterates_both_ways {
        &WAIT_FOR_ONE
    } else {
        &WAIT_FOR_ONE_INSIDE
    };
    guard_object(|| call(definition, iterator))
}

/// `__anext__()`: a coroutine for the next future itself.
fn anext(iterator: &Ref) -> Result<Ref> {
    call(&NEXT, iterator)
}

fn call(definition: &'static AsyncDef, iterator: &Ref) -> Result<Ref> {
    let coroutine = object::make(definition)?;
    crate::coroutine::Frame(&coroutine)
        .slot(0)
        .set(iterator.clone());
    Ok(coroutine)
}

fn next_future(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    if let Sent::Start = sent {
        let iterator = frame.argument(0);
        let left = &fields(&iterator).left;
        if left.get() == 0 {
            // SAFETY: a static exception class.
            unsafe { ffi::PyErr_SetNone(ffi::PyExc_StopAsyncIteration) };
            return Err(crate::native::Raised);
        }
        left.set(left.get() - 1);
    }
    wait_for_one(frame, sent)
}

fn next_result(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let flow = wait_for_one(frame, sent)?;
    let Flow::Return(future) = flow else {
        return Ok(flow);
    };
    match future::native(&future) {
        Some(_) => outcome::result(&future),
        None => future.call_method(&names().result, []),
    }
    .map(Flow::Return)
}

/// `_wait_for_one()`: the next future that is done.
fn wait_for_one(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let iterator = frame.argument(0);
    let own = fields(&iterator);
    if let Sent::Raised(exception) = sent {
        give_up(frame, own)?;
        return raise_object(exception);
    }
    drop(frame.slot(GETTER).take());
    let Some(item) = WaiterQueue::of(&own.done).and_then(|done| done.pop()) else {
        let event_loop = loop_bound::get_loop(&iterator, &own.event_loop)
            .inspect_err(|_| give_turn_back(own))?;
        let getter = any::create(&event_loop)?;
        WaiterQueue::of_or_new(&own.getters)?.push(getter.clone());
        frame.slot(GETTER).set(getter.clone());
        return Ok(Flow::Await(getter));
    };
    if item.is_none() {
        // SAFETY: a static exception class.
        unsafe { ffi::PyErr_SetNone(ffi::PyExc_TimeoutError) };
        return Err(crate::native::Raised);
    }
    Ok(Flow::Return(item))
}

/// Whoever waited does so no more. If it was told already, the next one is.
fn give_up(frame: Frame<'_>, own: &AsCompleted) -> Result<()> {
    give_turn_back(own);
    let Some(getter) = frame.slot(GETTER).get() else {
        return Ok(());
    };
    cancel(&getter)?;
    waiter_queue::leave(&own.getters, frame.slot(GETTER));
    let any_done = WaiterQueue::of(&own.done).is_some_and(|done| done.len() > 0);
    if any_done && !any::is_cancelled(&getter)? {
        wake_next(own)?;
    }
    Ok(())
}

/// In releases that do so, a future that was not fetched can be asked for again.
fn give_turn_back(own: &AsCompleted) {
    if behaviour().gives_turn_back {
        own.left.set(own.left.get() + 1);
    }
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let iterator = Ref::view(&slf);
        crate::native::gc::traverse(iterator, slots(fields(iterator)), visit, arg)
    }
}

fn slots(own: &AsCompleted) -> [&Slot; 6] {
    [
        &own.todo,
        &own.done,
        &own.getters,
        &own.event_loop,
        &own.timer,
        &own.caller,
    ]
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        for slot in slots(fields(unsafe { Ref::view(&slf) })) {
            drop(slot.take());
        }
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            for slot in slots(fields(Ref::view(&slf))) {
                drop(slot.take());
            }
            FREE.recycle(slf);
        }
        Ok(())
    });
}
