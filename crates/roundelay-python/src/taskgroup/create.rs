//! `TaskGroup.create_task`.

use pyo3::ffi;

use crate::compat::awaited_by;
use crate::compat::group_behaviour::group as behaviour;
use crate::eventloop;
use crate::future::{self, collector};
use crate::imports::names;
use crate::method;
use crate::native::args::matches;
use crate::native::{Args, Ref, Result, check, dict, none, string, tuple};
use crate::statics::Once;
use crate::sync::stock_call;

use super::done;
use super::object::{GroupFields, fields, is_plain, refuse};

/// asyncio's `_set_task_name`, where there is one.
static SET_NAME: Once<Option<Ref>> = Once::new();

/// Keeps what asyncio's own class uses.
pub fn prepare() -> Result<()> {
    let tasks = crate::imports::module(c"asyncio.tasks")?;
    SET_NAME.set(tasks.getattr_opt(&string("_set_task_name")?)?);
    Ok(())
}

/// The method, with the signature of this release.
pub fn method() -> ffi::PyMethodDef {
    let mut definition = method!(
        c"create_task",
        create_task,
        c"create_task($self, coro, *, name=None, context=None)\n--\n\nCreate a new task in this group and return it.\n\nSimilar to `asyncio.create_task`."
    );
    if behaviour().takes_any_keyword {
        definition.ml_doc =
            c"create_task($self, coro, **kwargs)\n--\n\nCreate a new task in this group and return it.\n\nSimilar to `asyncio.create_task`."
                .as_ptr();
    }
    definition
}

/// `create_task(coro, *, name=None, context=None)`, or with any keyword that the loop knows.
pub fn create_task(group: &Ref, args: Args<'_>) -> Result<Ref> {
    let own = fields(group);
    let Some(coro) = coroutine_of(&args)? else {
        return stock_call::call(group, c"create_task", &args);
    };
    if !own.entered.get() {
        return turn_away(group, &coro, "has not been entered");
    }
    if own.exiting.get() && own.task_count()? == 0 {
        return turn_away(group, &coro, "is finished");
    }
    if own.aborting.get() {
        return turn_away(group, &coro, "is shutting down");
    }
    let task = make(own, &coro, &args)?;
    adopt(group, own, &task)?;
    Ok(task)
}

/// The coroutine, if the arguments fit this release's signature.
#[inline]
fn coroutine_of(args: &Args<'_>) -> Result<Option<Ref>> {
    if let [coro] = args.positional
        && args.no_keywords()
    {
        return Ok(Some(coro.clone()));
    }
    let mut coro = match args.positional {
        [] => None,
        [coro] => Some(coro.clone()),
        _ => return Ok(None),
    };
    for (name, value) in args.keyword_items() {
        if matches(&name, "coro") && coro.is_none() {
            coro = Some(value.clone());
        } else if matches(&name, "coro")
            || !(behaviour().takes_any_keyword
                || matches(&name, "name")
                || matches(&name, "context"))
        {
            return Ok(None);
        }
    }
    Ok(coro)
}

/// Refuses a coroutine, which newer releases close.
#[cold]
fn turn_away(group: &Ref, coro: &Ref, why: &str) -> Result<Ref> {
    if behaviour().closes_refused {
        coro.call_method(&names().close, [])?;
    }
    refuse(group, why)
}

/// Has the loop make the task.
#[inline]
fn make(own: &GroupFields, coro: &Ref, args: &Args<'_>) -> Result<Ref> {
    let event_loop = own.event_loop.get().unwrap_or_else(none);
    if eventloop::is_plain(&event_loop) && args.positional.len() == 1 {
        return eventloop::create_task(&event_loop, *args);
    }
    make_elsewhere(&event_loop, coro, args)
}

/// The loop may be anybody's: it is called as this release of asyncio calls it.
fn make_elsewhere(event_loop: &Ref, coro: &Ref, args: &Args<'_>) -> Result<Ref> {
    let kwargs = dict(&[])?;
    let mut task_name = None;
    if !behaviour().takes_any_keyword && !behaviour().names_afterwards {
        set_item(&kwargs, "name", &none())?;
    }
    for (name, value) in args.keyword_items() {
        if matches(&name, "coro") {
            continue;
        }
        if behaviour().takes_any_keyword {
            // SAFETY: live objects.
            check(unsafe { ffi::PyDict_SetItem(kwargs.as_ptr(), name.as_ptr(), value.as_ptr()) })?;
        } else if matches(&name, "context") {
            if !value.is_none() {
                set_item(&kwargs, "context", value)?;
            }
        } else if behaviour().names_afterwards {
            task_name = Some(value);
        } else {
            set_item(&kwargs, "name", value)?;
        }
    }
    let method = event_loop.getattr(&names().create_task)?;
    let task = method.call_tuple(&tuple(&[coro])?, Some(&kwargs))?;
    if let (Some(name), Some(set_name)) = (task_name, SET_NAME.get()) {
        set_name.call([&task, name])?;
    }
    Ok(task)
}

fn set_item(kwargs: &Ref, name: &str, value: &Ref) -> Result<()> {
    let name = string(name)?;
    // SAFETY: live objects.
    check(unsafe { ffi::PyDict_SetItem(kwargs.as_ptr(), name.as_ptr(), value.as_ptr()) })
}

/// Counts the task among the group's, and has it tell the group when it is done.
#[inline]
fn adopt(group: &Ref, own: &GroupFields, task: &Ref) -> Result<()> {
    let rules = behaviour();
    if rules.records_awaiting
        && let Some(parent) = own.parent.get()
    {
        awaited_by::add(task, &parent)?;
    }
    if rules.counts_eager_at_once && future::any::is_done(task)? {
        return done::tell(group, task);
    }
    let tasks = own.task_set()?;
    // SAFETY: a live object; a set of the user's may be any type, which this refuses.
    check(unsafe { ffi::PySet_Add(tasks.as_ptr(), task.as_ptr()) })?;
    if is_plain(group) {
        return collector::add(task, group, &mut None);
    }
    task.call_method(
        &names().add_done_callback,
        [&group.getattr(&names().on_task_done)?],
    )
    .map(drop)
}
