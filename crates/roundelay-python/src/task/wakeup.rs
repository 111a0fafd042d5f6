//! Callables that stand for "step this task": for loops that are not ours, for futures that are not
//! ours, and for showing what a native entry of the ring means.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::current;
use crate::future::{self, State, outcome};
use crate::imports::names;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result, Slot, none, raise, string, take_raised};
use crate::statics::{TypeCell, unset};
use crate::{attribute, call_slot};

use super::body::body;
use super::step::{self, resume_elsewhere};

/// The type of both callables.
static STEPPER: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);

#[repr(C)]
struct Stepper {
    head: ffi::PyObject,
    task: Slot,
    /// `task_wakeup`, called with the future that is done; else `task_step`, called with nothing.
    wakes: std::cell::Cell<bool>,
}

fn fields(stepper: &Ref) -> &Stepper {
    // SAFETY: only called for instances of `STEPPER`, which cannot be subclassed.
    unsafe { &*stepper.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let class = TypeBuilder::new(c"roundelay.TaskStepMethWrapper", size_of::<Stepper>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot(call_slot!(call))
        .slot((ffi::Py_tp_richcompare, compare as *mut c_void))
        .slot((ffi::Py_tp_hash, hash as *mut c_void))
        .attributes([
            attribute!(c"__self__", owner),
            attribute!(c"__name__", name),
            attribute!(c"__qualname__", qualified_name),
        ])
        .build(None)?;
    STEPPER.set(type_of_class(&class));
    Ok(class)
}

fn make(task: &Ref, wakes: bool) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let stepper = unsafe { FREE.allocate(STEPPER.get(), size_of::<Stepper>()) }?;
    fields(&stepper).task.set(task.clone());
    fields(&stepper).wakes.set(wakes);
    track(&stepper);
    Ok(stepper)
}

/// A callable that steps the task.
pub fn step(task: &Ref) -> Result<Ref> {
    make(task, false)
}

/// A callable that steps the task with the outcome of the future it is called with.
pub fn wakeup(task: &Ref) -> Result<Ref> {
    make(task, true)
}

/// Whether `callable` is what [`wakeup`] makes for this task.
pub fn is_wakeup_of(callable: &Ref, task: &Ref) -> Result<bool> {
    Ok(callable.is_exact(STEPPER.get())
        && fields(callable).wakes.get()
        && fields(callable).task.peek() == task.as_ptr())
}

fn call(stepper: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some(task) = fields(stepper).task.get() else {
        return Ok(none());
    };
    let thrown = if fields(stepper).wakes.get() {
        wake(&task, args.one("task_wakeup")?)
    } else {
        args.bind::<0>("task_step", [], 0, 0)?;
        body(&task)
            .future
            .rare()
            .and_then(|rare| rare.throw_next.take())
    };
    drop(body(&task).waiting_on.take());
    let event_loop = outcome_loop(&task)?;
    current::enter(&event_loop, &task)?;
    let stepped = step::step(&task, thrown).and_then(|then| resume_elsewhere(&task, then));
    // Leaving may fail too; the step's own exception counts more.
    match stepped {
        Ok(()) => current::leave(&event_loop, &task)?,
        Err(_) => {
            let raised = take_raised();
            if current::leave(&event_loop, &task).is_err() {
                drop(take_raised());
            }
            if let Some(raised) = raised {
                return crate::native::raise_object(raised);
            }
        }
    }
    Ok(none())
}

fn outcome_loop(task: &Ref) -> Result<Ref> {
    outcome::ensure_alive(&body(task).future)?;
    Ok(body(task).future.event_loop.get().expect("checked above"))
}

/// Ends the wait for `waited`: what to throw into the coroutine, if anything.
fn wake(task: &Ref, waited: &Ref) -> Option<Ref> {
    crate::compat::awaited_by::discard(waited, task).ok();
    let result = match future::native(waited) {
        Some(fut) => return outcome_to_throw(waited, fut),
        None => waited.call_method(&names().result, []),
    };
    match result {
        Ok(_) => None,
        Err(_) => take_raised(),
    }
}

/// What a native future that is done means for the task that waited for it.
#[inline]
pub fn outcome_to_throw(waited: &Ref, fut: &future::FutureBody) -> Option<Ref> {
    match fut.state.get() {
        State::Finished => None,
        State::Failed => Some(outcome::failure(fut)),
        State::Cancelled | State::Pending => match outcome::result(waited) {
            Ok(_) => None,
            Err(_) => take_raised(),
        },
    }
}

fn owner(stepper: &Ref) -> Result<Ref> {
    Ok(fields(stepper).task.get().unwrap_or_else(none))
}

/// A wakeup is shown as the method it stands for; a step has no name, as in asyncio.
fn name(stepper: &Ref) -> Result<Ref> {
    if fields(stepper).wakes.get() {
        return string("task_wakeup");
    }
    // SAFETY: a static exception class.
    raise(unsafe { ffi::PyExc_AttributeError }, c"__name__")
}

/// As a bound method shows itself: with the class of its task.
fn qualified_name(stepper: &Ref) -> Result<Ref> {
    let (true, Some(task)) = (fields(stepper).wakes.get(), fields(stepper).task.get()) else {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_AttributeError }, c"__qualname__");
    };
    // SAFETY: a live type.
    let class = unsafe { Ref::borrowed(task.type_ptr().cast()) };
    let class = class.getattr(&string("__qualname__")?)?;
    string(&format!("{}.task_wakeup", crate::native::text_of(&class)?))
}

/// Two are equal if they do the same to the same task, as bound methods are.
unsafe extern "C" fn compare(
    a: *mut ffi::PyObject,
    b: *mut ffi::PyObject,
    op: c_int,
) -> *mut ffi::PyObject {
    crate::native::trampoline::guard_object(|| {
        // SAFETY: the interpreter passes live objects, the first of our type.
        let (a, b) = unsafe { (Ref::view(&a), Ref::view(&b)) };
        if !b.is_exact(STEPPER.get()) || !(op == ffi::Py_EQ || op == ffi::Py_NE) {
            // SAFETY: a static of the interpreter.
            return Ok(unsafe { Ref::borrowed(ffi::Py_NotImplemented()) });
        }
        let (a, b) = (fields(a), fields(b));
        let same = a.task.peek() == b.task.peek() && a.wakes.get() == b.wakes.get();
        Ok(crate::native::boolean(same == (op == ffi::Py_EQ)))
    })
}

unsafe extern "C" fn hash(slf: *mut ffi::PyObject) -> ffi::Py_hash_t {
    // SAFETY: the interpreter passes a live object of our type.
    let stepper = fields(unsafe { Ref::view(&slf) });
    ((stepper.task.peek() as usize >> 4) | usize::from(stepper.wakes.get())) as ffi::Py_hash_t
        & !(1 << 62)
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let stepper = Ref::view(&slf);
        let status = visit(stepper.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        fields(stepper).task.traverse(visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        drop(fields(unsafe { Ref::view(&slf) }).task.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            crate::native::gc::untrack(Ref::view(&slf));
            drop(fields(Ref::view(&slf)).task.take());
            FREE.recycle(slf);
        }
        Ok(())
    });
}
