//! Life of a loop object, and its table of methods.

use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::ffi;
use roundelay::{Clock, VirtualClock};

use crate::attribute;
use crate::compat::current;
use crate::imports::names;
use crate::native::gc::{generic_alloc, release};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, repeat_methods, type_of_class};
use crate::native::{Ref, Result, boolean, integer, none};
use crate::statics::{GilCell, TypeCell, unset};

use super::data::LoopData;
use super::methods::methods;
use super::time;
use super::word::{Kind, Word};

/// The type `LoopBase`.
static LOOP_BASE: TypeCell = unset();

/// The class `roundelay.EventLoop`, whose instances need no further check.
static EVENT_LOOP: TypeCell = unset();

/// `EventLoop.call_soon`, to see whether a subclass overrides it.
static CALL_SOON: GilCell<*mut ffi::PyObject> = GilCell::new(ptr::null_mut());

#[repr(C)]
struct LoopObject {
    head: ffi::PyObject,
    data: LoopData,
}

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let class = TypeBuilder::new(c"roundelay._core.LoopBase", size_of::<LoopObject>())
        .flags(ffi::Py_TPFLAGS_BASETYPE)
        .doc(c"The native part of roundelay.EventLoop.")
        .slot((ffi::Py_tp_new, new as *mut c_void))
        .slot((ffi::Py_tp_setattro, setattro as *mut c_void))
        .collected(dealloc, traverse, clear)
        .methods(methods())
        .attributes(attributes())
        .build(None)?;
    LOOP_BASE.set(type_of_class(&class));
    Ok(class)
}

/// Tells the native code which Python class derives from `LoopBase` for everyday use. There is one of it in a
/// process: whoever comes later gets the first.
pub fn register_class(class: &Ref) -> Result<Ref> {
    if !EVENT_LOOP.get().is_null() {
        // SAFETY: the first one lives as long as the process.
        return Ok(unsafe { Ref::borrowed(EVENT_LOOP.get().cast()) });
    }
    repeat_methods(class, methods())?;
    CALL_SOON.set(class.getattr(&names().call_soon)?.into_ptr());
    time::prepare(class)?;
    crate::sockets::prepare(class)?;
    EVENT_LOOP.set(type_of_class(class));
    // The class lives as long as the process, like every native type.
    std::mem::forget(class.clone());
    Ok(class.clone())
}

fn attributes() -> Vec<ffi::PyGetSetDef> {
    vec![
        attribute!(c"_debug", get_debug, set_debug),
        attribute!(c"_closed", is_closed, set_closed),
        attribute!(c"_stopping", stopping, set_stopping),
        attribute!(c"_thread_id", thread_id, set_thread_id),
        attribute!(c"_task_factory", task_factory, set_task_factory),
        attribute!(c"_virtual_clock", has_virtual_clock),
        attribute!(c"_outside_work", outside_work, set_outside_work),
        attribute!(c"_internal_fds", internal_fds, set_internal_fds),
        attribute!(c"_ready", ready_list, ignore),
        attribute!(c"_scheduled", scheduled_list, ignore),
    ]
}

/// The state of a loop that is known to be native.
#[inline]
pub fn data(event_loop: &Ref) -> &LoopData {
    debug_assert!(event_loop.is_instance(LOOP_BASE.get()));
    // SAFETY: an instance of `LoopBase`; its state lives as long as the object.
    unsafe { &(*event_loop.as_ptr().cast::<LoopObject>()).data }
}

/// The state of a loop, if it is native.
#[inline]
pub fn native(event_loop: &Ref) -> Option<&LoopData> {
    (event_loop.is_exact(EVENT_LOOP.get()) || event_loop.is_instance(LOOP_BASE.get()))
        .then(|| data(event_loop))
}

/// Whether entries for this loop may go straight to its ring: it is native, and if its class is the
/// user's, that one leaves `call_soon` alone.
#[inline]
pub fn is_native(event_loop: &Ref) -> bool {
    is_plain(event_loop) || is_faithful_subclass(event_loop)
}

/// Whether the loop is exactly a `roundelay.EventLoop`, so that none of its methods can be the user's.
#[inline]
pub fn is_plain(event_loop: &Ref) -> bool {
    event_loop.is_exact(EVENT_LOOP.get()) && !data(event_loop).patched.get()
}

#[cold]
fn is_faithful_subclass(event_loop: &Ref) -> bool {
    if !event_loop.is_instance(LOOP_BASE.get()) || data(event_loop).patched.get() {
        return false;
    }
    // SAFETY: a live type.
    let class = unsafe { Ref::borrowed(event_loop.type_ptr().cast()) };
    match class.getattr(&names().call_soon) {
        Ok(method) => method.is_ptr(CALL_SOON.get()),
        Err(_) => {
            drop(crate::native::take_raised());
            false
        }
    }
}

unsafe extern "C" fn new(
    ty: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        let clock = wanted_clock(kwargs)?;
        let state = LoopData::new(clock).or_else(crate::error::raise_io)?;
        // SAFETY: a finished type; the state is written before anyone sees the object. The object is
        // untracked meanwhile, so that the collector does not look at a state that is not there.
        unsafe {
            let event_loop = generic_alloc(ty)?;
            ptr::write(
                &raw mut (*event_loop.as_ptr().cast::<LoopObject>()).data,
                state,
            );
            data(&event_loop)
                .hash
                .set(ffi::PyObject_Hash(event_loop.as_ptr()));
            current::prepare(&event_loop)?;
            time::look_for_own_time(&event_loop);
            Ok(event_loop)
        }
    })
}

/// The clock that `clock=` asks for. Anything but `"virtual"` is left for `__init__` to refuse.
fn wanted_clock(kwargs: *mut ffi::PyObject) -> Result<Clock> {
    if kwargs.is_null() {
        return Ok(Clock::Monotonic);
    }
    // SAFETY: `tp_new` gets a dict or null; what is found is borrowed and looked at once.
    unsafe {
        let given = ffi::PyDict_GetItemString(kwargs, c"clock".as_ptr());
        let is_virtual = !given.is_null()
            && ffi::PyUnicode_Check(given) != 0
            && ffi::PyUnicode_CompareWithASCIIString(given, c"virtual".as_ptr()) == 0;
        Ok(if is_virtual {
            Clock::Virtual(VirtualClock::new())
        } else {
            Clock::Monotonic
        })
    }
}

fn has_virtual_clock(event_loop: &Ref) -> Result<Ref> {
    Ok(boolean(data(event_loop).clock.is_virtual()))
}

/// Attributes that are the user's own on this one loop (a mock, say) are noticed, so that the short ways
/// around them are not taken.
unsafe extern "C" fn setattro(
    slf: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    guard(-1, || {
        // SAFETY: the interpreter passes live objects; null means that the attribute is deleted.
        unsafe {
            for watched in [
                &names().call_soon,
                &names().call_at,
                &names().create_future,
                &names().create_task,
                &names().time,
            ] {
                if ffi::PyUnicode_Compare(name, watched.as_ptr()) == 0 {
                    data(Ref::view(&slf)).patched.set(!value.is_null());
                }
            }
            for hook in crate::sockets::hooks() {
                if ffi::PyUnicode_Compare(name, hook.as_ptr()) == 0 {
                    data(Ref::view(&slf)).hooked.set(true);
                }
            }
            let status = ffi::PyObject_GenericSetAttr(slf, name, value);
            if status == 0 && ffi::PyUnicode_Compare(name, names().time.as_ptr()) == 0 {
                time::look_for_own_time(Ref::view(&slf));
            }
            Ok(status)
        }
    })
}

pub fn is_running(event_loop: &Ref) -> Result<Ref> {
    Ok(boolean(data(event_loop).is_running()))
}

pub fn is_closed(event_loop: &Ref) -> Result<Ref> {
    Ok(boolean(data(event_loop).closed.get()))
}

fn set_closed(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    data(event_loop).closed.set(flag(value)?);
    Ok(())
}

pub fn get_debug(event_loop: &Ref) -> Result<Ref> {
    Ok(boolean(data(event_loop).debug.get()))
}

fn set_debug(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    data(event_loop).debug.set(flag(value)?);
    Ok(())
}

pub fn stop(event_loop: &Ref) -> Result<Ref> {
    data(event_loop).stopping.set(true);
    Ok(none())
}

fn stopping(event_loop: &Ref) -> Result<Ref> {
    Ok(boolean(data(event_loop).stopping.get()))
}

fn set_stopping(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    data(event_loop).stopping.set(flag(value)?);
    Ok(())
}

fn flag(value: Option<&Ref>) -> Result<bool> {
    value.map_or(Ok(false), Ref::truthy)
}

fn thread_id(event_loop: &Ref) -> Result<Ref> {
    match data(event_loop).thread.get() {
        0 => Ok(none()),
        thread => integer(thread),
    }
}

fn set_thread_id(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    let thread = match value.filter(|value| !value.is_none()) {
        // SAFETY: live.
        Some(value) => unsafe { ffi::PyLong_AsUnsignedLongLong(value.as_ptr()) },
        None => 0,
    };
    if thread == u64::MAX && crate::native::raised() {
        return Err(crate::native::Raised);
    }
    data(event_loop).thread.set(thread);
    Ok(())
}

fn task_factory(event_loop: &Ref) -> Result<Ref> {
    Ok(data(event_loop).task_factory.get().unwrap_or_else(none))
}

fn set_task_factory(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    data(event_loop)
        .task_factory
        .put(value.filter(|value| !value.is_none()).cloned());
    Ok(())
}

fn internal_fds(event_loop: &Ref) -> Result<Ref> {
    integer(data(event_loop).internal.get() as u64)
}

fn set_internal_fds(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    let count = value.map_or(Ok(0.0), Ref::to_f64)?;
    data(event_loop).internal.set(count as usize);
    Ok(())
}

fn outside_work(event_loop: &Ref) -> Result<Ref> {
    integer(data(event_loop).outside.get() as u64)
}

fn set_outside_work(event_loop: &Ref, value: Option<&Ref>) -> Result<()> {
    let count = value.map_or(Ok(0.0), Ref::to_f64)?;
    data(event_loop).outside.set(count as usize);
    Ok(())
}

/// `_ready` as a list, for those who look: handles, and tasks for their steps.
fn ready_list(event_loop: &Ref) -> Result<Ref> {
    let shown = |word: &Word| {
        // SAFETY: the word owns the object.
        unsafe { Ref::borrowed(word.peek()) }
    };
    let entries = data(event_loop).ready.borrow().iter().map(shown).collect();
    crate::native::list(entries)
}

/// `_scheduled` as a list: timer handles, and tasks that sleep.
fn scheduled_list(event_loop: &Ref) -> Result<Ref> {
    // SAFETY: the word owns the object.
    let shown = |word: &Word| unsafe { Ref::borrowed(word.peek()) };
    let entries = data(event_loop).timers.borrow().iter().map(shown).collect();
    crate::native::list(entries)
}

/// asyncio's `__init__` sets these; here they are views.
fn ignore(_: &Ref, _: Option<&Ref>) -> Result<()> {
    Ok(())
}

pub fn timer_handle_cancelled(_: &Ref, _: &Ref) -> Result<Ref> {
    Ok(none())
}

/// Lets go of everything a closed loop still holds: tasks that never ran are reported by their own end.
pub fn discard(event_loop: &Ref) -> Result<Ref> {
    let state = data(event_loop);
    drop(state.reactor.borrow_mut().take());
    drop(state.wakeup.borrow_mut().take());
    state.contexts.clear();
    drop(state.take_everything());
    Ok(none())
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object; it runs no other code meanwhile.
    unsafe {
        let event_loop = Ref::view(&slf);
        let status = visit(event_loop.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        let state = data(event_loop);
        let mut status = state.task_factory.traverse(visit, arg);
        if status == 0 {
            status = state.contexts.traverse(visit, arg);
        }
        if status != 0 {
            return status;
        }
        let (Ok(ready), Ok(timers), Ok(watched)) = (
            state.ready.try_borrow(),
            state.timers.try_borrow(),
            state.watched.try_borrow(),
        ) else {
            // In the middle of a change: keep everything alive this time.
            return 0;
        };
        for word in ready.iter().chain(timers.iter()) {
            let status = visit_word(word, visit, arg);
            if status != 0 {
                return status;
            }
        }
        for watch in watched.values() {
            for object in watch.reader.iter().chain(&watch.writer).chain(&watch.file) {
                let status = visit(object.as_ptr(), arg);
                if status != 0 {
                    return status;
                }
            }
        }
        0
    }
}

/// Visits the object of a word. A queued or sleeping task is not tracked by the collector; if the word is
/// its only owner, what it refers to is visited in its place, so that cycles through it are found.
unsafe fn visit_word(word: &Word, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    let object = word.peek();
    // SAFETY: the word keeps the object alive; the types of untracked objects have a `tp_traverse`.
    unsafe {
        let borrowed = Ref::view(&object);
        if word.kind() != Kind::Handle && borrowed.count() == 1 && !borrowed.is_tracked() {
            return match (*borrowed.type_ptr()).tp_traverse {
                Some(through) => through(object, visit, arg),
                None => 0,
            };
        }
        visit(object, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        let state = data(unsafe { Ref::view(&slf) });
        drop(state.task_factory.take());
        state.contexts.clear();
        drop(state.take_everything());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone. What is held is let go first, while the
        // state is still whole; the state ends before its memory does.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            let state = data(Ref::view(&slf));
            drop(state.task_factory.take());
            state.contexts.clear();
            drop(state.take_everything());
            ptr::drop_in_place(&raw mut (*slf.cast::<LoopObject>()).data);
            release(slf);
        }
        Ok(())
    });
}
