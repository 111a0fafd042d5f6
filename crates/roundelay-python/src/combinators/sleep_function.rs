//! `sleep` itself.
//!
//! It is an object and not a plain builtin so that it can carry the marks by which `asyncio` and `inspect`
//! know a coroutine function.

use std::mem::offset_of;

use pyo3::ffi;

use crate::attribute;
use crate::imports::imports;
use crate::native::trampoline::guard_object;
use crate::native::types::{TypeBuilder, WeakList, set_type_attribute, type_of_class};
use crate::native::{Args, Ref, Result, none, raise, string, tuple};
use crate::statics::{TypeCell, unset};
use crate::unary_slot;

use super::sleep;

static SLEEP_FUNCTION: TypeCell = unset();

/// The callable. It has no state but its entry point.
#[repr(C)]
struct SleepFunction {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    weak: WeakList,
}

/// Makes the type and returns the function.
pub fn make() -> Result<Ref> {
    let class = TypeBuilder::new(c"roundelay.SleepFunction", size_of::<SleepFunction>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .called_at(offset_of!(SleepFunction, vectorcall))
        .weakly_referable(offset_of!(SleepFunction, weak))
        .doc(c"sleep(delay, result=None)\n--\n\nCoroutine that completes after a given time (in seconds).")
        .slot(unary_slot!(Py_tp_repr, repr))
        .attributes([
            attribute!(c"__name__", name),
            attribute!(c"__qualname__", name),
            attribute!(c"__signature__", signature),
        ])
        .build(None)?;
    SLEEP_FUNCTION.set(type_of_class(&class));
    set_type_attribute(&class, c"__module__", &string("roundelay")?)?;
    set_type_attribute(&class, c"__defaults__", &tuple(&[&none()])?)?;
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
        match (args.positional, args.no_keywords()) {
            ([delay], true) => sleep::make(delay, None),
            ([delay, result], true) => sleep::make(delay, Some(result)),
            _ => call_by_name(&args),
        }
    })
}

#[cold]
fn call_by_name(args: &Args<'_>) -> Result<Ref> {
    let [delay, result] = args.bind("sleep", ["delay", "result"], 2, 0)?;
    match delay {
        Some(delay) => sleep::make(delay, result),
        // SAFETY: a static exception class.
        None => raise(
            unsafe { ffi::PyExc_TypeError },
            c"sleep() missing 1 required positional argument: 'delay'",
        ),
    }
}

fn repr(_: &Ref) -> Result<Ref> {
    string("<function sleep>")
}

fn name(_: &Ref) -> Result<Ref> {
    string("sleep")
}

/// The signature of asyncio's own function, which is the same.
fn signature(_: &Ref) -> Result<Ref> {
    let inspect = crate::native::import(c"inspect")?;
    inspect.call_method(&string("signature")?, [&imports().stock_sleep])
}
