//! The private attributes of asyncio's queues, which programs read, tests set, and methods use that are
//! not native.

use pyo3::ffi;

use crate::attribute;
use crate::imports::imports;
use crate::native::types::TypeBuilder;
use crate::native::{Raised, Ref, Result, boolean, raised};
use crate::sync::derived::{self, missing};
use crate::sync::{loop_bound, waiter_queue};

use super::fields::fields;
use super::finished;

/// Gives a type the attributes.
pub fn fill(builder: TypeBuilder) -> TypeBuilder {
    let builder = builder.attributes([
        attribute!(c"_loop", get_loop, set_loop),
        attribute!(c"_maxsize", get_maxsize, set_maxsize),
        attribute!(c"_queue", get_items, set_items),
        attribute!(c"_getters", get_getters, set_getters),
        attribute!(c"_putters", get_putters, set_putters),
        attribute!(c"_unfinished_tasks", get_unfinished, set_unfinished),
        attribute!(c"_finished", get_finished, set_finished),
    ]);
    if imports().queue_shut_down.is_none() {
        return builder;
    }
    builder.attributes([attribute!(c"_is_shutdown", get_shut_down, set_shut_down)])
}

/// `__getstate__()`
pub fn get_state(queue: &Ref) -> Result<Ref> {
    let own = fields(queue);
    let mut names = vec![
        c"_maxsize",
        c"_getters",
        c"_putters",
        c"_unfinished_tasks",
        c"_finished",
    ];
    if imports().queue_shut_down.is_some() {
        names.push(c"_is_shutdown");
    }
    if own.items.is_some() {
        names.push(c"_queue");
    }
    derived::state(queue, &names)
}

fn get_loop(queue: &Ref) -> Result<Ref> {
    Ok(loop_bound::get(&fields(queue).event_loop))
}

fn set_loop(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    loop_bound::set(&fields(queue).event_loop, value);
    Ok(())
}

fn get_maxsize(queue: &Ref) -> Result<Ref> {
    fields(queue).maxsize_object(queue)
}

fn set_maxsize(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return missing(queue, "_maxsize");
    };
    fields(queue).set_maxsize(value.clone());
    Ok(())
}

fn get_items(queue: &Ref) -> Result<Ref> {
    fields(queue).container(queue)
}

fn set_items(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    let own = fields(queue);
    if value.is_none() && !own.items.is_some() {
        return missing(queue, "_queue");
    }
    own.items.put(value.cloned());
    Ok(())
}

fn get_getters(queue: &Ref) -> Result<Ref> {
    waiter_queue::as_attribute_always(&fields(queue).getters)
}

fn set_getters(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(queue).getters, value)
}

fn get_putters(queue: &Ref) -> Result<Ref> {
    waiter_queue::as_attribute_always(&fields(queue).putters)
}

fn set_putters(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    waiter_queue::set_attribute(&fields(queue).putters, value)
}

fn get_unfinished(queue: &Ref) -> Result<Ref> {
    // SAFETY: attached; a new reference or null.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromLongLong(fields(queue).unfinished.get())) }
}

fn set_unfinished(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return missing(queue, "_unfinished_tasks");
    };
    // SAFETY: live; -1 may be a number or an exception.
    let count = unsafe { ffi::PyLong_AsLongLong(value.as_ptr()) };
    if count == -1 && raised() {
        return Err(Raised);
    }
    fields(queue).unfinished.set(count);
    Ok(())
}

fn get_finished(queue: &Ref) -> Result<Ref> {
    finished::event(fields(queue))
}

fn set_finished(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return missing(queue, "_finished");
    };
    fields(queue).finished.set(value.clone());
    Ok(())
}

fn get_shut_down(queue: &Ref) -> Result<Ref> {
    Ok(boolean(fields(queue).shut_down.get()))
}

fn set_shut_down(queue: &Ref, value: Option<&Ref>) -> Result<()> {
    let value = value.map_or(Ok(false), Ref::truthy)?;
    fields(queue).shut_down.set(value);
    Ok(())
}
