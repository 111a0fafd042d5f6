//! `create_task` and `ensure_future`.

use pyo3::ffi;

use crate::eventloop;
use crate::future::{self, members};
use crate::imports::{imports, names};
use crate::native::{Args, Ref, Result, raise};
use crate::task::{self, object::Options};

/// `create_task(coro, *, name=None, context=None, **kwargs)`
pub fn create_task(_module: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some(event_loop) = eventloop::running()? else {
        // SAFETY: a static exception class.
        return raise(unsafe { ffi::PyExc_RuntimeError }, c"no running event loop");
    };
    if eventloop::is_plain(&event_loop) {
        return eventloop::create_task(&event_loop, args);
    }
    let method = event_loop.getattr(&names().create_task)?;
    args.pass_on(&method)
}

/// `ensure_future(coro_or_future, *, loop=None)`
pub fn ensure_future_function(_module: &Ref, args: Args<'_>) -> Result<Ref> {
    let [object, event_loop] = args.bind("ensure_future", ["coro_or_future", "loop"], 1, 1)?;
    ensure_future(
        object.expect("required"),
        event_loop.filter(|given| !given.is_none()),
    )
}

/// A future for anything awaitable: itself if it is one, else a task. Coroutines and native futures
/// take the short way; the rest is asyncio's own function's business.
#[inline]
pub fn ensure_future(object: &Ref, event_loop: Option<&Ref>) -> Result<Ref> {
    if future::native(object).is_some() {
        if let Some(event_loop) = event_loop
            && !members::loop_of(object)?.is(event_loop)
        {
            // SAFETY: a static exception class.
            return raise(
                unsafe { ffi::PyExc_ValueError },
                c"The future belongs to a different loop than the one specified as the loop argument",
            );
        }
        return Ok(object.clone());
    }
    // SAFETY: live.
    if unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) } != 0 {
        let event_loop = match event_loop {
            Some(event_loop) => Some(event_loop.clone()),
            None => eventloop::running()?,
        };
        if let Some(event_loop) = event_loop
            && eventloop::is_plain(&event_loop)
            && !eventloop::data(&event_loop).closed.get()
            && !eventloop::data(&event_loop).task_factory.is_some()
        {
            return task::create(&event_loop, object, Options::default());
        }
    }
    match event_loop {
        Some(event_loop) => {
            imports()
                .stock_ensure_future
                .call_kw([object], &names().kw_loop, event_loop)
        }
        None => imports().stock_ensure_future.call([object]),
    }
}
