//! The types `Queue`, `PriorityQueue` and `LifoQueue`, and their methods.

use std::ffi::CStr;
use std::mem::offset_of;

use crate::compat::own_attributes;
use crate::coroutine::function;
use crate::imports::imports;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, boolean, integer, none, tuple};
use crate::sync::{derived, stock_call};
use crate::{init_slot, method, method0, method1};

use super::fields::{Kind, LIFO_QUEUE, PRIORITY_QUEUE, QUEUE, QueueFields, fields, plain_kind};
use super::get_put::{GET, JOIN, PUT};
use super::{attributes, container, operations};

/// Makes all classes; returns them with their names.
pub fn make_types() -> Result<Vec<(&'static CStr, Ref)>> {
    container::prepare()?;
    let queue = make_queue()?;
    let priority = make_priority_queue(&queue)?;
    let lifo = make_lifo_queue(&queue)?;
    for class in [&queue, &priority, &lifo] {
        own_attributes::without_inline_values(class);
    }
    own_attributes::probe(&queue.call([])?)?;
    Ok(vec![
        (c"Queue", queue),
        (c"PriorityQueue", priority),
        (c"LifoQueue", lifo),
    ])
}

fn make_queue() -> Result<Ref> {
    let base = derived::base(c"asyncio.queues", "Queue")?;
    let builder = derived::builder::<QueueFields>(
        c"asyncio.queues.Queue",
        &base,
        &[
            (c"_native_loop", offset_of!(QueueFields, event_loop)),
            (c"_native_maxsize", offset_of!(QueueFields, maxsize)),
            (c"_native_items", offset_of!(QueueFields, items)),
            (c"_native_getters", offset_of!(QueueFields, getters)),
            (c"_native_putters", offset_of!(QueueFields, putters)),
            (c"_native_finished", offset_of!(QueueFields, finished)),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(
            c"qsize",
            qsize,
            c"qsize($self, /)\n--\n\nNumber of items in the queue."
        ),
        method0!(
            c"empty",
            empty,
            c"empty($self, /)\n--\n\nReturn True if the queue is empty, False otherwise."
        ),
        method0!(
            c"full",
            operations::full,
            c"full($self, /)\n--\n\nReturn True if there are maxsize items in the queue; never without a bound."
        ),
        method!(
            c"put_nowait",
            put_nowait,
            c"put_nowait($self, /, item)\n--\n\nPut an item into the queue, or raise QueueFull."
        ),
        method0!(
            c"get_nowait",
            get_nowait,
            c"get_nowait($self, /)\n--\n\nRemove and return an item, or raise QueueEmpty."
        ),
        method0!(
            c"task_done",
            operations::task_done,
            c"task_done($self, /)\n--\n\nIndicate that an item that was gotten has been processed."
        ),
        method1!(
            c"_init",
            first_init,
            c"_init($self, maxsize, /)\n--\n\n"
        ),
        method1!(c"_put", first_put, c"_put($self, item, /)\n--\n\n"),
        method0!(c"_get", first_get, c"_get($self, /)\n--\n\n"),
        method!(
            c"_wakeup_next",
            wakeup_next,
            c"_wakeup_next($self, /, waiters)\n--\n\n"
        ),
        method0!(
            c"__getstate__",
            attributes::get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ]);
    let builder = match imports().queue_shut_down {
        None => builder,
        Some(_) => builder.methods([method!(
            c"shutdown",
            shutdown,
            c"shutdown($self, /, immediate=False)\n--\n\nHave puts, and gets once the queue is empty, raise QueueShutDown."
        )]),
    };
    let class = attributes::fill(builder).build(Some(&base))?;
    QUEUE.set(type_of_class(&class));
    for definition in [&GET, &PUT, &JOIN] {
        function::add_method(&class, definition)?;
    }
    Ok(class)
}

/// Derives from the native queue and from asyncio's class of the same name. The fields are the queue's,
/// and so are the methods; the hooks are its own.
fn make_priority_queue(queue: &Ref) -> Result<Ref> {
    let base = derived::base(c"asyncio.queues", "PriorityQueue")?;
    let class = derived::builder::<QueueFields>(c"asyncio.queues.PriorityQueue", &base, &[])?
        .methods([
            method1!(c"_init", priority_init, c"_init($self, maxsize, /)\n--\n\n"),
            method1!(c"_put", priority_put, c"_put($self, item, /)\n--\n\n"),
            method0!(c"_get", priority_get, c"_get($self, /)\n--\n\n"),
        ])
        .build(Some(&tuple(&[queue, &base])?))?;
    PRIORITY_QUEUE.set(type_of_class(&class));
    Ok(class)
}

/// As for `PriorityQueue`.
fn make_lifo_queue(queue: &Ref) -> Result<Ref> {
    let base = derived::base(c"asyncio.queues", "LifoQueue")?;
    let class = derived::builder::<QueueFields>(c"asyncio.queues.LifoQueue", &base, &[])?
        .methods([
            method1!(c"_init", last_init, c"_init($self, maxsize, /)\n--\n\n"),
            method1!(c"_put", last_put, c"_put($self, item, /)\n--\n\n"),
            method0!(c"_get", last_get, c"_get($self, /)\n--\n\n"),
        ])
        .build(Some(&tuple(&[queue, &base])?))?;
    LIFO_QUEUE.set(type_of_class(&class));
    Ok(class)
}

fn init(queue: &Ref, args: Args<'_>) -> Result<()> {
    let Some(maxsize) = stock_call::one_optional(&args, "maxsize") else {
        return stock_call::init(queue, &args);
    };
    let maxsize = maxsize.map_or_else(|| integer(0), |maxsize| Ok(maxsize.clone()))?;
    operations::initialise(queue, maxsize)
}

fn qsize(queue: &Ref) -> Result<Ref> {
    integer(container::len(&fields(queue).container(queue)?)? as u64)
}

fn empty(queue: &Ref) -> Result<Ref> {
    container::is_empty(&fields(queue).container(queue)?).map(boolean)
}

fn put_nowait(queue: &Ref, args: Args<'_>) -> Result<Ref> {
    match (args.positional, args.no_keywords()) {
        ([item], true) => operations::put_nowait(queue, plain_kind(queue), item).map(|()| none()),
        _ => stock_call::call(queue, c"put_nowait", &args),
    }
}

fn get_nowait(queue: &Ref) -> Result<Ref> {
    operations::get_nowait(queue, plain_kind(queue))
}

fn shutdown(queue: &Ref, args: Args<'_>) -> Result<Ref> {
    let Some(immediate) = stock_call::one_optional(&args, "immediate") else {
        return stock_call::call(queue, c"shutdown", &args);
    };
    let immediate = immediate.map_or(Ok(false), Ref::truthy)?;
    operations::shut_down(queue, immediate).map(|()| none())
}

fn wakeup_next(queue: &Ref, args: Args<'_>) -> Result<Ref> {
    let own = fields(queue);
    if let ([waiters], true) = (args.positional, args.no_keywords()) {
        for line in [&own.getters, &own.putters] {
            if waiters.is_ptr(line.peek()) {
                return operations::wake_first(line).map(|()| none());
            }
        }
    }
    // A line that is none of ours.
    stock_call::call(queue, c"_wakeup_next", &args)
}

fn new_container(queue: &Ref, kind: Kind) -> Result<Ref> {
    fields(queue).items.set(container::make(kind)?);
    Ok(none())
}

fn put_hook(queue: &Ref, kind: Kind, item: &Ref) -> Result<Ref> {
    container::put(kind, &fields(queue).container(queue)?, item).map(|()| none())
}

fn get_hook(queue: &Ref, kind: Kind) -> Result<Ref> {
    container::take(kind, &fields(queue).container(queue)?)
}

fn first_init(queue: &Ref, _maxsize: &Ref) -> Result<Ref> {
    new_container(queue, Kind::Fifo)
}

fn first_put(queue: &Ref, item: &Ref) -> Result<Ref> {
    put_hook(queue, Kind::Fifo, item)
}

fn first_get(queue: &Ref) -> Result<Ref> {
    get_hook(queue, Kind::Fifo)
}

fn priority_init(queue: &Ref, _maxsize: &Ref) -> Result<Ref> {
    new_container(queue, Kind::Priority)
}

fn priority_put(queue: &Ref, item: &Ref) -> Result<Ref> {
    put_hook(queue, Kind::Priority, item)
}

fn priority_get(queue: &Ref) -> Result<Ref> {
    get_hook(queue, Kind::Priority)
}

fn last_init(queue: &Ref, _maxsize: &Ref) -> Result<Ref> {
    new_container(queue, Kind::Lifo)
}

fn last_put(queue: &Ref, item: &Ref) -> Result<Ref> {
    put_hook(queue, Kind::Lifo, item)
}

fn last_get(queue: &Ref) -> Result<Ref> {
    get_hook(queue, Kind::Lifo)
}
