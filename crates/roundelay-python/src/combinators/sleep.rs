//! A sleep under way.
//!
//! On a native loop the iterator yields itself. A native task recognises it and goes into the timers
//! without a future; for everyone else (asyncio's own tasks, code that drives coroutines by hand) it is
//! a future-like object, which makes a real future as soon as anything of one is asked for.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::ffi;

use crate::eventloop;
use crate::future;
use crate::future::iterator::thrown_exception;
use crate::imports::names;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Raised, Ref, Result, Resumed, Slot, boolean, none, raise, raise_object};
use crate::statics::{TypeCell, unset};

use crate::{attribute, method, method0, method1};

use super::sleep_delay::{after, is_not_positive, refuse_nan};
use super::sleep_future::{FINISH, start_timer};

/// The type of the iterator.
pub static SLEEP_WAIT: TypeCell = unset();

static FREE: FreeList = FreeList::new(300_000);

/// How far a sleep has come.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    /// Not resumed yet; `held` is the delay.
    #[allow(dead_code)] // All zero bytes are this.
    New = 0,
    /// Yielded `None` or itself; `held` is empty.
    Yielded = 1,
    /// Goes through a real future; `held` is a pair of that future's iterator and its timer.
    Delegated = 2,
    /// Over.
    Done = 3,
}

#[repr(C)]
struct SleepWait {
    head: ffi::PyObject,
    /// What the sleep gives in the end; empty for `None`.
    result: Slot,
    /// See [`Stage`].
    held: Slot,
    /// When the sleep ends, in seconds of the loop's clock.
    deadline: Cell<f64>,
    stage: Cell<Stage>,
    /// `_asyncio_future_blocking`
    blocking: Cell<bool>,
}

fn fields(wait: &Ref) -> &SleepWait {
    // SAFETY: only called for instances of `SLEEP_WAIT`, which cannot be subclassed.
    unsafe { &*wait.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type(finish: Ref) -> Result<Ref> {
    FINISH.set(finish);
    let class = TypeBuilder::new(c"roundelay.SleepWait", size_of::<SleepWait>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot((ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void))
        .slot((ffi::Py_tp_iternext, next as *mut c_void))
        .slot((ffi::Py_tp_getattro, getattro as *mut c_void))
        .methods([
            method1!(c"send", send, c"send($self, value, /)\n--\n\n"),
            method!(
                c"throw",
                throw,
                c"throw($self, type, value=None, traceback=None, /)\n--\n\n"
            ),
            method0!(c"close", close, c"close($self, /)\n--\n\n"),
            method0!(c"get_loop", get_loop, c"get_loop($self, /)\n--\n\n"),
        ])
        .attributes([attribute!(
            c"_asyncio_future_blocking",
            blocking,
            set_blocking
        )])
        .build(None)?;
    SLEEP_WAIT.set(type_of_class(&class));
    Ok(class)
}

/// A sleep that begins when it is first resumed.
#[inline]
pub fn make(delay: Ref, result: Option<Ref>) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let wait = unsafe { FREE.allocate(SLEEP_WAIT.get(), size_of::<SleepWait>()) }?;
    let own = fields(&wait);
    own.held.set(delay);
    if let Some(result) = result {
        own.result.set(result);
        track(&wait);
    }
    Ok(wait)
}

/// Whether it was resumed and has not ended.
pub fn is_under_way(wait: &Ref) -> bool {
    matches!(fields(wait).stage.get(), Stage::Yielded | Stage::Delegated)
}

/// When the sleep ends, in seconds of the loop's clock.
#[inline]
pub fn deadline(wait: &Ref) -> f64 {
    fields(wait).blocking.set(false);
    fields(wait).deadline.get()
}

/// When the sleep ends that `object` is, if it is one under way.
pub fn ends_at(object: &Ref) -> Option<f64> {
    (object.is_exact(SLEEP_WAIT.get()) && fields(object).stage.get() == Stage::Yielded)
        .then(|| fields(object).deadline.get())
}

/// Resumes the sleep.
#[inline]
pub fn resume(wait: &Ref) -> Result<Resumed> {
    let own = fields(wait);
    match own.stage.get() {
        Stage::New => start(wait),
        Stage::Yielded => {
            own.stage.set(Stage::Done);
            Ok(Resumed::Returned(own.result.take().unwrap_or_else(none)))
        }
        Stage::Delegated => resume_delegated(wait),
        Stage::Done => Ok(Resumed::Returned(none())),
    }
}

fn start(wait: &Ref) -> Result<Resumed> {
    let own = fields(wait);
    let delay = own.held.take().unwrap_or_else(none);
    own.stage.set(Stage::Yielded);
    if is_not_positive(&delay)? {
        return Ok(Resumed::Yielded(none()));
    }
    refuse_nan(&delay)?;
    let Some(event_loop) = eventloop::running()? else {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_RuntimeError }, c"no running event loop");
    };
    match eventloop::native(&event_loop) {
        Some(state) if eventloop::is_native(&event_loop) => {
            eventloop::check_open(state)?;
            own.deadline.set(after(state, &delay)?.0);
            own.blocking.set(true);
            Ok(Resumed::Yielded(wait.clone()))
        }
        _ => {
            let future = event_loop.call_method(&names().create_future, [])?;
            let result = own.result.get().unwrap_or_else(none);
            let timer = event_loop.call_method(
                &names().call_later,
                [&delay, FINISH.get(), &future, &result],
            )?;
            delegate(wait, &future, &timer)?;
            resume_delegated(wait)
        }
    }
}

/// Sends the rest of the sleep through a real future and its timer.
fn delegate(wait: &Ref, future: &Ref, timer: &Ref) -> Result<()> {
    let iterator = future.call_method(&names().iter_await, [])?;
    let own = fields(wait);
    own.held
        .set(crate::native::tuple(&[&iterator, timer, future])?);
    own.stage.set(Stage::Delegated);
    track(wait);
    Ok(())
}

/// An item of the tuple that `delegate` keeps: 0 the iterator, 1 the timer, 2 the future.
fn delegated(wait: &Ref, place: isize) -> Option<Ref> {
    let held = fields(wait)
        .held
        .get()
        .filter(|_| fields(wait).stage.get() == Stage::Delegated)?;
    // SAFETY: a tuple of three, by construction.
    Some(unsafe { Ref::borrowed(ffi::PyTuple_GET_ITEM(held.as_ptr(), place)) })
}

fn resume_delegated(wait: &Ref) -> Result<Resumed> {
    let iterator = delegated(wait, 0).expect("in this stage");
    match iterator.call_method(&names().send, [&none()]) {
        Ok(value) => Ok(Resumed::Yielded(value)),
        Err(Raised) => {
            let raised = crate::native::take_raised();
            abandon(wait)?;
            let raised = raised.expect("an error has an exception");
            // SAFETY: a static exception class.
            if raised.is_exception_of(unsafe { ffi::PyExc_StopIteration }) {
                return raised
                    .getattr(&crate::native::string("value")?)
                    .map(Resumed::Returned);
            }
            raise_object(raised)
        }
    }
}

/// Ends the sleep early; a timer that is left is cancelled, as the `finally` of asyncio's sleep does.
pub fn abandon(wait: &Ref) -> Result<()> {
    let timer = delegated(wait, 1);
    let own = fields(wait);
    own.stage.set(Stage::Done);
    drop(own.held.take());
    drop(own.result.take());
    match timer {
        Some(timer) => timer.call_method(&names().cancel, []).map(drop),
        None => Ok(()),
    }
}

/// Raises `exception` out of the sleep.
pub fn throw_into(wait: &Ref, exception: Ref) -> Result<Ref> {
    abandon(wait)?;
    raise_object(exception)
}

/// A real future and its timer for a sleep that yielded itself to someone who is not a native task.
fn real_future(wait: &Ref) -> Result<Ref> {
    if let Some(future) = delegated(wait, 2) {
        return Ok(future);
    }
    let event_loop = get_loop(wait)?;
    let future = future::new_pending(&event_loop)?;
    let result = fields(wait).result.get().unwrap_or_else(none);
    let timer = start_timer(&event_loop, fields(wait).deadline.get(), &future, &result)?;
    delegate(wait, &future, &timer)?;
    // The yield has happened already: the iterator's next resumption asks for the outcome.
    future::body(&future).blocking.set(true);
    Ok(future)
}

unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guard(ptr::null_mut(), || {
        // SAFETY: the interpreter passes a live iterator.
        let own = unsafe { Ref::view(&slf) };
        resume(own)?.into_next()
    })
}

fn send(wait: &Ref, _value: &Ref) -> Result<Ref> {
    resume(wait)?.into_send()
}

fn throw(wait: &Ref, args: Args<'_>) -> Result<Ref> {
    let [class, value, traceback] = args.bind("throw", ["type", "value", "traceback"], 3, 1)?;
    throw_into(
        wait,
        thrown_exception(class.expect("required"), value, traceback)?,
    )
}

fn close(wait: &Ref) -> Result<Ref> {
    abandon(wait).map(|()| none())
}

fn get_loop(_wait: &Ref) -> Result<Ref> {
    eventloop::current_or_policy()
}

fn blocking(wait: &Ref) -> Result<Ref> {
    Ok(boolean(fields(wait).blocking.get()))
}

fn set_blocking(wait: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(wait)
        .blocking
        .set(value.map_or(Ok(false), Ref::truthy)?);
    Ok(())
}

/// Whatever a future has and the iterator has not is asked of the real future.
unsafe extern "C" fn getattro(
    slf: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes live objects.
        let (wait, name) = unsafe { (Ref::view(&slf), Ref::view(&name)) };
        // SAFETY: as above; a new reference or null.
        let own = unsafe { ffi::PyObject_GenericGetAttr(slf, name.as_ptr()) };
        if !own.is_null() {
            // SAFETY: a new reference.
            return Ok(unsafe { Ref::owned(own) });
        }
        let yielded = matches!(fields(wait).stage.get(), Stage::Yielded | Stage::Delegated);
        // SAFETY: a static exception class.
        if !yielded || unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) } == 0 {
            return Err(Raised);
        }
        drop(crate::native::take_raised());
        real_future(wait)?.getattr(name)
    })
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let wait = Ref::view(&slf);
        let own = fields(wait);
        crate::native::gc::traverse(wait, [&own.result, &own.held], visit, arg)
    }
}

fn clear_fields(wait: &Ref) {
    drop(fields(wait).result.take());
    drop(fields(wait).held.take());
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
            ffi::PyObject_GC_UnTrack(slf.cast());
            clear_fields(Ref::view(&slf));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
