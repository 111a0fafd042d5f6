//! `asyncio.as_completed`: the function, and how futures come in.

use pyo3::ffi;

use crate::combinators::create::ensure_future;
use crate::compat::completion_behaviour::completion as behaviour;
use crate::compat::{awaited_by, current};
use crate::eventloop;
use crate::future::{any, collector, outcome};
use crate::imports::{imports, names};
use crate::native::args::matches;
use crate::native::{Args, Ref, Result, check, items, none, raise_text, string, text_of};
use crate::sync::waiter_queue::WaiterQueue;
use crate::task::object::is_coroutine;

use super::completed_iterator::{self, AsCompleted, fields};

/// `as_completed(fs, *, timeout=None)`; nothing if the arguments do not fit.
pub fn as_completed(args: &Args<'_>) -> Result<Option<Ref>> {
    let mut futures = match args.positional {
        [] => None,
        [futures] => Some(futures),
        _ => return Ok(None),
    };
    let mut timeout = None;
    for (name, value) in args.keyword_items() {
        let place = if matches(&name, "timeout") {
            &mut timeout
        } else if matches(&name, "fs") {
            &mut futures
        } else {
            return Ok(None);
        };
        if place.replace(value).is_some() {
            return Ok(None);
        }
    }
    match futures {
        Some(futures) => start(futures, timeout).map(Some),
        None => Ok(None),
    }
}

/// `_as_completed(fs, timeout)`, what a generator of Python's goes through where `as_completed` is one.
pub fn start_method(_module: &Ref, args: Args<'_>) -> Result<Ref> {
    let [futures, timeout] = args.bind("_as_completed", ["fs", "timeout"], 2, 1)?;
    start(futures.expect("required"), timeout)
}

fn start(futures: &Ref, timeout: Option<&Ref>) -> Result<Ref> {
    refuse_single(futures)?;
    let event_loop = eventloop::current_or_policy()?;
    let iterator = completed_iterator::make()?;
    let own = fields(&iterator);
    if behaviour().records_awaiting {
        let running = eventloop::running_or_error()?;
        own.caller.put(current::current_task(&running)?);
    }
    // SAFETY: live objects; new references or null.
    let (todo, given) = unsafe {
        let given = Ref::owned_or_raised(ffi::PySet_New(futures.as_ptr()))?;
        (
            Ref::owned_or_raised(ffi::PySet_New(std::ptr::null_mut()))?,
            Ref::owned_or_raised(ffi::PySequence_Tuple(given.as_ptr()))?,
        )
    };
    for awaitable in items(&given) {
        let future = ensure_future(&awaitable, Some(&event_loop))?;
        // SAFETY: a set of our own, and a live object.
        check(unsafe { ffi::PySet_Add(todo.as_ptr(), future.as_ptr()) })?;
    }
    own.todo.set(todo.clone());
    let mut shared = None;
    // SAFETY: a live set; a new reference or null.
    let in_order = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(todo.as_ptr())) }?;
    for future in items(&in_order) {
        collector::add(&future, &iterator, &mut shared)?;
        if let Some(caller) = own.caller.get() {
            awaited_by::add(&future, &caller)?;
        }
    }
    own.left.set(own.todo_count());
    if let Some(timeout) = timeout.filter(|given| !given.is_none())
        && own.todo_count() > 0
    {
        let over = iterator.getattr(&string("_handle_timeout")?)?;
        let timer = event_loop.call_method(&names().call_later, [timeout, &over])?;
        own.timer.set(timer);
    }
    Ok(iterator)
}

/// A future or a coroutine where there should be many of them.
fn refuse_single(futures: &Ref) -> Result<()> {
    let (single, expected) = if behaviour().iterates_both_ways {
        (
            imports().isawaitable.call([futures])?.truthy()?,
            "awaitables",
        )
    } else {
        let single = imports().isfuture.call([futures])?.truthy()? || is_coroutine(futures)?;
        (single, "futures")
    };
    if !single {
        return Ok(());
    }
    let verb = if behaviour().iterates_both_ways {
        "expects"
    } else {
        "expect"
    };
    // SAFETY: a live type; a static exception class.
    unsafe {
        let class = Ref::borrowed(futures.type_ptr().cast());
        let name = text_of(&class.getattr(&string("__name__")?)?)?;
        raise_text(
            ffi::PyExc_TypeError,
            &format!("{verb} an iterable of {expected}, not {name}"),
        )
    }
}

/// A future is done: it goes behind those that are waited for already.
#[inline]
pub fn child_done(iterator: &Ref, child: &Ref) -> Result<()> {
    let own = fields(iterator);
    if own.todo_count() == 0 {
        // The time was over first.
        return Ok(());
    }
    let todo = own.todo.get().unwrap_or_else(none);
    // SAFETY: a set of our own, and a live object.
    check(unsafe { ffi::PySet_Discard(todo.as_ptr(), child.as_ptr()) })?;
    if let Some(caller) = own.caller.get() {
        awaited_by::discard(child, &caller)?;
    }
    put(own, child.clone())?;
    if own.todo_count() == 0
        && let Some(timer) = own.timer.get()
    {
        timer.call_method(&names().cancel, [])?;
    }
    Ok(())
}

/// `_handle_timeout()`: whoever waits for a future that is not done gets nothing.
pub fn handle_timeout(iterator: &Ref) -> Result<Ref> {
    let own = fields(iterator);
    let todo = own.todo.get().unwrap_or_else(none);
    // SAFETY: a live set; a new reference or null.
    let in_order = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(todo.as_ptr())) }?;
    let mut shared = None;
    for future in items(&in_order) {
        collector::remove(&future, iterator, &mut shared)?;
        if let Some(caller) = own.caller.get() {
            awaited_by::discard(&future, &caller)?;
        }
        put(own, none())?;
    }
    // SAFETY: a live set of our own.
    check(unsafe { ffi::PySet_Clear(todo.as_ptr()) })?;
    Ok(none())
}

/// `put_nowait` of the queue between futures and those who wait for them.
#[inline]
fn put(own: &AsCompleted, item: Ref) -> Result<()> {
    WaiterQueue::of_or_new(&own.done)?.push(item);
    wake_next(own)
}

/// Wakes the first one who waits and does not know yet.
#[inline]
pub fn wake_next(own: &AsCompleted) -> Result<()> {
    let Some(getters) = WaiterQueue::of(&own.getters) else {
        return Ok(());
    };
    while let Some(getter) = getters.pop() {
        if !any::is_done(&getter)? {
            return any::set_result(&getter, none());
        }
    }
    Ok(())
}

/// `future.cancel()`
pub fn cancel(getter: &Ref) -> Result<()> {
    match crate::future::native(getter) {
        Some(_) => outcome::cancel(getter, None).map(drop),
        None => getter.call_method(&names().cancel, []).map(drop),
    }
}
