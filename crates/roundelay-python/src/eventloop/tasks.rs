//! `create_future` and `create_task`.

use crate::future;
use crate::imports::imports;
use crate::native::args::matches;
use crate::native::{Args, Ref, Result};
use crate::task::{self, object::Options};

use super::object::data;
use super::schedule::check_closed;

/// `create_future()`
pub fn create_future(event_loop: &Ref) -> Result<Ref> {
    if super::is_native(event_loop) {
        return future::new_pending(event_loop);
    }
    // A subclass that overrides `call_soon` gets a future that goes through it.
    // SAFETY: the type is made.
    let class = unsafe { Ref::borrowed(future::FUTURE.get().cast()) };
    class.call_kw([], &crate::imports::names().kw_loop, event_loop)
}

/// `create_task(coro, *, name=None, context=None, **kwargs)`, as each version of Python has it.
pub fn create_task(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    let state = data(event_loop);
    check_closed(state)?;
    if !state.task_factory.is_some()
        && super::is_native(event_loop)
        && let [coro] = args.positional
        && let Some(options) = options(&args)?
    {
        return task::create(event_loop, coro, options);
    }
    through_asyncio(event_loop, args)
}

/// The keywords, if the native way knows them all.
fn options<'a>(args: &Args<'a>) -> Result<Option<Options<'a>>> {
    let mut options = Options::default();
    for (place, value) in args.keywords.iter().enumerate() {
        let name = args.keyword_name(place);
        if matches(&name, "name") {
            options.name = Some(value);
        } else if matches(&name, "context") {
            options.context = Some(value);
        } else if cfg!(Py_3_14) && matches(&name, "eager_start") {
            options.eager_start = !value.is_none() && value.truthy()?;
        } else {
            return Ok(None);
        }
    }
    Ok(Some(options))
}

/// A task factory is set, or the call is unusual: asyncio's own method knows what to do, and calls
/// `Task` if there is no factory.
#[cold]
fn through_asyncio(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    args.pass_on_behind(event_loop, &imports().base_create_task)
}
