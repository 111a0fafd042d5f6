//! What Python sees of a native coroutine: the methods of `collections.abc.Coroutine`, and the attributes
//! by which `inspect`, `asyncio` and warnings describe one.

use std::ffi::c_void;
use std::ptr;

use pyo3::ffi;

use crate::future::iterator::thrown_exception;
use crate::native::trampoline::guard;
use crate::native::types::TypeBuilder;
use crate::native::{Args, Ref, Result, boolean, none, string};
use crate::{attribute, method, method0, method1, unary_slot};

use super::drive;
use super::function::origin_of;
use super::object::{State, fields};

/// Gives the type its methods and attributes.
pub fn fill(builder: TypeBuilder) -> TypeBuilder {
    builder
        .slot(unary_slot!(Py_am_await, begin))
        .slot((ffi::Py_am_send, am_send as *mut c_void))
        // For `yield from` in the generators of `types.coroutine`.
        .slot(unary_slot!(Py_tp_iter, super::wrapper::wrap))
        .slot((ffi::Py_tp_iternext, next as *mut c_void))
        .slot(unary_slot!(Py_tp_repr, repr))
        .methods([
            method1!(c"send", send, c"send($self, value, /)\n--\n\n"),
            method!(
                c"throw",
                throw,
                c"throw($self, type, value=None, traceback=None, /)\n--\n\n"
            ),
            await_method(),
            method0!(c"close", close, c"close($self, /)\n--\n\n"),
        ])
        .attributes([
            attribute!(c"__name__", name),
            attribute!(c"__qualname__", qualified_name),
            attribute!(c"__self__", owner),
            attribute!(c"cr_running", running),
            attribute!(c"cr_suspended", suspended),
            attribute!(c"cr_await", awaiting),
            attribute!(c"cr_code", code),
            attribute!(c"cr_frame", frame),
            attribute!(c"cr_origin", nothing),
        ])
}

/// `__await__()` as Python code calls it, beside the interpreter's own slot.
fn await_method() -> ffi::PyMethodDef {
    let mut method = method0!(
        c"__await__",
        super::wrapper::wrap,
        c"__await__($self, /)\n--\n\n"
    );
    method.ml_flags |= ffi::METH_COEXIST;
    method
}

/// `await` of it: the object itself, unless somebody awaits it or it is over.
#[inline]
pub fn begin(coroutine: &Ref) -> Result<Ref> {
    match fields(coroutine).state.get() {
        // One that runs says so when it is resumed.
        State::Created | State::Running => Ok(coroutine.clone()),
        State::Suspended => drive::being_awaited(),
        State::Closed => drive::already_awaited(),
    }
}

unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guard(ptr::null_mut(), || {
        // SAFETY: the interpreter passes a live object; `None` is a static.
        let (coroutine, value) = unsafe { (Ref::view(&slf), ffi::Py_None()) };
        // SAFETY: as above.
        drive::send(coroutine, unsafe { Ref::view(&value) })?.into_next_of(coroutine)
    })
}

unsafe extern "C" fn am_send(
    slf: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    guard(ffi::PySendResult::PYGEN_ERROR, || {
        // SAFETY: the interpreter passes live objects, and where it wants the result.
        unsafe { Ok(drive::send(Ref::view(&slf), Ref::view(&value))?.into_am_send(result)) }
    })
}

pub fn send(coroutine: &Ref, value: &Ref) -> Result<Ref> {
    drive::send(coroutine, value)?.into_send()
}

pub fn throw(coroutine: &Ref, args: Args<'_>) -> Result<Ref> {
    let [class, value, traceback] = args.bind("throw", ["type", "value", "traceback"], 3, 1)?;
    let exception = thrown_exception(class.expect("required"), value, traceback)?;
    drive::throw(coroutine, exception)?.into_send()
}

pub fn close(coroutine: &Ref) -> Result<Ref> {
    drive::close(coroutine).map(|()| none())
}

/// As a coroutine shows itself.
fn repr(coroutine: &Ref) -> Result<Ref> {
    string(&format!(
        "<coroutine object {} at {:p}>",
        fields(coroutine).definition().qualname,
        coroutine.as_ptr()
    ))
}

fn name(coroutine: &Ref) -> Result<Ref> {
    string(fields(coroutine).definition().name)
}

fn qualified_name(coroutine: &Ref) -> Result<Ref> {
    string(fields(coroutine).definition().qualname)
}

/// The object whose method this is a call of (a lock, a queue), for those who ask what a task waits for.
fn owner(coroutine: &Ref) -> Result<Ref> {
    let own = fields(coroutine);
    let is_method = own.definition().is_method();
    Ok(own
        .first_argument()
        .filter(|_| is_method)
        .unwrap_or_else(none))
}

fn running(coroutine: &Ref) -> Result<Ref> {
    Ok(boolean(fields(coroutine).state.get() == State::Running))
}

fn suspended(coroutine: &Ref) -> Result<Ref> {
    Ok(boolean(fields(coroutine).state.get() == State::Suspended))
}

fn awaiting(coroutine: &Ref) -> Result<Ref> {
    Ok(fields(coroutine).awaiting.get().unwrap_or_else(none))
}

fn code(coroutine: &Ref) -> Result<Ref> {
    let origin = origin_of(fields(coroutine).definition());
    Ok(origin.map_or_else(none, |origin| origin.code()))
}

fn frame(coroutine: &Ref) -> Result<Ref> {
    let own = fields(coroutine);
    match origin_of(own.definition()) {
        Some(origin) if own.state.get() != State::Closed => origin.frame(),
        _ => Ok(none()),
    }
}

fn nothing(_: &Ref) -> Result<Ref> {
    Ok(none())
}
