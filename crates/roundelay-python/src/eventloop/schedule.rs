//! Entering callbacks: now, later, at a time, from another thread.

use pyo3::ffi;

use crate::compat::current;
use crate::future::FutureBody;
use crate::imports::{imports, names};
use crate::native::args::matches;
use crate::native::{Args, Ref, Result, none, raise, raise_text, string};

use super::data::LoopData;
use super::handle;
use super::object::data;
use super::time;
use super::word::Word;

fn runtime_error<T>(text: &std::ffi::CStr) -> Result<T> {
    // SAFETY: a static exception class.
    raise(unsafe { ffi::PyExc_RuntimeError }, text)
}

fn type_error<T>(text: &str) -> Result<T> {
    // SAFETY: a static exception class.
    raise_text(unsafe { ffi::PyExc_TypeError }, text)
}

/// Fails if the loop is closed.
#[inline]
pub fn check_closed(state: &LoopData) -> Result<()> {
    if state.closed.get() {
        runtime_error(c"Event loop is closed")
    } else {
        Ok(())
    }
}

/// `_check_closed()`
pub fn check_closed_method(event_loop: &Ref) -> Result<Ref> {
    check_closed(data(event_loop)).map(|()| none())
}

/// In debug mode: fails on any other thread than the loop's.
#[cold]
fn check_thread(state: &LoopData) -> Result<()> {
    if state.thread.get() == 0 || state.thread.get() == this_thread()? {
        return Ok(());
    }
    runtime_error(c"Non-thread-safe operation invoked on an event loop other than the current one")
}

/// `threading.get_ident()`
pub fn this_thread() -> Result<u64> {
    let ident = imports().get_ident.call([])?;
    // SAFETY: a live int.
    Ok(unsafe { ffi::PyLong_AsUnsignedLongLong(ident.as_ptr()) })
}

/// Queues a word for the native loop of a future, with the checks of `call_soon`.
#[inline]
pub fn push(fut: &FutureBody, word: Word) -> Result<()> {
    let event_loop = fut.event_loop.peek();
    // SAFETY: the future keeps its loop alive, and its loop is native.
    let state = data(unsafe { Ref::view(&event_loop) });
    if state.closed.get() | state.debug.get() {
        check_closed(state)?;
        check_thread(state)?;
    }
    state.push(word);
    Ok(())
}

/// `loop.call_soon(callback[, arg], context=context)` on any loop.
pub fn call_soon(
    event_loop: &Ref,
    native: bool,
    callback: &Ref,
    arg: Option<&Ref>,
    context: &Ref,
) -> Result<()> {
    if native {
        let state = data(event_loop);
        check_closed(state)?;
        if state.debug.get() {
            check_thread(state)?;
        }
        return push_callback(event_loop, state, callback, arg, Some(context));
    }
    let call_soon = event_loop.getattr(&names().call_soon)?;
    let name = &names().kw_context;
    match arg {
        Some(arg) => call_soon.call_kw([callback, arg], name, context)?,
        None => call_soon.call_kw([callback], name, context)?,
    };
    Ok(())
}

/// `loop.call_soon(callback[, arg])` on a native loop that is not in debug mode.
pub fn call_soon_now(event_loop: &Ref, callback: &Ref, arg: Option<&Ref>) -> Result<()> {
    let state = data(event_loop);
    check_closed(state)?;
    push_callback(event_loop, state, callback, arg, None)
}

/// `loop.call_soon(callback, *args)` on a native loop that is not in debug mode.
pub fn call_soon_with(event_loop: &Ref, callback: &Ref, args: Ref) -> Result<()> {
    let state = data(event_loop);
    check_closed(state)?;
    let handle = handle::make(event_loop, callback, handle::Arguments::Many(args), None)?;
    state.push(Word::handle(handle));
    Ok(())
}

/// Queues a handle for `callback([arg])`, in the current context if none is given.
#[inline]
fn push_callback(
    event_loop: &Ref,
    state: &LoopData,
    callback: &Ref,
    arg: Option<&Ref>,
    context: Option<&Ref>,
) -> Result<()> {
    let args = match arg {
        Some(arg) => handle::Arguments::One(arg.clone()),
        None => handle::Arguments::None,
    };
    let handle = handle::make(event_loop, callback, args, context)?;
    state.push(Word::handle(handle));
    Ok(())
}

/// The arguments of a scheduling method, taken apart.
struct Call {
    /// `delay` or `when`, if the method has one.
    time: Option<Ref>,
    callback: Ref,
    arguments: handle::Arguments,
    context: Option<Ref>,
}

/// Splits `(time, callback, *args, context=None)`, or the same without a time. As in asyncio, time and
/// callback may be given by name.
fn split(args: Args<'_>, function: &str, time_name: Option<&str>) -> Result<Call> {
    let mut positional = args.positional;
    let mut next = || {
        let (first, rest) = positional.split_first()?;
        positional = rest;
        Some(first.clone())
    };
    let mut time = if time_name.is_some() { next() } else { None };
    let mut callback = next();
    let mut context = None;
    for (place, value) in args.keywords.iter().enumerate() {
        let name = args.keyword_name(place);
        let target = if matches(&name, "context") {
            &mut context
        } else if matches(&name, "callback") {
            &mut callback
        } else if time_name.is_some_and(|time_name| matches(&name, time_name)) {
            &mut time
        } else {
            let name = crate::native::text_of(&name)?;
            return type_error(&format!(
                "{function}() got an unexpected keyword argument '{name}'"
            ));
        };
        if target.is_some() {
            let name = crate::native::text_of(&name)?;
            return type_error(&format!(
                "{function}() got multiple values for argument '{name}'"
            ));
        }
        *target = Some(value.clone());
    }
    let missing: Vec<String> = [(time_name, &time), (Some("callback"), &callback)]
        .into_iter()
        .filter_map(|(name, value)| {
            name.filter(|_| value.is_none())
                .map(|name| format!("'{name}'"))
        })
        .collect();
    let Some(callback) = callback.filter(|_| missing.is_empty()) else {
        let plural = if missing.len() == 1 { "" } else { "s" };
        return type_error(&format!(
            "{function}() missing {} required positional argument{plural}: {}",
            missing.len(),
            missing.join(" and ")
        ));
    };
    let arguments = match positional {
        [] => handle::Arguments::None,
        [only] => handle::Arguments::One(only.clone()),
        many => handle::Arguments::Many(crate::native::tuple(&many.iter().collect::<Vec<_>>())?),
    };
    Ok(Call {
        time,
        callback,
        arguments,
        context: context.filter(|context| !context.is_none()),
    })
}

/// In debug mode: the checks that asyncio makes of a callback.
#[cold]
fn check_callback(event_loop: &Ref, callback: &Ref, method: &str) -> Result<()> {
    event_loop
        .call_method(&names().check_callback, [callback, &string(method)?])
        .map(drop)
}

/// `call_soon(callback, *args, context=None)`
pub fn call_soon_method(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    let state = data(event_loop);
    if let ([callback, rest @ ..], true) = (args.positional, args.no_keywords())
        && rest.len() < 2
        && !state.closed.get()
        && !state.debug.get()
    {
        let arguments = match rest.first() {
            Some(only) => handle::Arguments::One(only.clone()),
            None => handle::Arguments::None,
        };
        let handle = handle::make(event_loop, callback, arguments, None)?;
        state.push(Word::handle(handle.clone()));
        return Ok(handle);
    }
    let Call {
        callback,
        arguments,
        context,
        ..
    } = split(args, "BaseEventLoop.call_soon", None)?;
    check_closed(state)?;
    if state.debug.get() {
        check_thread(state)?;
        check_callback(event_loop, &callback, "call_soon")?;
    }
    let handle = handle::make(event_loop, &callback, arguments, context.as_ref())?;
    state.push(Word::handle(handle.clone()));
    Ok(handle)
}

/// `call_soon_threadsafe(callback, *args, context=None)`. The caller holds the GIL, so the entry goes into
/// the ring itself, in order with all others; then the loop is woken.
pub fn call_soon_threadsafe(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    let state = data(event_loop);
    let Call {
        callback,
        arguments,
        context,
        ..
    } = split(args, "BaseEventLoop.call_soon_threadsafe", None)?;
    check_closed(state)?;
    if state.debug.get() {
        check_callback(event_loop, &callback, "call_soon_threadsafe")?;
    }
    if let Some(class) = &imports().thread_safe_handle_class {
        return lockable(event_loop, class, &callback, arguments, context.as_ref());
    }
    let handle = handle::make(event_loop, &callback, arguments, context.as_ref())?;
    state.push(Word::handle(handle.clone()));
    state.wake();
    Ok(handle)
}

/// From 3.14 on the handle has a lock, so that a `cancel()` from another thread returns only when the
/// callback cannot be running any more. asyncio's own class has that; a native handle runs it.
fn lockable(
    event_loop: &Ref,
    class: &Ref,
    callback: &Ref,
    arguments: handle::Arguments,
    context: Option<&Ref>,
) -> Result<Ref> {
    let arguments = match arguments {
        handle::Arguments::None => crate::native::tuple(&[])?,
        handle::Arguments::One(only) => crate::native::tuple(&[&only])?,
        handle::Arguments::Many(many) => many,
    };
    let context = context.cloned().unwrap_or_else(none);
    let lockable = class.call([callback, &arguments, event_loop, &context])?;
    let source = lockable.getattr(&names().source_traceback_attr)?;
    if source.truthy()? {
        // The last frame is that of its own `__init__`; the caller's is to be last.
        // SAFETY: a live list.
        crate::native::check(unsafe { ffi::PySequence_DelItem(source.as_ptr(), -1) })?;
    }
    add_callback_signalsafe(event_loop, &lockable)?;
    Ok(lockable)
}

/// `call_later(delay, callback, *args, context=None)`
pub fn call_later(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    let call = split(args, "BaseEventLoop.call_later", Some("delay"))?;
    let delay = call.time.as_ref().expect("required");
    if delay.is_none() {
        return type_error("delay must not be None");
    }
    let (when, shown) = time::after(event_loop, data(event_loop), delay)?;
    at(event_loop, when, shown, call)
}

/// `call_at(when, callback, *args, context=None)`
pub fn call_at(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    let call = split(args, "BaseEventLoop.call_at", Some("when"))?;
    let when = call.time.clone().expect("required");
    if when.is_none() {
        return type_error("when cannot be None");
    }
    at(event_loop, when.to_f64()?, Some(when), call)
}

fn at(event_loop: &Ref, when: f64, shown: Option<Ref>, call: Call) -> Result<Ref> {
    let state = data(event_loop);
    check_closed(state)?;
    if state.debug.get() {
        check_thread(state)?;
        check_callback(event_loop, &call.callback, "call_at")?;
    }
    let Call {
        callback,
        arguments,
        context,
        ..
    } = call;
    let handle = handle::make_timer(
        event_loop,
        when,
        shown,
        &callback,
        arguments,
        context.as_ref(),
    )?;
    let timer = state.add_timer(when, Word::handle(handle.clone()));
    handle::scheduled(&handle, timer);
    Ok(handle)
}

/// Wakes the loop out of its wait.
pub fn write_to_self(event_loop: &Ref) -> Result<Ref> {
    data(event_loop).wake();
    Ok(none())
}

/// `_add_callback(handle)`: queues a handle that exists, unless it is cancelled.
pub fn add_callback(event_loop: &Ref, handle: &Ref) -> Result<Ref> {
    if handle::is_native(handle) {
        if !handle::is_cancelled(handle) {
            data(event_loop).push(Word::handle(handle.clone()));
        }
    } else if !handle.getattr(&names().cancelled_flag)?.truthy()? {
        // A handle of asyncio's own: run by a native one.
        let run = handle.getattr(&names().run_handle)?;
        let native = handle::make(event_loop, &run, handle::Arguments::None, None)?;
        data(event_loop).push(Word::handle(native));
    }
    Ok(none())
}

/// `_add_callback_signalsafe(handle)`
pub fn add_callback_signalsafe(event_loop: &Ref, handle: &Ref) -> Result<Ref> {
    add_callback(event_loop, handle)?;
    write_to_self(event_loop)
}

/// The running loop of this thread, if there is one.
#[inline]
pub fn running() -> Result<Option<Ref>> {
    let event_loop = current::running_loop()?;
    Ok((!event_loop.is_none()).then_some(event_loop))
}

/// `asyncio.get_running_loop()`
#[inline]
pub fn running_or_error() -> Result<Ref> {
    match running()? {
        Some(event_loop) => Ok(event_loop),
        None => runtime_error(c"no running event loop"),
    }
}

/// `asyncio.get_event_loop()`: the running loop, or the policy's.
pub fn current_or_policy() -> Result<Ref> {
    if let Some(event_loop) = running()? {
        return Ok(event_loop);
    }
    imports().events.getattr(&names().get_event_loop)?.call([])
}
