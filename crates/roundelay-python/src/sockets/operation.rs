//! Something that is to be done with a socket as soon as the socket is ready for it.
//!
//! asyncio registers a reader or writer, and a callback of the future that takes it away again. Here the
//! reactor is asked to report the descriptor once, so that nothing needs to be taken away when it did.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::os::fd::RawFd;

use pyo3::ffi;

use crate::compat::socket_descriptor::descriptor;
use crate::coroutine::{Flow, Frame};
use crate::eventloop::watch_once;
use crate::future::any;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{
    Raised, Ref, Result, Slot, aside, ends_the_program, none, string, take_raised,
};
use crate::statics::{TypeCell, unset};
use crate::system::Now;
use crate::unary_slot;

use super::checks::no_transport;

static OPERATION: TypeCell = unset();

static FREE: FreeList = FreeList::new(1024);

/// What kind of operation it is.
pub struct Kind {
    /// The loop's method.
    pub name: &'static str,
    /// Whether it waits for the socket to become readable; writable, if not.
    pub readable: bool,
    /// Tries it. Nothing comes back if it would have to wait.
    pub attempt: fn(&Operation) -> Result<Now<Ref>>,
}

/// An operation, which is what the loop calls when the descriptor is ready.
#[repr(C)]
pub struct Operation {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// What it is; always there in a finished object.
    kind: Cell<Option<&'static Kind>>,
    /// The loop.
    pub event_loop: Slot,
    /// The socket.
    pub socket: Slot,
    /// The first argument of the method behind the socket, if it has one.
    pub first: Slot,
    /// The second.
    pub second: Slot,
    /// The handle through which the loop calls it, while it may.
    handle: Slot,
    /// The descriptor that is waited for. Not for system calls.
    fd: Cell<RawFd>,
    /// How much is done (of sending).
    pub count: Cell<usize>,
}

impl Operation {
    fn slots(&self) -> [&Slot; 5] {
        [
            &self.event_loop,
            &self.socket,
            &self.first,
            &self.second,
            &self.handle,
        ]
    }

    /// What a slot holds; all that an operation needs are filled while it can be tried.
    pub fn held(slot: &Slot) -> Ref {
        slot.get().unwrap_or_else(none)
    }

    fn kind(&self) -> &'static Kind {
        self.kind.get().expect("set when it was made")
    }
}

/// The fields of an operation.
pub fn fields(operation: &Ref) -> &Operation {
    debug_assert!(operation.is_exact(OPERATION.get()));
    // SAFETY: only called for instances of `OPERATION`, which cannot be subclassed.
    unsafe { &*operation.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.socket_operation", size_of::<Operation>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .called_at(offset_of!(Operation, vectorcall))
        .slot(unary_slot!(Py_tp_repr, repr))
        .build(None)?;
    OPERATION.set(type_of_class(&class));
    Ok(())
}

/// An operation of `event_loop` on `socket`, with the arguments of its method.
pub fn make(
    kind: &'static Kind,
    event_loop: &Ref,
    socket: &Ref,
    arguments: [Option<Ref>; 2],
) -> Result<Ref> {
    // SAFETY: the type is made and this is its size; a fresh object of it.
    unsafe {
        let operation = FREE.allocate(OPERATION.get(), size_of::<Operation>())?;
        (*operation.as_ptr().cast::<Operation>()).vectorcall = Some(call);
        let own = fields(&operation);
        own.kind.set(Some(kind));
        own.event_loop.set(event_loop.clone());
        own.socket.set(socket.clone());
        let [first, second] = arguments;
        own.first.put(first);
        own.second.put(second);
        track(&operation);
        Ok(operation)
    }
}

/// Tries the operation, and waits for the descriptor if that does not do. `place` is a slot of the coroutine's
/// frame, in which the operation is kept while it waits.
pub fn start(frame: Frame<'_>, place: usize, operation: Ref) -> Result<Flow> {
    let own = fields(&operation);
    match (own.kind().attempt)(own)? {
        Some(value) => Ok(Flow::Return(value)),
        None => wait(frame, place, operation),
    }
}

/// Waits for the descriptor, and then tries.
pub fn wait(frame: Frame<'_>, place: usize, operation: Ref) -> Result<Flow> {
    let own = fields(&operation);
    let event_loop = Operation::held(&own.event_loop);
    let fd = descriptor(&Operation::held(&own.socket))?;
    own.fd.set(fd);
    let future = any::create(&event_loop)?;
    no_transport(&event_loop, fd)?;
    let readable = own.kind().readable;
    let handle = watch_once::watch_once(&event_loop, fd, readable, &operation, &future)?;
    own.handle.set(handle);
    frame.slot(place).set(operation);
    Ok(Flow::Await(future))
}

/// Ends the waiting, however it ended. Called by the coroutine when it is resumed.
pub fn end(frame: Frame<'_>, place: usize) -> Result<()> {
    match frame.slot(place).take() {
        Some(operation) => unwatch(fields(&operation)),
        None => Ok(()),
    }
}

fn unwatch(own: &Operation) -> Result<()> {
    let Some(handle) = own.handle.take() else {
        return Ok(());
    };
    let event_loop = Operation::held(&own.event_loop);
    watch_once::unwatch_handle(&event_loop, own.fd.get(), own.kind().readable, &handle)
}

/// The loop found the descriptor ready: `operation(future)`.
fn ready(operation: &Ref, future: &Ref) -> Result<()> {
    let own = fields(operation);
    // It may have been cancelled in this very turn.
    if any::is_done(future)? {
        return Ok(());
    }
    match (own.kind().attempt)(own) {
        Ok(Some(value)) => {
            unwatch(own)?;
            any::set_result(future, value)
        }
        Ok(None) => match watch_again(own) {
            Ok(()) => Ok(()),
            // The system does not watch it any longer, and nothing else would wake the waiter.
            Err(Raised) => fail(own, future),
        },
        Err(Raised) if ends_the_program() => {
            // Whoever runs the loop once more finds it waiting.
            aside(|| watch_again(own).or_else(|Raised| fail(own, future)))?;
            Err(Raised)
        }
        Err(Raised) => fail(own, future),
    }
}

/// Whoever waits is told what was raised.
#[cold]
fn fail(own: &Operation, future: &Ref) -> Result<()> {
    let exception = take_raised().ok_or(Raised)?;
    aside(|| unwatch(own))?;
    any::set_exception(future, exception)
}

fn watch_again(own: &Operation) -> Result<()> {
    let Some(handle) = own.handle.get() else {
        return Ok(());
    };
    let event_loop = Operation::held(&own.event_loop);
    watch_once::watch_again(&event_loop, own.fd.get(), own.kind().readable, &handle)
}

unsafe extern "C" fn call(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable.
        unsafe {
            if ffi::PyVectorcall_NARGS(flags) == 1 {
                ready(Ref::view(&callable), Ref::view(&*args))?;
            }
        }
        Ok(none())
    })
}

fn repr(operation: &Ref) -> Result<Ref> {
    string(&format!("<{}>", fields(operation).kind().name))
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let operation = Ref::view(&slf);
        crate::native::gc::traverse(operation, fields(operation).slots(), visit, arg)
    }
}

fn drop_references(operation: &Ref) {
    for slot in fields(operation).slots() {
        drop(slot.take());
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        drop_references(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            ffi::PyObject_GC_UnTrack(slf.cast());
            drop_references(Ref::view(&slf));
            FREE.recycle(slf);
        }
        Ok(())
    });
}
