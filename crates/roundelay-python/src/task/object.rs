//! Life of a Task object: type, creation, `__init__`, collection, end.

use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::layout::{
    BODY, base_words, mark_as_task, release_base_words, set_base_word, traverse_base_words,
};
use crate::compat::{context, registry};
use crate::eventloop::{self, Word};
use crate::future::object::{adjust_type, base_builder, end, initialise};
use crate::future::{self, outcome};
use crate::imports::{imports, names};
use crate::init_slot;
use crate::native::gc::{FreeList, generic_alloc};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, aside, boolean, dict, none, raise_text, repr, string};
use crate::statics::{GilCell, TypeCell, unset};

use super::body::{TaskBody, body};
use super::{eager, members, wakeup};

/// The type `roundelay.Task`.
pub static TASK: TypeCell = unset();

/// Finished tasks whose memory is kept: enough for a wide gather not to go through the system each time.
static FREE: FreeList = FreeList::new(300_000);

/// The size of a task.
pub const SIZE: usize = BODY + size_of::<TaskBody>();

static COUNTER: GilCell<u64> = GilCell::new(0);

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let class = base_builder(c"roundelay.Task", SIZE)
        .doc(c"Task(coro, *, loop=None, name=None, context=None, eager_start=False)\n--\n\nA coroutine wrapped in a Future; asyncio.Task, native.")
        .slot((ffi::Py_tp_new, new as *mut c_void))
        .slot((ffi::Py_tp_finalize, finalize as *mut c_void))
        .slot(crate::unary_slot!(Py_tp_repr, members::repr))
        .slot(init_slot!(init))
        .methods(members::methods())
        .attributes(members::attributes())
        .collected(dealloc, traverse, clear)
        .build(Some(&imports().task_class))?;
    adjust_type(&class);
    TASK.set(type_of_class(&class));
    Ok(class)
}

/// What a task is made with beside its coroutine and loop.
#[derive(Default)]
pub struct Options<'a> {
    /// `name=`
    pub name: Option<&'a Ref>,
    /// `context=`
    pub context: Option<&'a Ref>,
    /// `eager_start=`
    pub eager_start: bool,
}

/// `loop.create_task(coro)` of a native loop without a task factory.
#[inline]
pub fn create(event_loop: &Ref, coro: &Ref, options: Options<'_>) -> Result<Ref> {
    // SAFETY: the type is made, `SIZE` is its basic size.
    let task = unsafe { FREE.allocate(TASK.get(), SIZE) }?;
    if eventloop::data(event_loop).debug.get() {
        initialise(&task, Some(event_loop))?;
    } else {
        body(&task).future.event_loop.fill(event_loop.clone());
        body(&task).future.native_loop.set(true);
    }
    start(&task, coro, options)?;
    Ok(task)
}

unsafe extern "C" fn new(
    ty: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: a finished type, ours or a subclass of ours.
        unsafe {
            if ty == TASK.get() {
                FREE.allocate(ty, SIZE)
            } else {
                generic_alloc(ty)
            }
        }
    })
}

fn init(task: &Ref, args: Args<'_>) -> Result<()> {
    let names = ["coro", "loop", "name", "context", "eager_start"];
    let [coro, event_loop, name, context, eager_start] = args.bind("Task", names, 1, 1)?;
    if eager_start.is_some() && !cfg!(Py_3_12) {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_TypeError },
            "Task() got an unexpected keyword argument 'eager_start'",
        );
    }
    initialise(task, event_loop)?;
    let eager_start = match eager_start {
        Some(flag) => flag.truthy()?,
        None => false,
    };
    start(
        task,
        coro.expect("required"),
        Options {
            name,
            context,
            eager_start,
        },
    )
}

/// Everything of `Task.__init__` behind `Future.__init__`.
fn start(task: &Ref, coro: &Ref, options: Options<'_>) -> Result<()> {
    let fields = body(task);
    if !is_coroutine(coro)? {
        fields.flags().log_destroy_pending.set(false);
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_TypeError },
            &format!("a coroutine was expected, got {}", repr(coro)?),
        );
    }
    let context = match options.context.filter(|given| !given.is_none()) {
        Some(context) => context.clone(),
        None if fields.future.native_loop.get() && !options.eager_start => context::capture()?,
        None => Ref::copied_context()?,
    };
    fields.context.set(context);
    drop(fields.waiting_on.take());
    fields.flags().must_cancel.set(false);
    fields.flags().log_destroy_pending.set(true);
    fields.cancel_requests.set(0);
    fields.coro.set(coro.clone());
    mark_as_task(task);
    let words = base_words();
    set_base_word(task, words.coro, coro);
    set_base_word(task, words.context, &none());
    match options.name.filter(|given| !given.is_none()) {
        Some(name) => members::assign_name(task, name)?,
        None => {
            let number = COUNTER.get() + 1;
            COUNTER.set(number);
            fields.label.set_number(number);
            registry::number_task(task, number)?;
        }
    }
    if options.eager_start && eager::loop_is_running(task)? {
        return eager::start(task);
    }
    if !fields.future.native_loop.get() {
        registry::before_stray_task()?;
    }
    schedule_step(task)?;
    registry::register(task)
}

/// Queues a step of the task.
pub fn schedule_step(task: &Ref) -> Result<()> {
    let fields = body(task);
    if fields.future.native_loop.get() {
        return eventloop::push(&fields.future, Word::step(task.clone()));
    }
    let event_loop = fields.future.event_loop.get().expect("set by __init__");
    let context =
        context::own(&fields.context, &fields.future.event_loop)?.expect("set by __init__");
    eventloop::call_soon(&event_loop, false, &wakeup::step(task)?, None, &context)
}

/// Whether asyncio takes the object for a coroutine.
#[inline]
pub fn is_coroutine(object: &Ref) -> Result<bool> {
    // SAFETY: live.
    if unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) != 0 }
        || crate::coroutine::object::is_native(object)
    {
        return Ok(true);
    }
    imports().iscoroutine.call([object])?.truthy()
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live task.
    unsafe {
        let status = body(Ref::view(&slf)).traverse(visit, arg);
        if status != 0 {
            return status;
        }
        let status = traverse_base_words(slf, visit, arg);
        if status != 0 {
            return status;
        }
        future::object::traverse(slf, visit, arg)
    }
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live task.
        unsafe {
            super::body::clear(Ref::view(&slf));
            future::object::clear(slf);
        }
        Ok(0)
    })
}

/// A task that goes while it is pending is reported, and then as any future.
unsafe extern "C" fn finalize(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: the interpreter passes an object that is alive again for this call.
        let task = unsafe { Ref::view(&slf) };
        let fields = body(task);
        // First of all: a report may keep the task, which nobody should find among the living.
        registry::unregister(task);
        if fields.future.is_pending() && fields.flags().log_destroy_pending.get() {
            aside(|| {
                let report = || -> Result<()> {
                    let message = string("Task was destroyed but it is pending!")?;
                    outcome::call_exception_handler(
                        task,
                        &dict(&[(c"task", task), (c"message", &message)])?,
                    )
                };
                if report().is_err() {
                    crate::native::write_unraisable(task);
                }
            });
        }
        outcome::report_unretrieved(task);
        Ok(())
    });
}

/// Whether the finalizer would do anything.
fn has_report(task: &Ref) -> bool {
    let fields = body(task);
    registry::is_registered(task) || fields.future.is_pending() || fields.future.log_traceback.get()
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called by the interpreter when the last reference is gone.
        unsafe {
            end(slf, TASK.get(), &FREE, has_report, |task| {
                registry::unregister_dying(task);
                super::body::clear(task);
                release_base_words(task);
            });
        }
        Ok(())
    });
}

/// Sets `_log_destroy_pending` of any future-like object to false.
pub fn forget_destroy_pending(task: &Ref) -> Result<()> {
    if task.is_exact(TASK.get()) {
        body(task).flags().log_destroy_pending.set(false);
        return Ok(());
    }
    task.setattr(&names().log_destroy_pending, &boolean(false))
}
