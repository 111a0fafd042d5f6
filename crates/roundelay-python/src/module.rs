//! The module object: types and functions by name.

use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use crate::combinators::{self, create, gather, sleep, sleep_function, sleep_future};
use crate::compat::{
    awaitable, awaited_by, behaviour, completion_behaviour, context, current, deque_length,
    file_descriptor, gc_list, group_behaviour, layout, registry, server_behaviour,
    socket_descriptor, transport_behaviour,
};
use crate::connections;
use crate::coroutine;
use crate::datagrams;
use crate::eventloop::{self, handle};
use crate::future;
use crate::imports;
use crate::native::{self, Raised, Ref, Result, list, none};
use crate::pipes;
use crate::queues;
use crate::servers;
use crate::sockets;
use crate::statics::Once;
use crate::streams;
use crate::subprocess;
use crate::sync;
use crate::task;
use crate::taskgroup;
use crate::timeouts;
use crate::tls;
use crate::transports;
use crate::waiting;
use crate::{method, method0, method1};

/// The first module that was filled.
static FIRST: Once<First> = Once::new();

struct First {
    /// The number of the interpreter that imported it, which no other one has until Python ends.
    interpreter: i64,
    /// What it was filled with.
    content: Ref,
}

/// Whether Python has ended in this process. What the module was filled with is gone then.
static ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn python_ended() {
    ENDED.store(true, Ordering::Relaxed);
}

/// Fills `roundelay._core`. A program that forgets its modules and imports them again gets the same types and
/// functions again: there is one of each in a process, and objects of them may be alive.
#[pymodule(name = "_core", gil_used = true)]
fn core_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let pointer = module.as_ptr();
    // SAFETY: the module is alive for this call.
    let module_ref = unsafe { Ref::view(&pointer) };
    let filled = match FIRST.find() {
        None => fill(module_ref),
        Some(_) if ENDED.load(Ordering::Relaxed) => refuse(
            "roundelay was imported before Python ended and began again in this process, and works only once; \
             keep Python running, or begin a new process",
        ),
        Some(first) if first.interpreter != interpreter() => refuse(
            "roundelay works in one interpreter of a process, and another one has imported it already; \
             use it in that one alone, or in a process of its own",
        ),
        Some(first) => fill_again(module_ref, &first.content),
    };
    filled.map_err(|Raised| PyErr::fetch(module.py()))?;
    module.setattr("__version__", env!("CARGO_PKG_VERSION"))
}

/// The number of the interpreter that runs.
fn interpreter() -> i64 {
    // SAFETY: attached, so there is one.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) }
}

/// Raises an `ImportError`. (From 3.12 on Python itself refuses the module to other interpreters, but not to those
/// that share its lock.)
#[cold]
fn refuse(why: &str) -> Result<()> {
    // SAFETY: a static exception class.
    native::raise_text(unsafe { ffi::PyExc_ImportError }, why)
}

/// Puts in what the first module was filled with.
#[cold]
fn fill_again(module: &Ref, content: &Ref) -> Result<()> {
    // SAFETY: both are live; a module's dict is borrowed from it.
    native::check(unsafe {
        ffi::PyDict_Merge(ffi::PyModule_GetDict(module.as_ptr()), content.as_ptr(), 0)
    })
}

fn fill(module: &Ref) -> Result<()> {
    imports::fetch()?;
    gc_list::probe()?;
    layout::probe()?;
    current::probe()?;
    current::probe_running_loop();
    context::probe()?;
    awaited_by::probe()?;
    awaitable::prepare()?;
    behaviour::probe()?;
    group_behaviour::probe()?;
    completion_behaviour::probe()?;
    transport_behaviour::probe()?;
    server_behaviour::probe()?;
    socket_descriptor::probe()?;
    deque_length::probe()?;
    file_descriptor::probe()?;
    add_functions(module)?;
    future::iterator::make_type()?;
    task::wakeup::make_type()?;
    let future_class = future::object::make_type()?;
    let task_class = task::object::make_type()?;
    registry::probe(&task_class)?;
    awaited_by::probe_words(&future_class)?;
    future::collector_callback::make_type()?;
    gather::make_type(&future_class)?;
    sleep_future::FINISH.set(module.getattr(&native::string("_set_result_unless_cancelled")?)?);
    sleep::make_type()?;
    let sleep_function = sleep_function::make()?;
    coroutine::object::make_type()?;
    coroutine::wrapper::make_type()?;
    coroutine::bound::make_type()?;
    coroutine::function::make_type()?;
    native::function::make_type()?;
    sync::copying::prepare(module)?;
    for (name, class) in sync::make_types()? {
        add(module, name, &class)?;
    }
    for (name, class) in queues::make_types()? {
        add(module, name, &class)?;
    }
    let streams = streams::make_types()?;
    for (name, object) in &streams {
        add(module, name, object)?;
    }
    for (name, object) in subprocess::make_types(&streams)? {
        add(module, name, &object)?;
    }
    for (name, function) in combinators::make_functions()? {
        add(module, name, &function)?;
    }
    for (name, object) in timeouts::make_types()? {
        add(module, name, &object)?;
    }
    for (name, function) in waiting::make(module)? {
        add(module, name, &function)?;
    }
    for (name, class) in transports::make_types(module)? {
        add(module, name, &class)?;
    }
    let (name, class) = datagrams::make_type()?;
    add(module, name, &class)?;
    for (name, class) in tls::make_types()? {
        add(module, name, &class)?;
    }
    for (name, class) in pipes::make_types()? {
        add(module, name, &class)?;
    }
    let group_class = taskgroup::make_type()?;
    let (handle_class, timer_class) = handle::make_types()?;
    let loop_class = eventloop::make_type()?;
    sockets::make_types(&loop_class)?;
    servers::make_types()?;
    connections::add_methods(&loop_class)?;
    for (name, object) in [
        (c"Future", future_class),
        (c"Task", task_class),
        (c"Handle", handle_class),
        (c"TimerHandle", timer_class),
        (c"LoopBase", loop_class),
        (c"TaskGroup", group_class),
        (c"sleep", sleep_function),
    ] {
        add(module, name, &object)?;
    }
    // SAFETY: a module has a dict, which is borrowed from it.
    let content =
        unsafe { Ref::owned_or_raised(ffi::PyDict_Copy(ffi::PyModule_GetDict(module.as_ptr())))? };
    // SAFETY: a function that touches nothing of Python's. There is room for it unless 32 others were there before,
    // and it matters only to whoever has Python begin again.
    unsafe { ffi::Py_AtExit(Some(python_ended)) };
    FIRST.set(First {
        interpreter: interpreter(),
        content,
    });
    Ok(())
}

fn add(module: &Ref, name: &CStr, object: &Ref) -> Result<()> {
    // SAFETY: a live module; a reference is counted for it.
    let status: c_int =
        unsafe { ffi::PyModule_AddObjectRef(module.as_ptr(), name.as_ptr(), object.as_ptr()) };
    crate::native::check(status)
}

fn add_functions(module: &Ref) -> Result<()> {
    let table = Box::leak(Box::new([
        method!(c"gather", gather::gather, c"gather(*coros_or_futures, return_exceptions=False)\n--\n\nReturn a future aggregating results from the given coroutines/futures."),
        method!(c"create_task", create::create_task, c"create_task(coro, **kwargs)\n--\n\nSchedule the execution of a coroutine object in a spawn task."),
        method!(c"ensure_future", create::ensure_future_function, c"ensure_future(coro_or_future, *, loop=None)\n--\n\nWrap a coroutine or an awaitable in a future."),
        method!(c"_set_result_unless_cancelled", sleep_future::finish, c"_set_result_unless_cancelled(fut, result)\n--\n\n"),
        method!(c"_as_completed", waiting::as_completed::start_method, c"_as_completed(fs, timeout=None)\n--\n\n"),
        method!(c"_release_waiter", waiting::wait::release_waiter, c"_release_waiter(waiter)\n--\n\n"),
        method1!(c"_register_view", register_view, c"_register_view(show, /)\n--\n\n"),
        method1!(c"_register_loop_class", register_loop_class, c"_register_loop_class(cls)\n--\n\n"),
        method1!(c"_watch_child", subprocess::watch_method, c"_watch_child(transport, /)\n--\n\n"),
        method1!(c"_rebuild", sync::copying::rebuild, c"_rebuild(name, /)\n--\n\n"),
        method1!(c"_waits_for", task::waits_for::waits_for, c"_waits_for(task, /)\n--\n\n"),
        method0!(c"_after_fork", after_fork, c"_after_fork($module, /)\n--\n\nFor os.register_at_fork(after_in_child=...)."),
        method0!(c"_native_tasks", native_tasks, c"_native_tasks()\n--\n\nAll native tasks that are not done (up to Python 3.13)."),
        // SAFETY: an all-null entry ends the table.
        unsafe { std::mem::zeroed() },
    ]));
    // SAFETY: the table is never freed.
    crate::native::check(unsafe { ffi::PyModule_AddFunctions(module.as_ptr(), table.as_mut_ptr()) })
}

fn register_view(_module: &Ref, show: &Ref) -> Result<Ref> {
    registry::call_before_first_stray_task(show);
    Ok(none())
}

fn register_loop_class(_module: &Ref, class: &Ref) -> Result<Ref> {
    eventloop::register_class(class)
}

fn after_fork(_module: &Ref) -> Result<Ref> {
    eventloop::after_fork_in_child();
    Ok(none())
}

fn native_tasks(_module: &Ref) -> Result<Ref> {
    list(registry::snapshot())
}
