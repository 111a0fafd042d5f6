//! Methods and attributes of a Future, as `_asyncio.Future` has them. Tasks share all but those they
//! replace.

use pyo3::ffi;

use crate::compat::context;
use crate::imports::{imports, names};
use crate::native::{Args, Ref, Result, boolean, integer, list, none, raise, string, tuple};
use crate::task::wakeup;
use crate::{attribute, classmethod1, method, method0, method1};

use super::body::{State, body};
use super::waiters::{Waiter, Waiters};
use super::{collector, outcome};

/// The table of methods.
pub fn methods() -> Vec<ffi::PyMethodDef> {
    vec![
        method0!(c"result", outcome_result, c"result($self, /)\n--\n\nReturn the result this future represents."),
        method0!(c"exception", exception, c"exception($self, /)\n--\n\nReturn the exception that was set, or None."),
        method1!(c"set_result", set_result, c"set_result($self, result, /)\n--\n\nMark the future done and set its result."),
        method1!(
            c"set_exception",
            set_exception,
            c"set_exception($self, exception, /)\n--\n\nMark the future done and set an exception."
        ),
        method!(
            c"add_done_callback",
            add_done_callback,
            c"add_done_callback($self, fn, /, *, context=None)\n--\n\nAdd a callback to be run when the future becomes done."
        ),
        method1!(
            c"remove_done_callback",
            remove_done_callback,
            c"remove_done_callback($self, fn, /)\n--\n\nRemove all instances of a callback from the \"call when done\" list."
        ),
        method!(c"cancel", cancel, c"cancel($self, msg=None)\n--\n\nCancel the future and schedule callbacks."),
        method0!(c"cancelled", cancelled, c"cancelled($self, /)\n--\n\nReturn True if the future was cancelled."),
        method0!(c"done", done, c"done($self, /)\n--\n\nReturn True if the future is done."),
        method0!(c"get_loop", get_loop, c"get_loop($self, /)\n--\n\nReturn the event loop the Future is bound to."),
        method0!(
            c"_make_cancelled_error",
            make_cancelled_error,
            c"_make_cancelled_error($self, /)\n--\n\nCreate the CancelledError to raise if the Future is cancelled."
        ),
        classmethod1!(c"__class_getitem__", class_getitem, c"See PEP 585"),
    ]
}

/// The table of attributes.
pub fn attributes() -> Vec<ffi::PyGetSetDef> {
    let mut all = vec![
        attribute!(c"_state", state),
        attribute!(c"_asyncio_future_blocking", blocking, set_blocking),
        attribute!(c"_loop", loop_attr),
        attribute!(c"_callbacks", callbacks),
        attribute!(c"_result", result_attr),
        attribute!(c"_exception", exception_attr),
        attribute!(c"_log_traceback", log_traceback, set_log_traceback),
        attribute!(c"_source_traceback", source_traceback),
        attribute!(c"_cancel_message", cancel_message, set_cancel_message),
    ];
    all.extend(crate::compat::awaited_by::attributes());
    all
}

fn outcome_result(future: &Ref) -> Result<Ref> {
    outcome::result(future)
}

fn exception(future: &Ref) -> Result<Ref> {
    Ok(outcome::exception(future)?.unwrap_or_else(none))
}

fn set_result(future: &Ref, value: &Ref) -> Result<Ref> {
    outcome::set_result(future, value.clone()).map(|()| none())
}

fn set_exception(future: &Ref, exception: &Ref) -> Result<Ref> {
    outcome::set_exception(future, exception).map(|()| none())
}

/// `add_done_callback(fn, *, context=None)`: a done future schedules at once.
pub fn add_done_callback(future: &Ref, args: Args<'_>) -> Result<Ref> {
    let [callback, context] = args.bind("add_done_callback", ["fn", "context"], 1, 1)?;
    let fut = body(future);
    if !fut.event_loop.is_some() {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_RuntimeError },
            c"uninitialized Future object",
        );
    }
    let callback = callback.expect("required").clone();
    let context = match context.filter(|given| !given.is_none()) {
        Some(context) => context.clone(),
        None => Ref::copied_context()?,
    };
    let waiter = Waiter::Call(callback, context);
    if fut.is_pending() {
        crate::native::gc::track(future);
        fut.waiters.add(waiter);
    } else {
        outcome::schedule(future, waiter)?;
    }
    Ok(none())
}

/// `remove_done_callback(fn)`: compares with `==`, which may run any code. So what is there is compared
/// from a snapshot, and those that were equal are removed from what is there by then.
pub fn remove_done_callback(future: &Ref, callback: &Ref) -> Result<Ref> {
    let fut = body(future);
    outcome::ensure_alive(fut)?;
    let mut equal = Vec::new();
    for waiter in snapshot(future) {
        let same = match &waiter {
            Waiter::Collector(collector) => collector::callback(collector)?.equals(callback)?,
            Waiter::Task(task) => wakeup::is_wakeup_of(callback, task)?,
            Waiter::Call(candidate, _) => candidate.equals(callback)?,
        };
        if same {
            equal.push(waiter);
        }
    }
    if !fut.is_pending() {
        return integer(0);
    }
    let mut removed = Vec::new();
    let mut kept = fut.waiters.take().into_vec();
    for gone in equal {
        if let Some(place) = kept.iter().position(|waiter| waiter.is_same(&gone)) {
            removed.push(kept.remove(place));
        }
    }
    fut.waiters.restore(Waiters::from_vec(kept));
    let count = removed.len();
    // Only now: letting go of them may run any code.
    drop(removed);
    integer(count as u64)
}

/// Who waits, in order, each counted anew. Empty once the future is done.
fn snapshot(future: &Ref) -> Vec<Waiter> {
    let fut = body(future);
    if !fut.is_pending() {
        return vec![];
    }
    let waiters = fut.waiters.take().into_vec();
    let copies = waiters.iter().map(Waiter::copied).collect();
    fut.waiters.restore(Waiters::from_vec(waiters));
    copies
}

fn cancel(future: &Ref, args: Args<'_>) -> Result<Ref> {
    let [message] = args.bind("cancel", ["msg"], 1, 0)?;
    outcome::cancel(future, message.cloned()).map(boolean)
}

/// `cancelled()`
pub fn cancelled(future: &Ref) -> Result<Ref> {
    Ok(boolean(
        body(future).event_loop.is_some() && body(future).state.get() == State::Cancelled,
    ))
}

/// `done()`
pub fn done(future: &Ref) -> Result<Ref> {
    Ok(boolean(
        body(future).event_loop.is_some() && !body(future).is_pending(),
    ))
}

fn get_loop(future: &Ref) -> Result<Ref> {
    outcome::ensure_alive(body(future))?;
    loop_attr(future)
}

fn make_cancelled_error(future: &Ref) -> Result<Ref> {
    outcome::make_cancelled_error(future)
}

fn class_getitem(class: &Ref, item: &Ref) -> Result<Ref> {
    imports().generic_alias.call([class, item])
}

/// `__repr__`, formatted by asyncio itself.
pub fn repr(future: &Ref) -> Result<Ref> {
    imports().future_repr.call([future])
}

fn state(future: &Ref) -> Result<Ref> {
    let fut = body(future);
    outcome::ensure_alive(fut)?;
    string(match fut.state.get() {
        State::Pending => "PENDING",
        State::Cancelled => "CANCELLED",
        State::Finished | State::Failed => "FINISHED",
    })
}

fn blocking(future: &Ref) -> Result<Ref> {
    Ok(boolean(
        body(future).event_loop.is_some() && body(future).blocking.get(),
    ))
}

fn set_blocking(future: &Ref, value: Option<&Ref>) -> Result<()> {
    outcome::ensure_alive(body(future))?;
    let Some(value) = value else {
        return cannot_delete();
    };
    body(future).blocking.set(value.truthy()?);
    Ok(())
}

fn cannot_delete<T>() -> Result<T> {
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_AttributeError },
        c"cannot delete attribute",
    )
}

fn loop_attr(future: &Ref) -> Result<Ref> {
    Ok(body(future).event_loop.get().unwrap_or_else(none))
}

/// Callbacks as asyncio shows them: pairs of callable and context, or `None`.
fn callbacks(future: &Ref) -> Result<Ref> {
    let fut = body(future);
    outcome::ensure_alive(fut)?;
    if fut.waiters.is_empty() || !fut.is_pending() {
        return Ok(none());
    }
    // Showing needs objects that waiting does not, and making them calls into Python.
    let copies = snapshot(future);
    let mut pairs = Vec::new();
    for waiter in copies {
        pairs.push(match waiter {
            Waiter::Task(task) => {
                let own = crate::task::body(&task);
                let context = context::own(&own.context, &own.future.event_loop)?;
                let context = context.unwrap_or_else(none);
                tuple(&[&wakeup::wakeup(&task)?, &context])?
            }
            Waiter::Collector(collector) => {
                tuple(&[&collector::callback(&collector)?, &Ref::copied_context()?])?
            }
            Waiter::Call(callback, context) => tuple(&[&callback, &context])?,
        });
    }
    list(pairs)
}

fn result_attr(future: &Ref) -> Result<Ref> {
    let fut = body(future);
    outcome::ensure_alive(fut)?;
    Ok(if fut.state.get() == State::Finished {
        fut.value.get()
    } else {
        None
    }
    .unwrap_or_else(none))
}

fn exception_attr(future: &Ref) -> Result<Ref> {
    let fut = body(future);
    outcome::ensure_alive(fut)?;
    Ok(if fut.state.get() == State::Failed {
        fut.value.get()
    } else {
        None
    }
    .unwrap_or_else(none))
}

fn log_traceback(future: &Ref) -> Result<Ref> {
    outcome::ensure_alive(body(future))?;
    Ok(boolean(body(future).log_traceback.get()))
}

fn set_log_traceback(future: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return cannot_delete();
    };
    if value.truthy()? {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_ValueError },
            c"_log_traceback can only be set to False",
        );
    }
    body(future).log_traceback.set(false);
    Ok(())
}

fn source_traceback(future: &Ref) -> Result<Ref> {
    Ok(body(future)
        .rare()
        .and_then(|rare| rare.source_traceback.get())
        .unwrap_or_else(none))
}

fn cancel_message(future: &Ref) -> Result<Ref> {
    Ok(body(future).cancel_message().unwrap_or_else(none))
}

fn set_cancel_message(future: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return cannot_delete();
    };
    body(future).set_cancel_message(Some(value.clone()));
    Ok(())
}

/// The loop of any future-like object: `get_loop()`, or else `_loop`.
pub fn loop_of(future: &Ref) -> Result<Ref> {
    if let Some(fut) = super::native(future) {
        return match fut.event_loop.get() {
            Some(event_loop) => Ok(event_loop),
            None => outcome::ensure_alive(fut).map(|()| none()),
        };
    }
    match future.getattr_opt(&names().get_loop)? {
        Some(get_loop) => get_loop.call([]),
        None => future.getattr(&names().loop_attr),
    }
}
