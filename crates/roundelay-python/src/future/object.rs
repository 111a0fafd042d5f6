//! Life of a Future object: type, creation, `__init__`, collection, end.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::layout::BODY;
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::gc::{FreeList, generic_alloc, release, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result};
use crate::statics::{TypeCell, unset};
use crate::{init_slot, unary_slot};

use super::body::{FutureBody, State, body};
use super::{members, outcome};

/// The type `roundelay.Future`.
pub static FUTURE: TypeCell = unset();

static FREE: FreeList = FreeList::new(1024);

const SIZE: usize = BODY + size_of::<FutureBody>();

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let class = base_builder(c"roundelay.Future", SIZE)
        .doc(c"Future(*, loop=None)\n--\n\nA value that will be there later; asyncio.Future, native.")
        .slot((ffi::Py_tp_new, new as *mut c_void))
        .slot(init_slot!(init))
        .collected(dealloc, traverse, clear)
        .build(Some(&imports().future_class))?;
    adjust_type(&class);
    FUTURE.set(type_of_class(&class));
    Ok(class)
}

/// What Future, Task and the gather's future have in common.
pub fn base_builder(name: &'static std::ffi::CStr, size: usize) -> TypeBuilder {
    TypeBuilder::new(name, size)
        .flags(ffi::Py_TPFLAGS_BASETYPE)
        .slot((ffi::Py_tp_finalize, finalize as *mut c_void))
        .slot(unary_slot!(Py_tp_iter, super::iterator::iterate))
        .slot(unary_slot!(Py_am_await, super::iterator::iterate))
        .slot(unary_slot!(Py_tp_repr, members::repr))
        .methods(members::methods())
        .attributes(members::attributes())
}

/// Since 3.13 a type with a managed dict may keep its values inline, behind the basic size, set up by
/// the generic allocator only. Our objects come from free lists, so that flag must not be there.
pub fn adjust_type(class: &Ref) {
    #[cfg(Py_3_13)]
    // SAFETY: the type was just made; nobody else has seen it.
    unsafe {
        const INLINE_VALUES: std::ffi::c_ulong = 1 << 2;
        (*type_of_class(class)).tp_flags &= !INLINE_VALUES;
        ffi::PyType_Modified(type_of_class(class));
    }
    #[cfg(not(Py_3_13))]
    let _ = class;
}

/// `loop.create_future()`: a future of a native loop.
#[inline]
pub fn new_pending(event_loop: &Ref) -> Result<Ref> {
    // SAFETY: the type is made, `SIZE` is its basic size.
    let future = unsafe { FREE.allocate(FUTURE.get(), SIZE) }?;
    let fut = body(&future);
    fut.event_loop.fill(event_loop.clone());
    fut.native_loop.set(true);
    if eventloop::data(event_loop).debug.get() {
        remember_source(fut)?;
    }
    track(&future);
    Ok(future)
}

unsafe extern "C" fn new(
    ty: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    crate::native::trampoline::guard_object(|| {
        // SAFETY: a finished type, ours or a subclass of ours.
        unsafe {
            if ty == FUTURE.get() {
                let future = FREE.allocate(ty, SIZE)?;
                track(&future);
                Ok(future)
            } else {
                generic_alloc(ty)
            }
        }
    })
}

fn init(future: &Ref, args: Args<'_>) -> Result<()> {
    let [event_loop] = args.bind("Future", ["loop"], 0, 0)?;
    initialise(future, event_loop)
}

/// What `Future.__init__` does, also for tasks: forgets everything, takes the loop, remembers the
/// source in debug mode.
pub fn initialise(future: &Ref, event_loop: Option<&Ref>) -> Result<()> {
    let fut = body(future);
    fut.clear();
    fut.state.set(State::Pending);
    fut.blocking.set(false);
    fut.log_traceback.set(false);
    let event_loop = match event_loop.filter(|given| !given.is_none()) {
        Some(event_loop) => event_loop.clone(),
        None => eventloop::current_or_policy()?,
    };
    fut.native_loop.set(eventloop::is_native(&event_loop));
    fut.event_loop.set(event_loop.clone());
    let debug = match eventloop::native(&event_loop) {
        Some(native) => native.debug.get(),
        None => event_loop.call_method(&names().get_debug, [])?.truthy()?,
    };
    if debug {
        remember_source(fut)?;
    }
    Ok(())
}

fn remember_source(fut: &FutureBody) -> Result<()> {
    // SAFETY: takes no arguments. During shutdown the traceback module may be gone.
    if unsafe { crate::compat::is_finalizing() } {
        return Ok(());
    }
    let stack = imports().traceback_extract_stack.call([])?;
    fut.rare_mut().source_traceback.set(stack);
    Ok(())
}

/// `tp_traverse` of every native future: our fields, the type, the dict and, on 3.14, who awaits it.
pub unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object; nothing here counts or calls.
    unsafe {
        let future = Ref::view(&slf);
        let status = visit(future.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        let status = crate::compat::instance_dict::traverse(slf, visit, arg);
        if status != 0 {
            return status;
        }
        let status = crate::compat::awaited_by::traverse(slf, visit, arg);
        if status != 0 {
            return status;
        }
        body(future).traverse(visit, arg)
    }
}

/// `tp_clear` of every native future.
pub unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        unsafe {
            body(Ref::view(&slf)).clear();
            crate::compat::instance_dict::clear(slf);
            crate::compat::awaited_by::clear(slf);
        }
        Ok(0)
    })
}

unsafe extern "C" fn finalize(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: the interpreter passes an object that is alive again for this call.
        outcome::report_unretrieved(unsafe { Ref::view(&slf) });
        Ok(())
    });
}

/// Ends an object of any native future type; `free` says what happens to the memory of an exact one,
/// `has_report` whether its finalizer would do anything.
///
/// # Safety
/// Called from `tp_dealloc`. `clear_more` drops the fields that the type adds.
pub unsafe fn end(
    slf: *mut ffi::PyObject,
    exact: *mut ffi::PyTypeObject,
    free: &FreeList,
    has_report: impl FnOnce(&Ref) -> bool,
    clear_more: impl FnOnce(&Ref),
) {
    // SAFETY: as `tp_dealloc` prescribes: finalise (which may bring the object back), untrack, drop
    // weak references, dict and fields, and give the memory back last.
    unsafe {
        let object = Ref::view(&slf);
        // Nobody can have given an exact native type a `__del__`, so its finalizer is called if it has
        // something to say.
        if (object.type_ptr() != exact || has_report(object))
            && ffi::PyObject_CallFinalizerFromDealloc(slf) < 0
        {
            return;
        }
        crate::native::gc::untrack(Ref::view(&slf));
        crate::compat::instance_dict::clear_weakrefs(slf);
        clear_more(object);
        body(object).clear();
        crate::compat::instance_dict::clear(slf);
        crate::compat::awaited_by::clear(slf);
        if object.type_ptr() == exact {
            free.recycle(slf);
        } else {
            release(slf);
        }
    }
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called by the interpreter when the last reference is gone.
        unsafe {
            end(
                slf,
                FUTURE.get(),
                &FREE,
                |future| body(future).log_traceback.get(),
                |_| (),
            )
        };
        Ok(())
    });
}
