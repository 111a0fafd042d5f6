//! Waiting for the end of a child process: a reader of the loop, called when the child's descriptor is readable.
//!
//! Each child is waited for by itself, by the loop that started it. There is no watcher that all loops share, no
//! signal handler, and no thread. The descriptor is owned by the callback, so it is closed when the child has ended,
//! or when the loop is closed before, whichever comes first.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::eventloop::{self, watch};
use crate::imports::{imports, names};
use crate::native::gc::{generic_alloc, release};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{
    Args, Raised, Ref, Result, Slot, boolean, integer, is_os_error, items, none, raised, string,
    take_raised,
};
use crate::statics::{TypeCell, unset};
use crate::system::process::ProcessFd;
use crate::{attribute, call_slot, unary_slot};

static WATCH: TypeCell = unset();

/// A callable that looks whether a child has ended.
#[repr(C)]
struct ChildWatch {
    head: ffi::PyObject,
    /// The loop that waits.
    event_loop: Slot,
    /// The transport that is told.
    transport: Slot,
    /// The child; empty once it has ended. Boxed, so that all zero bytes are none.
    child: Cell<Option<Box<ProcessFd>>>,
    pid: Cell<c_int>,
}

fn fields(watch: &Ref) -> &ChildWatch {
    // SAFETY: only called for instances of `WATCH`, which cannot be subclassed.
    unsafe { &*watch.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.ChildWatch", size_of::<ChildWatch>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .slot(call_slot!(call))
        .slot(unary_slot!(Py_tp_repr, repr))
        .attributes([attribute!(c"__qualname__", qualname)])
        .build(None)?;
    WATCH.set(type_of_class(&class));
    Ok(())
}

/// `_watch_child(transport)`: has the transport's loop wait for its process. False if the system has no descriptors
/// for processes, or does not watch this one; then somebody else has to wait.
pub fn watch_method(_module: &Ref, transport: &Ref) -> Result<Ref> {
    let event_loop = transport.getattr(&names().loop_attr)?;
    let pid = transport.call_method(&names().get_pid, [])?;
    // SAFETY: live.
    let pid = unsafe { ffi::PyLong_AsLong(pid.as_ptr()) };
    if pid == -1 && raised() {
        return Err(Raised);
    }
    let (Ok(pid), Some(_)) = (c_int::try_from(pid), eventloop::native(&event_loop)) else {
        return Ok(boolean(false));
    };
    let Some(child) = ProcessFd::open(pid) else {
        return Ok(boolean(false));
    };
    let number = child.number();
    // SAFETY: a finished type; all zero bytes are a watch without a child.
    let callback = unsafe { generic_alloc(WATCH.get()) }?;
    let own = fields(&callback);
    own.event_loop.set(event_loop.clone());
    own.transport.set(transport.clone());
    own.child.set(Some(Box::new(child)));
    own.pid.set(pid);
    match watch::watch(&event_loop, number, true, &callback) {
        Ok(()) => Ok(boolean(true)),
        Err(Raised) if is_os_error() => {
            drop(take_raised());
            Ok(boolean(false))
        }
        Err(Raised) => Err(Raised),
    }
}

fn call(callback: &Ref, args: Args<'_>) -> Result<Ref> {
    if !args.is_empty() {
        // SAFETY: a static exception class.
        let class = unsafe { ffi::PyExc_TypeError };
        return crate::native::raise(class, c"a child watch takes no arguments");
    }
    let own = fields(callback);
    let Some(child) = own.child.take() else {
        return Ok(none());
    };
    let code = exit_code(own.pid.get());
    if matches!(code, Ok(Code::None)) {
        own.child.set(Some(child));
        return Ok(none());
    }
    let (Some(event_loop), Some(transport)) = (own.event_loop.take(), own.transport.take()) else {
        return Ok(none());
    };
    crate::native::aside(|| watch::unwatch(&event_loop, child.number(), true))?;
    drop(child);
    let code = match code? {
        Code::Known(code) => code,
        Code::Unknown | Code::None => unknown_code(own.pid.get(), &transport)?,
    };
    let pid = number(own.pid.get())?;
    // What follows is in which turn the transport is told; no two versions agree on it.
    event_loop.call_method(&names().child_watcher_callback, [&pid, &code, &transport])
}

/// How a child has ended.
enum Code {
    /// It has not.
    None,
    /// As Python has it: with a status, or by minus a signal.
    Known(Ref),
    /// Somebody else has waited for it.
    Unknown,
}

/// `os.waitpid(pid, os.WNOHANG)`. By name, for those who count and mock what waits for processes.
fn exit_code(pid: c_int) -> Result<Code> {
    let waited = imports()
        .os
        .call_method(&names().waitpid, [&number(pid)?, &imports().wnohang]);
    let pair = match waited {
        Ok(pair) => items(&pair),
        // SAFETY: a static exception class; an exception is set.
        Err(_) if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_ChildProcessError) } != 0 => {
            drop(take_raised());
            return Ok(Code::Unknown);
        }
        Err(raised) => return Err(raised),
    };
    match pair.as_slice() {
        [ended, status] if ended.truthy()? => imports()
            .waitstatus_to_exitcode
            .call([status])
            .map(Code::Known),
        _ => Ok(Code::None),
    }
}

fn number(value: c_int) -> Result<Ref> {
    // SAFETY: attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromLong(value.into())) }
}

/// Somebody else has waited for the child. If it was its own `Popen`, that knows how it ended; otherwise asyncio
/// has a number for it.
#[cold]
fn unknown_code(pid: c_int, transport: &Ref) -> Result<Ref> {
    let process = transport.getattr(&string("_proc")?)?;
    if !process.is_none() {
        let code = process.getattr(&string("returncode")?)?;
        if !code.is_none() {
            return Ok(code);
        }
    }
    let text = "child process pid %d exit status already read:  will report returncode 255";
    imports()
        .logger
        .call_method(&string("warning")?, [&string(text)?, &number(pid)?])?;
    integer(255)
}

fn repr(callback: &Ref) -> Result<Ref> {
    string(&format!(
        "<watch of child process {}>",
        fields(callback).pid.get()
    ))
}

fn qualname(_: &Ref) -> Result<Ref> {
    string("ChildWatch")
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let callback = Ref::view(&slf);
        let own = fields(callback);
        let slots = [&own.event_loop, &own.transport];
        crate::native::gc::traverse(callback, slots, visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        let own = fields(unsafe { Ref::view(&slf) });
        drop(own.transport.take());
        drop(own.event_loop.take());
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            ffi::PyObject_GC_UnTrack(slf.cast());
            let own = fields(Ref::view(&slf));
            drop(own.child.take());
            drop(own.transport.take());
            drop(own.event_loop.take());
            release(slf);
        }
        Ok(())
    });
}
