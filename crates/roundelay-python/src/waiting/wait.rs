//! `asyncio.wait`.

use pyo3::ffi;

use crate::compat::awaited_by;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::eventloop;
use crate::future::{self, any, collector};
use crate::imports::{imports, names};
use crate::native::{
    Args, Ref, Result, check, none, raise, raise_object, raise_text, string, text_of, tuple,
};
use crate::statics::Once;
use crate::task::object::is_coroutine;

use super::wait_collector::{self, Until};

static WAIT: AsyncDef = AsyncDef {
    name: "wait",
    qualname: "wait",
    parameters: &["fs", "timeout", "return_when"],
    positional: 1,
    required: 1,
    resume: wait,
};

/// Where the frame keeps the futures: first what was given, then a set of its own.
const FUTURES: usize = 0;
const TIMEOUT: usize = 1;
const RETURN_WHEN: usize = 2;
/// Where it keeps the object that counts them.
const COLLECTOR: usize = 3;
/// Where it keeps a tuple of them, to go through.
const IN_ORDER: usize = 4;
/// Where it keeps the callback of those that are not native.
const CALLBACK: usize = 5;

/// `_release_waiter(waiter)`, what the timer calls.
static RELEASE: Once<Ref> = Once::new();

/// Makes the function.
pub fn make(module: &Ref) -> Result<Ref> {
    RELEASE.set(module.getattr(&string("_release_waiter")?)?);
    let stock = crate::imports::module(c"asyncio.tasks")?.getattr(&string("wait")?)?;
    function::make(&WAIT, stock)
}

/// `_release_waiter`, for those who hand it to timers and futures themselves.
pub fn release_function() -> &'static Ref {
    RELEASE.get()
}

/// `_release_waiter(waiter, *args)`: the time is over, or what was waited for has come.
pub fn release_waiter(_module: &Ref, args: Args<'_>) -> Result<Ref> {
    match args.positional.first() {
        Some(waiter) => wait_collector::release(waiter).map(|()| none()),
        None => args.one("_release_waiter").cloned(),
    }
}

fn wait(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    match sent {
        Sent::Start => begin(frame).map(Flow::Await),
        Sent::Value(_) => {
            leave(frame)?;
            results(frame).map(Flow::Return)
        }
        Sent::Raised(exception) => {
            leave(frame)?;
            raise_object(exception)
        }
    }
}

/// Checks the arguments and has every future tell; returns the future to wait for.
fn begin(frame: Frame<'_>) -> Result<Ref> {
    let until = check_arguments(frame)?;
    // SAFETY: live objects; new references or null.
    let (set, in_order) = unsafe {
        let set = Ref::owned_or_raised(ffi::PySet_New(frame.argument(FUTURES).as_ptr()))?;
        let in_order = Ref::owned_or_raised(ffi::PySequence_Tuple(set.as_ptr()))?;
        (set, in_order)
    };
    let count = length(&in_order);
    for place in 0..count {
        let future = item(&in_order, place);
        if future::native(&future).is_none() && is_coroutine(&future)? {
            // SAFETY: a static exception class.
            return raise(
                unsafe { ffi::PyExc_TypeError },
                c"Passing coroutines is forbidden, use tasks explicitly.",
            );
        }
    }
    let Some(event_loop) = eventloop::running()? else {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_RuntimeError }, c"no running event loop");
    };
    if count == 0 {
        // An iterator that gave nothing: nobody would ever tell. (asyncio asserts.)
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_AssertionError },
            c"Set of Futures is empty.",
        );
    }
    let waiter = any::create(&event_loop)?;
    let timer = match frame.slot(TIMEOUT).get().filter(|given| !given.is_none()) {
        Some(timeout) => {
            Some(event_loop.call_method(&names().call_later, [&timeout, RELEASE.get(), &waiter])?)
        }
        None => None,
    };
    let caller = awaited_by::caller(&event_loop)?;
    let collector = wait_collector::make(waiter.clone(), timer, caller, count, until)?;
    let mut shared = None;
    for place in 0..count {
        let future = item(&in_order, place);
        collector::add(&future, &collector, &mut shared)?;
        wait_collector::awaited(&collector, &future)?;
    }
    frame.slot(FUTURES).set(set);
    frame.slot(IN_ORDER).set(in_order);
    frame.slot(COLLECTOR).set(collector);
    frame.slot(CALLBACK).put(shared);
    Ok(waiter)
}

/// What asyncio checks before it looks at the futures themselves, and what to wait for.
fn check_arguments(frame: Frame<'_>) -> Result<Until> {
    let futures = frame.argument(FUTURES);
    if !is_plain_collection(&futures)
        && (imports().isfuture.call([&futures])?.truthy()? || is_coroutine(&futures)?)
    {
        // SAFETY: a live type; a static exception class.
        unsafe {
            let class = Ref::borrowed(futures.type_ptr().cast());
            let name = text_of(&class.getattr(&string("__name__")?)?)?;
            return raise_text(
                ffi::PyExc_TypeError,
                &format!("expect a list of futures, not {name}"),
            );
        }
    }
    if !futures.truthy()? {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_ValueError },
            c"Set of Tasks/Futures is empty.",
        );
    }
    let Some(given) = frame.slot(RETURN_WHEN).get() else {
        return Ok(Until::AllCompleted);
    };
    for (constant, until) in [
        (&imports().first_completed, Until::FirstCompleted),
        (&imports().first_exception, Until::FirstException),
        (&imports().all_completed, Until::AllCompleted),
    ] {
        if given.is(constant) || given.equals(constant)? {
            return Ok(until);
        }
    }
    // SAFETY: live; a new reference or null; a static exception class.
    unsafe {
        let shown =
            Ref::owned_or_raised(ffi::PyObject_Format(given.as_ptr(), std::ptr::null_mut()))?;
        raise_text(
            ffi::PyExc_ValueError,
            &format!("Invalid return_when value: {}", text_of(&shown)?),
        )
    }
}

/// Whether it is a collection of the interpreter's own, and so neither a future nor a coroutine.
fn is_plain_collection(object: &Ref) -> bool {
    let object = object.as_ptr();
    // SAFETY: live.
    unsafe {
        ffi::PyList_CheckExact(object) != 0
            || ffi::PyAnySet_CheckExact(object) != 0
            || ffi::PyTuple_CheckExact(object) != 0
            || ffi::PyDict_CheckExact(object) != 0
    }
}

/// What asyncio does in `finally`: nobody is told any more.
fn leave(frame: Frame<'_>) -> Result<()> {
    let collector = frame.argument(COLLECTOR);
    wait_collector::cancel_timer(&collector)?;
    let in_order = frame.argument(IN_ORDER);
    let mut shared = frame.slot(CALLBACK).take();
    for place in 0..length(&in_order) {
        let future = item(&in_order, place);
        collector::remove(&future, &collector, &mut shared)?;
        wait_collector::not_awaited(&collector, &future)?;
    }
    Ok(())
}

/// `(done, pending)`, two sets. The frame's own set becomes one of them.
fn results(frame: Frame<'_>) -> Result<Ref> {
    let in_order = frame.argument(IN_ORDER);
    let mut done = Vec::with_capacity(length(&in_order));
    for place in 0..length(&in_order) {
        let future = item(&in_order, place);
        if any::is_done(&future)? {
            done.push(future);
        }
    }
    let all = frame.argument(FUTURES);
    // SAFETY: no argument; a new reference or null.
    let other = unsafe { Ref::owned_or_raised(ffi::PySet_New(std::ptr::null_mut())) }?;
    if done.len() == length(&in_order) {
        return tuple(&[&all, &other]);
    }
    for future in &done {
        // SAFETY: two sets of our own, and a live object.
        unsafe {
            check(ffi::PySet_Add(other.as_ptr(), future.as_ptr()))?;
            check(ffi::PySet_Discard(all.as_ptr(), future.as_ptr()))?;
        }
    }
    tuple(&[&other, &all])
}

#[inline]
fn length(tuple: &Ref) -> usize {
    // SAFETY: a tuple by the callers' construction.
    unsafe { ffi::PyTuple_GET_SIZE(tuple.as_ptr()) as usize }
}

#[inline]
fn item(tuple: &Ref, place: usize) -> Ref {
    debug_assert!(place < length(tuple));
    // SAFETY: a tuple with more items than `place`; the item is counted at once.
    unsafe { Ref::borrowed(ffi::PyTuple_GET_ITEM(tuple.as_ptr(), place as _)) }
}
