//! `sleep` itself and the coroutine-like object it returns.
//!
//! `sleep` is an object and not a plain builtin so that it can carry the marks by which `asyncio` and
//! `inspect` know a coroutine function.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use pyo3::ffi;

use crate::compat::frame::Origin;
use crate::future::iterator::thrown_exception;
use crate::imports::imports;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, WeakList, type_of_class};
use crate::native::{
    Args, Ref, Result, Resumed, Slot, aside, boolean, none, raise, raise_object, string, tuple,
};
use crate::statics::{Once, TypeCell, unset};
use crate::{attribute, method, method0, method1, unary_slot};

use super::sleep;
use super::sleep_delay::is_plainly_zero;

static SLEEP_FUNCTION: TypeCell = unset();
static SLEEP: TypeCell = unset();

/// Where asyncio's own function is written, unless somebody had replaced it.
static ORIGIN: Once<Option<Origin>> = Once::new();

static FREE: FreeList = FreeList::new(1024);

/// The callable. It has no state but its entry point.
#[repr(C)]
struct SleepFunction {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    weak: WeakList,
}

/// What `sleep(...)` returns: coroutine-like, nothing happens before it is awaited.
#[repr(C)]
struct Sleep {
    head: ffi::PyObject,
    delay: Slot,
    result: Slot,
    /// The iterator, if the object is driven by `send` (as the coroutine of a task is).
    wait: Slot,
    /// It was awaited, sent to, thrown into or closed.
    used: Cell<bool>,
    /// See [`Pause`].
    pause: Cell<Pause>,
    weak: WeakList,
}

/// A sleep of zero or less is one bare yield, for which the object itself is the iterator.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Pause {
    /// It is a real sleep.
    No = 0,
    /// The next resumption yields.
    Due = 1,
    /// The next resumption returns.
    Taken = 2,
    /// It returned, or was thrown into or closed.
    Over = 3,
}

fn fields(sleep: &Ref) -> &Sleep {
    // SAFETY: only called for instances of `SLEEP`, which cannot be subclassed.
    unsafe { &*sleep.as_ptr().cast() }
}

/// Makes both types and returns the function.
pub fn make_types() -> Result<Ref> {
    ORIGIN.set(Origin::of(&imports().stock_sleep));
    let class = TypeBuilder::new(c"roundelay.Sleep", size_of::<Sleep>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .doc(c"A sleep that has not begun; await it.")
        .collected(dealloc, traverse, clear)
        .weakly_referable(offset_of!(Sleep, weak))
        .slot(unary_slot!(Py_am_await, begin))
        .slot(unary_slot!(Py_tp_iter, iterate))
        .slot((ffi::Py_am_send, am_send as *mut c_void))
        .slot((ffi::Py_tp_iternext, next as *mut c_void))
        .slot((ffi::Py_tp_finalize, finalize as *mut c_void))
        .methods([
            method1!(c"send", send, c"send($self, value, /)\n--\n\n"),
            method!(
                c"throw",
                throw,
                c"throw($self, type, value=None, traceback=None, /)\n--\n\n"
            ),
            method0!(c"close", close, c"close($self, /)\n--\n\n"),
        ])
        .attributes([
            attribute!(c"__name__", function_name),
            attribute!(c"__qualname__", function_name),
            attribute!(c"cr_running", not_running),
            attribute!(c"cr_suspended", suspended),
            attribute!(c"cr_code", code),
            attribute!(c"cr_frame", frame),
            attribute!(c"cr_await", nothing),
            attribute!(c"cr_origin", nothing),
        ])
        .build(None)?;
    SLEEP.set(type_of_class(&class));
    make_function()
}

fn make_function() -> Result<Ref> {
    let class = TypeBuilder::new(c"roundelay.SleepFunction", size_of::<SleepFunction>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .called_at(offset_of!(SleepFunction, vectorcall))
        .weakly_referable(offset_of!(SleepFunction, weak))
        .doc(c"sleep(delay, result=None)\n--\n\nCoroutine that completes after a given time (in seconds).")
        .slot(unary_slot!(Py_tp_repr, function_repr))
        .attributes([
            attribute!(c"__name__", function_name),
            attribute!(c"__qualname__", function_name),
            attribute!(c"__signature__", signature),
        ])
        .build(None)?;
    SLEEP_FUNCTION.set(type_of_class(&class));
    crate::native::types::set_type_attribute(&class, c"__module__", &string("roundelay")?)?;
    let defaults = tuple(&[&none()])?;
    crate::native::types::set_type_attribute(&class, c"__defaults__", &defaults)?;
    crate::coroutine::function::mark(&class)?;
    // SAFETY: a fresh object of the type just made; it lives as long as the process.
    unsafe {
        let function = crate::native::gc::generic_alloc(SLEEP_FUNCTION.get())?;
        (*function.as_ptr().cast::<SleepFunction>()).vectorcall = Some(call);
        Ok(function)
    }
}

unsafe extern "C" fn call(
    _callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall.
        let args =
            unsafe { Args::from_fastcall(args, ffi::PyVectorcall_NARGS(count) as usize, names) };
        let (delay, result) = match (args.positional, args.no_keywords()) {
            ([delay], true) => (delay, None),
            ([delay, result], true) => (delay, Some(result)),
            _ => {
                let [delay, result] = args.bind("sleep", ["delay", "result"], 2, 0)?;
                match delay {
                    Some(delay) => (delay, result),
                    None => {
                        // SAFETY: a static exception class.
                        return raise(
                            unsafe { ffi::PyExc_TypeError },
                            c"sleep() missing 1 required positional argument: 'delay'",
                        );
                    }
                }
            }
        };
        // SAFETY: the type is made and this is its size.
        let sleep = unsafe { FREE.allocate(SLEEP.get(), size_of::<Sleep>()) }?;
        if is_plainly_zero(delay) {
            fields(&sleep).pause.set(Pause::Due);
        } else {
            fields(&sleep).delay.set(delay.clone());
        }
        if let Some(result) = result.filter(|result| !result.is_none()) {
            fields(&sleep).result.set(result.clone());
            track(&sleep);
        }
        Ok(sleep)
    })
}

fn function_repr(_: &Ref) -> Result<Ref> {
    string("<function sleep>")
}

/// The signature of asyncio's own function, which is the same.
fn signature(_: &Ref) -> Result<Ref> {
    let inspect = crate::native::import(c"inspect")?;
    inspect.call_method(&string("signature")?, [&imports().stock_sleep])
}

fn function_name(_: &Ref) -> Result<Ref> {
    string("sleep")
}

fn not_running(_: &Ref) -> Result<Ref> {
    Ok(boolean(false))
}

/// Whether it is between its first resumption and its end.
fn is_under_way(own: &Sleep) -> bool {
    match own.pause.get() {
        Pause::No => own
            .wait
            .get()
            .is_some_and(|wait| sleep::is_under_way(&wait)),
        Pause::Due | Pause::Over => false,
        Pause::Taken => true,
    }
}

fn suspended(sleep: &Ref) -> Result<Ref> {
    Ok(boolean(is_under_way(fields(sleep))))
}

fn code(_: &Ref) -> Result<Ref> {
    Ok(ORIGIN.get().as_ref().map_or_else(none, Origin::code))
}

fn frame(sleep: &Ref) -> Result<Ref> {
    let own = fields(sleep);
    match ORIGIN.get() {
        Some(origin) if !own.used.get() || is_under_way(own) => origin.frame(),
        _ => Ok(none()),
    }
}

fn nothing(_: &Ref) -> Result<Ref> {
    Ok(none())
}

#[cold]
fn already_awaited<T>() -> Result<T> {
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_RuntimeError },
        c"cannot reuse already awaited coroutine",
    )
}

/// `__await__()`: the iterator that sleeps.
#[inline]
fn begin(sleep: &Ref) -> Result<Ref> {
    let own = fields(sleep);
    if own.used.replace(true) {
        return already_awaited();
    }
    if own.pause.get() != Pause::No {
        return Ok(sleep.clone());
    }
    let delay = own.delay.take().unwrap_or_else(none);
    sleep::make(delay, own.result.take())
}

/// `iter()` of it, which `yield from` calls: on the object itself in the generators of `types.coroutine`,
/// and on what `__await__` gave, which may be the same object.
fn iterate(sleep: &Ref) -> Result<Ref> {
    let own = fields(sleep);
    if own.used.get() && own.pause.get() == Pause::Due {
        return Ok(sleep.clone());
    }
    begin(sleep)
}

/// Resumes the sleep, whoever drives it.
#[inline]
fn resume(sleep: &Ref) -> Result<Resumed> {
    let own = fields(sleep);
    match own.pause.get() {
        Pause::Due => {
            own.used.set(true);
            own.pause.set(Pause::Taken);
            Ok(Resumed::Yielded(none()))
        }
        Pause::Taken => {
            own.pause.set(Pause::Over);
            Ok(Resumed::Returned(own.result.take().unwrap_or_else(none)))
        }
        Pause::Over => already_awaited(),
        Pause::No => sleep::resume(&driven(sleep)?),
    }
}

unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guard(ptr::null_mut(), || {
        // SAFETY: the interpreter passes a live object.
        let own = unsafe { Ref::view(&slf) };
        resume(own)?.into_next()
    })
}

/// The iterator of an object that is driven by `send`.
fn driven(sleep: &Ref) -> Result<Ref> {
    if let Some(wait) = fields(sleep).wait.get() {
        return Ok(wait);
    }
    let wait = begin(sleep)?;
    fields(sleep).wait.set(wait.clone());
    Ok(wait)
}

unsafe extern "C" fn am_send(
    slf: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    guard(ffi::PySendResult::PYGEN_ERROR, || {
        // SAFETY: the interpreter passes a live object, and where it wants the result.
        unsafe { Ok(resume(Ref::view(&slf))?.into_am_send(result)) }
    })
}

fn send(sleep: &Ref, _value: &Ref) -> Result<Ref> {
    resume(sleep)?.into_send()
}

fn throw(sleep: &Ref, args: Args<'_>) -> Result<Ref> {
    let [class, value, traceback] = args.bind("throw", ["type", "value", "traceback"], 3, 1)?;
    let exception = thrown_exception(class.expect("required"), value, traceback)?;
    let own = fields(sleep);
    // A pause that is awaited is its own iterator, and may not have been resumed yet.
    if own.used.get() && own.pause.get() != Pause::Due && !is_under_way(own) {
        return already_awaited();
    }
    end_pause(own);
    match own.wait.take() {
        Some(wait) => sleep::throw_into(&wait, exception),
        None => raise_object(exception),
    }
}

/// Nothing will be yielded or returned any more.
fn end_pause(own: &Sleep) {
    own.used.set(true);
    if own.pause.get() != Pause::No {
        own.pause.set(Pause::Over);
    }
}

fn close(sleep: &Ref) -> Result<Ref> {
    end_pause(fields(sleep));
    if let Some(wait) = fields(sleep).wait.take() {
        sleep::abandon(&wait)?;
    }
    Ok(none())
}

/// Says that a sleep was never awaited, through the function that says it of coroutines.
#[cold]
fn warn_unused(sleep: &Ref) {
    aside(|| {
        if imports().warn_unawaited_coroutine.call([sleep]).is_err() {
            crate::native::write_unraisable(sleep);
        }
    });
}

unsafe extern "C" fn finalize(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: the interpreter passes an object that is alive again for this call.
        let sleep = unsafe { Ref::view(&slf) };
        if !fields(sleep).used.replace(true) {
            warn_unused(sleep);
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
        let sleep = Ref::view(&slf);
        let own = fields(sleep);
        crate::native::gc::traverse(sleep, [&own.delay, &own.result, &own.wait], visit, arg)
    }
}

fn clear_fields(sleep: &Ref) {
    let own = fields(sleep);
    for slot in [&own.delay, &own.result, &own.wait] {
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
        // SAFETY: called when the last reference is gone. The finalizer may run Python code, which may
        // keep the object. The memory is given back last.
        unsafe {
            if !fields(Ref::view(&slf)).used.get()
                && ffi::PyObject_CallFinalizerFromDealloc(slf) < 0
            {
                return Ok(());
            }
            ffi::PyObject_GC_UnTrack(slf.cast());
            fields(Ref::view(&slf)).weak.clear(slf);
            clear_fields(Ref::view(&slf));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
