//! What `sleep(...)` returns: a coroutine-like object, which is its own iterator.
//!
//! Nothing happens before it is awaited; how it goes on from there is in [`super::sleep_course`].

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use pyo3::ffi;

use crate::compat::frame::Origin;
use crate::future::iterator::thrown_exception;
use crate::imports::imports;
use crate::native::gc::{self, FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, WeakList, type_of_class};
use crate::native::{Args, Ref, Result, Slot, aside, boolean, none, raise, string};
use crate::statics::{Once, TypeCell, unset};
use crate::{attribute, method, method0, method1, unary_slot};

use super::sleep_course::{self, resume};
use super::sleep_delay::is_plainly_zero;

/// The type of the object.
pub static SLEEP: TypeCell = unset();

/// Where asyncio's own function is written, unless somebody had replaced it.
static ORIGIN: Once<Option<Origin>> = Once::new();

static FREE: FreeList = FreeList::new(300_000);

/// How far a sleep has come. One of zero or less is a *pause*: one bare yield.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Nobody has awaited it; `held` is the delay.
    #[allow(dead_code)] // All zero bytes are this.
    New = 0,
    /// The same of a pause; `held` is empty.
    NewPause = 1,
    /// Awaited, and not resumed yet; `held` is the delay.
    Begun = 2,
    /// The same of a pause; `held` is empty.
    BegunPause = 3,
    /// Yielded itself. In the place of `held` is when it ends.
    Sleeping = 4,
    /// Yielded `None`. `held` is empty.
    Paused = 5,
    /// Goes through a real future; `held` is a tuple of that future's iterator, its timer and itself.
    Delegated = 6,
    /// Over.
    Done = 7,
}

#[repr(C)]
pub(super) struct Sleep {
    head: ffi::PyObject,
    /// What the sleep gives in the end; empty for `None`.
    pub result: Slot,
    /// See [`Stage`] and [`Sleep::deadline`].
    held: Slot,
    weak: WeakList,
    stage: Cell<Stage>,
    /// `_asyncio_future_blocking`, for whoever is no native task and gets the object yielded.
    pub blocking: Cell<bool>,
}

impl Sleep {
    /// See [`Stage`].
    #[inline]
    pub fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Begins to sleep until the loop's clock shows so many seconds.
    ///
    /// The number takes the place of `held`, which is empty then: many may sleep at once, and eight bytes less
    /// make them fit into a smaller class of the interpreter's allocator.
    #[inline]
    pub fn sleep_until(&self, deadline: f64) {
        debug_assert!(!self.held.is_some());
        self.stage.set(Stage::Sleeping);
        self.number().set(deadline);
    }

    /// When it ends, if it sleeps.
    #[inline]
    pub fn deadline(&self) -> Option<f64> {
        (self.stage.get() == Stage::Sleeping).then(|| self.number().get())
    }

    /// Goes over to another stage, in which `held` is a reference, and empty at first.
    #[inline]
    pub fn enter(&self, stage: Stage) {
        if self.stage.replace(stage) == Stage::Sleeping {
            self.number().set(0.0);
        }
    }

    /// What `held` refers to.
    #[inline]
    pub fn held(&self) -> Option<&Slot> {
        (self.stage.get() != Stage::Sleeping).then_some(&self.held)
    }

    #[inline]
    fn number(&self) -> &Cell<f64> {
        // SAFETY: of the same size and alignment. In every stage but `Sleeping` the word is looked at as a
        // reference only, and is zero in between, which is 0.0 and an empty slot.
        unsafe { &*(&raw const self.held).cast() }
    }
}

#[inline]
pub(super) fn fields(sleep: &Ref) -> &Sleep {
    // SAFETY: only called for instances of `SLEEP`, which cannot be subclassed.
    unsafe { &*sleep.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    ORIGIN.set(Origin::of(&imports().stock_sleep));
    let class = TypeBuilder::new(c"roundelay.Sleep", size_of::<Sleep>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .doc(c"A sleep; await it.")
        .collected(dealloc, traverse, clear)
        .weakly_referable(offset_of!(Sleep, weak))
        .slot(unary_slot!(Py_am_await, begin))
        .slot(unary_slot!(Py_tp_iter, iterate))
        .slot((ffi::Py_am_send, am_send as *mut c_void))
        .slot((ffi::Py_tp_iternext, next as *mut c_void))
        .slot((ffi::Py_tp_finalize, finalize as *mut c_void))
        .slot((ffi::Py_tp_getattro, sleep_course::getattro as *mut c_void))
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
            sleep_course::blocking_attribute(),
        ])
        .build(None)?;
    SLEEP.set(type_of_class(&class));
    Ok(())
}

/// `sleep(delay, result)`
#[inline]
pub fn make(delay: &Ref, result: Option<&Ref>) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let sleep = unsafe { FREE.allocate(SLEEP.get(), size_of::<Sleep>()) }?;
    let own = fields(&sleep);
    if is_plainly_zero(delay) {
        own.stage.set(Stage::NewPause);
    } else {
        own.held.fill(delay.clone());
    }
    if let Some(result) = result.filter(|result| !result.is_none()) {
        own.result.set(result.clone());
        track(&sleep);
    }
    Ok(sleep)
}

/// Whether it was resumed and has not ended.
fn is_under_way(own: &Sleep) -> bool {
    matches!(
        own.stage.get(),
        Stage::Sleeping | Stage::Paused | Stage::Delegated
    )
}

#[cold]
pub(super) fn already_awaited<T>() -> Result<T> {
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_RuntimeError },
        c"cannot reuse already awaited coroutine",
    )
}

/// `__await__()`
#[inline]
fn begin(sleep: &Ref) -> Result<Ref> {
    let own = fields(sleep);
    own.stage.set(match own.stage.get() {
        Stage::New => Stage::Begun,
        Stage::NewPause => Stage::BegunPause,
        _ => return already_awaited(),
    });
    Ok(sleep.clone())
}

/// `iter()`, which `yield from` calls: on the object itself in the generators of `types.coroutine`, and on
/// what `__await__` gave, which is the same object.
fn iterate(sleep: &Ref) -> Result<Ref> {
    match fields(sleep).stage.get() {
        Stage::Begun | Stage::BegunPause => Ok(sleep.clone()),
        _ => begin(sleep),
    }
}

unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guard(ptr::null_mut(), || {
        // SAFETY: the interpreter passes a live object.
        resume(unsafe { Ref::view(&slf) })?.into_next()
    })
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
    if fields(sleep).stage.get() == Stage::Done {
        return already_awaited();
    }
    sleep_course::abandon(sleep)?;
    crate::native::raise_object(exception)
}

fn close(sleep: &Ref) -> Result<Ref> {
    sleep_course::abandon(sleep).map(|()| none())
}

fn function_name(_: &Ref) -> Result<Ref> {
    string("sleep")
}

fn not_running(_: &Ref) -> Result<Ref> {
    Ok(boolean(false))
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
        Some(origin) if own.stage.get() <= Stage::NewPause || is_under_way(own) => origin.frame(),
        _ => Ok(none()),
    }
}

fn nothing(_: &Ref) -> Result<Ref> {
    Ok(none())
}

/// Says that a sleep was never awaited, through the function that says it of coroutines.
unsafe extern "C" fn finalize(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: the interpreter passes an object that is alive again for this call.
        let sleep = unsafe { Ref::view(&slf) };
        let own = fields(sleep);
        if own.stage.get() > Stage::NewPause {
            return Ok(());
        }
        aside(|| {
            if imports().warn_unawaited_coroutine.call([sleep]).is_err() {
                crate::native::write_unraisable(sleep);
            }
        });
        own.stage.set(Stage::Done);
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
        gc::traverse(
            sleep,
            [Some(&own.result), own.held()].into_iter().flatten(),
            visit,
            arg,
        )
    }
}

#[inline(always)]
fn clear_fields(own: &Sleep) {
    drop(own.result.take());
    if let Some(held) = own.held() {
        drop(held.take());
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        clear_fields(fields(unsafe { Ref::view(&slf) }));
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone. The finalizer may run Python code, which may
        // keep the object. The memory is given back last.
        unsafe {
            let sleep = Ref::view(&slf);
            if fields(sleep).stage.get() <= Stage::NewPause
                && ffi::PyObject_CallFinalizerFromDealloc(slf) < 0
            {
                return Ok(());
            }
            gc::untrack(sleep);
            fields(sleep).weak.clear(slf);
            clear_fields(fields(sleep));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
