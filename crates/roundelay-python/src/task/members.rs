//! Methods and attributes that a Task has beyond, or in place of, a Future's.

use pyo3::ffi;

use crate::combinators::sleep_future;
use crate::eventloop;
use crate::imports::imports;
use crate::native::{Args, Ref, Result, boolean, integer, none, raise, string};
use crate::{attribute, method, method0, method1};

use super::body::{Sleeping, body};
use super::cancel;

/// The table of methods.
pub fn methods() -> Vec<ffi::PyMethodDef> {
    let mut all = vec![
        method1!(c"set_result", set_result, c"set_result($self, result, /)\n--\n\nNot for tasks."),
        method1!(c"set_exception", set_exception, c"set_exception($self, exception, /)\n--\n\nNot for tasks."),
        method!(c"cancel", cancel_method, c"cancel($self, msg=None)\n--\n\nRequest that this task cancel itself."),
        method0!(
            c"cancelling",
            cancelling,
            c"cancelling($self, /)\n--\n\nReturn the count of the task's cancellation requests."
        ),
        method0!(
            c"uncancel",
            uncancel,
            c"uncancel($self, /)\n--\n\nDecrement the task's count of cancellation requests."
        ),
        method!(
            c"get_stack",
            get_stack,
            c"get_stack($self, *, limit=None)\n--\n\nReturn the list of stack frames for this task's coroutine."
        ),
        method!(
            c"print_stack",
            print_stack,
            c"print_stack($self, *, limit=None, file=None)\n--\n\nPrint the stack or traceback for this task's coroutine."
        ),
        method0!(c"get_name", get_name, c"get_name($self, /)\n--\n\nReturn the name of the task."),
        method1!(c"set_name", set_name, c"set_name($self, value, /)\n--\n\nSet the name of the task."),
        method0!(c"get_coro", get_coro, c"get_coro($self, /)\n--\n\nReturn the coroutine wrapped by the task."),
    ];
    #[cfg(Py_3_12)]
    all.push(method0!(
        c"get_context",
        get_context,
        c"get_context($self, /)\n--\n\nReturn the context that the task runs in."
    ));
    all.shrink_to_fit();
    all
}

/// The table of attributes.
pub fn attributes() -> Vec<ffi::PyGetSetDef> {
    vec![
        attribute!(
            c"_log_destroy_pending",
            log_destroy_pending,
            set_log_destroy_pending
        ),
        attribute!(c"_must_cancel", must_cancel),
        attribute!(c"_coro", get_coro),
        attribute!(c"_fut_waiter", fut_waiter),
    ]
}

fn refuse<T>(text: &std::ffi::CStr) -> Result<T> {
    // SAFETY: a static exception class.
    raise(unsafe { ffi::PyExc_RuntimeError }, text)
}

fn set_result(_task: &Ref, _value: &Ref) -> Result<Ref> {
    refuse(c"Task does not support set_result operation")
}

fn set_exception(_task: &Ref, _exception: &Ref) -> Result<Ref> {
    refuse(c"Task does not support set_exception operation")
}

fn cancel_method(task: &Ref, args: Args<'_>) -> Result<Ref> {
    let [message] = args.bind("cancel", ["msg"], 1, 0)?;
    cancel::cancel(task, message).map(boolean)
}

/// How often the task was asked to cancel itself.
#[inline]
pub fn cancel_requests(task: &Ref) -> u32 {
    body(task).cancel_requests.get()
}

fn cancelling(task: &Ref) -> Result<Ref> {
    integer(cancel_requests(task).into())
}

/// Takes one request back, and says how many are left: never below zero. Since 3.13 the last one also takes
/// back a cancellation that the task has not seen yet.
pub fn take_cancel_request_back(task: &Ref) -> u32 {
    let fields = body(task);
    let requests = fields.cancel_requests.get().saturating_sub(1);
    #[cfg(Py_3_13)]
    if fields.cancel_requests.get() > 0 && requests == 0 {
        fields.flags().must_cancel.set(false);
    }
    fields.cancel_requests.set(requests);
    requests
}

/// `uncancel()`
fn uncancel(task: &Ref) -> Result<Ref> {
    integer(take_cancel_request_back(task).into())
}

fn get_stack(task: &Ref, args: Args<'_>) -> Result<Ref> {
    let [limit] = args.bind("get_stack", ["limit"], 0, 0)?;
    imports()
        .task_get_stack
        .call([task, &limit.cloned().unwrap_or_else(none)])
}

fn print_stack(task: &Ref, args: Args<'_>) -> Result<Ref> {
    let [limit, file] = args.bind("print_stack", ["limit", "file"], 0, 0)?;
    let (limit, file) = (
        limit.cloned().unwrap_or_else(none),
        file.cloned().unwrap_or_else(none),
    );
    imports().task_print_stack.call([task, &limit, &file])
}

/// `__repr__`, formatted by asyncio itself.
pub fn repr(task: &Ref) -> Result<Ref> {
    imports().task_repr.call([task])
}

/// `get_name()`; a name made from a number is kept once it was asked for.
pub fn get_name(task: &Ref) -> Result<Ref> {
    let label = &body(task).label;
    let number = match (label.name(), label.number()) {
        (Some(name), _) => return Ok(name),
        (None, Some(number)) => number,
        (None, None) => return Ok(none()),
    };
    let name = string(&format!("Task-{number}"))?;
    crate::compat::registry::name_task(task, &name);
    label.set_name(name.clone());
    Ok(name)
}

fn set_name(task: &Ref, name: &Ref) -> Result<Ref> {
    assign_name(task, name).map(|()| none())
}

/// Names the task; anything but a `str` is converted.
pub fn assign_name(task: &Ref, name: &Ref) -> Result<()> {
    // SAFETY: live; a new reference or null.
    let name = unsafe {
        if ffi::PyUnicode_CheckExact(name.as_ptr()) != 0 {
            name.clone()
        } else {
            Ref::owned_or_raised(ffi::PyObject_Str(name.as_ptr()))?
        }
    };
    crate::compat::registry::name_task(task, &name);
    body(task).label.set_name(name);
    Ok(())
}

fn get_coro(task: &Ref) -> Result<Ref> {
    Ok(body(task).coro.get().unwrap_or_else(none))
}

#[cfg(Py_3_12)]
fn get_context(task: &Ref) -> Result<Ref> {
    Ok(
        crate::compat::context::own(&body(task).context, &body(task).future.event_loop)?
            .unwrap_or_else(none),
    )
}

fn log_destroy_pending(task: &Ref) -> Result<Ref> {
    Ok(boolean(body(task).flags().log_destroy_pending.get()))
}

fn set_log_destroy_pending(task: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_AttributeError },
            c"cannot delete attribute",
        );
    };
    body(task).flags().log_destroy_pending.set(value.truthy()?);
    Ok(())
}

fn must_cancel(task: &Ref) -> Result<Ref> {
    Ok(boolean(body(task).flags().must_cancel.get()))
}

/// What the task waits for. A native sleep has no future; whoever asks gets one that stands for it.
fn fut_waiter(task: &Ref) -> Result<Ref> {
    let fields = body(task);
    if eventloop::sleeps::look(task) == Sleeping::Timer {
        return sleep_future::materialise(task);
    }
    if let Some(waited) = fields.waiting_on.get() {
        return Ok(waited);
    }
    sleep_future::cancelled_stand_in(task)
}
