//! What a suspended task waits for: which lock, queue, event, task, sleep or descriptor.
//!
//! Nothing is recorded for this while a program runs. A parked task names its future, and from its coroutine
//! on every awaiter names what it awaits, so the answer is found by walking there.

use pyo3::ffi;

use crate::combinators::gather::GATHERING;
use crate::combinators::sleep_course;
use crate::coroutine;
use crate::eventloop;
use crate::future;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, float, none, raise_text, repr, string, text_of, tuple};

use super::body::body;
use super::object::TASK;

/// Awaiters in a row that are followed. A coroutine can be made to await itself.
const LONGEST_CHAIN: usize = 100_000;

/// Classes that tasks wait at, and what each is called. A class of the user's is found by its base.
const PLACES: [(&str, &str); 10] = [
    ("Lock", "lock"),
    ("Event", "event"),
    ("Condition", "condition"),
    ("Semaphore", "semaphore"),
    ("Barrier", "barrier"),
    ("Queue", "queue"),
    ("TaskGroup", "task group"),
    ("Timeout", "timeout"),
    ("StreamReader", "stream"),
    ("StreamWriter", "stream"),
];

/// Where the walk along the awaiters ended.
#[derive(Default)]
struct Chain {
    /// The outermost native method below the last `async def` of the program's: its name and its object.
    method: Option<(&'static str, Ref)>,
    /// The innermost native function that is no method, such as `wait_for`.
    function: Option<&'static str>,
    /// When a native sleep at the end of the chain is over.
    until: Option<f64>,
}

/// `_waits_for(task)`: a tuple of operation, kind, object and deadline, or `None` for a task that waits for
/// nothing.
pub fn waits_for(_module: &Ref, task: &Ref) -> Result<Ref> {
    // SAFETY: the class is live.
    let task_class = imports().task_class.as_ptr().cast();
    if !task.is_instance(task_class) {
        // SAFETY: a static exception class.
        return raise_text(
            unsafe { ffi::PyExc_TypeError },
            &format!("a task was expected, got {}", repr(task)?),
        );
    }
    let is_native = task.is_instance(TASK.get());
    let waited = if is_native {
        body(task).waiting_on.get()
    } else {
        let waited = task.getattr(&names().fut_waiter)?;
        (!waited.is_none()).then_some(waited)
    };
    let coroutine = task.call_method(&names().get_coro, [])?;
    let chain = walk(coroutine)?;
    let Some(waited) = waited else {
        if is_native && eventloop::sleeps::look(task) == super::Sleeping::Timer {
            return answer("sleep", "sleep", &none(), chain.until);
        }
        return Ok(none());
    };
    let mut operation = chain.function.unwrap_or("await").to_owned();
    if let Some((name, owner)) = chain.method {
        let (class, kind) = place(&owner)?;
        operation = format!("{class}.{name}");
        if eventloop::native(&owner).is_none() {
            return answer(&operation, &kind, &owner, None);
        }
        // A loop is no place to wait at: its method waits for something else.
    }
    let operation = operation.as_str();
    let ty = waited.type_ptr();
    if let Some(descriptor) = watched_for(&waited)? {
        return answer(operation, "descriptor", &descriptor, None);
    }
    let kind = if waited.is_instance(task_class) {
        "task"
    } else if ty == GATHERING.get() {
        "gather"
    } else {
        "future"
    };
    answer(operation, kind, &waited, None)
}

fn answer(operation: &str, kind: &str, object: &Ref, until: Option<f64>) -> Result<Ref> {
    let until = until.map_or_else(|| Ok(none()), float)?;
    tuple(&[&string(operation)?, &string(kind)?, object, &until])
}

/// Follows the awaiters down to what is no awaiter.
fn walk(coroutine: Ref) -> Result<Chain> {
    let mut chain = Chain::default();
    let mut current = coroutine;
    for _ in 0..LONGEST_CHAIN {
        let next = if let Some((definition, owner, awaited)) = coroutine::parts(&current) {
            match owner {
                Some(owner) => {
                    chain.method.get_or_insert((definition.name, owner));
                }
                None => {
                    chain.method = None;
                    chain.function = Some(definition.name);
                }
            }
            awaited
        } else if let Some(until) = sleep_course::ends_at(&current) {
            chain.until = Some(until);
            None
        } else if let Some(awaited) = awaited_by_python(&current)? {
            chain.method = None;
            chain.function = None;
            (!awaited.is_none()).then_some(awaited)
        } else {
            // A future, at the end of the chain.
            None
        };
        match next {
            Some(next) => current = next,
            None => break,
        }
    }
    Ok(chain)
}

/// What a coroutine or generator of Python's awaits (or `None`, the object); nothing for anything else.
fn awaited_by_python(awaiter: &Ref) -> Result<Option<Ref>> {
    for name in [&names().cr_await, &names().gi_yieldfrom, &names().ag_await] {
        if let Some(awaited) = awaiter.getattr_opt(name)? {
            return Ok(Some(awaited));
        }
    }
    Ok(None)
}

/// The class of `owner` as its user knows it, and what asyncio's class among its bases is called here.
fn place(owner: &Ref) -> Result<(String, String)> {
    // SAFETY: a live type.
    let class = unsafe { Ref::borrowed(owner.type_ptr().cast()) };
    let name = names_of(&class)?;
    let bases = class.getattr(&string("__mro__")?)?;
    for base in crate::native::items(&bases) {
        let base = names_of(&base)?;
        if let Some((_, kind)) = PLACES.iter().find(|(known, _)| *known == base) {
            return Ok((name, (*kind).to_owned()));
        }
    }
    let kind = name.to_lowercase();
    Ok((name, kind))
}

fn names_of(class: &Ref) -> Result<String> {
    text_of(&class.getattr(&string("__name__")?)?)
}

/// The descriptor whose reader or writer was given this future to finish.
fn watched_for(waited: &Ref) -> Result<Option<Ref>> {
    let Some(event_loop) = future::native(waited).and_then(|fut| fut.event_loop.get()) else {
        return Ok(None);
    };
    if eventloop::native(&event_loop).is_none() {
        return Ok(None);
    }
    let all = eventloop::watched(&event_loop)?;
    // SAFETY: a live list; a new reference or null.
    let all = unsafe { Ref::owned_or_raised(ffi::PySequence_Tuple(all.as_ptr())) }?;
    for entry in crate::native::items(&all) {
        // What was given for the descriptor, the descriptor, reader and writer.
        let parts = crate::native::items(&entry);
        for handle in parts[2..].iter().filter(|handle| !handle.is_none()) {
            let arguments = handle.getattr(&string("_args")?)?;
            if !arguments.is_none()
                && crate::native::items(&arguments)
                    .first()
                    .is_some_and(|first| first.is(waited))
            {
                return Ok(Some(parts[1].clone()));
            }
        }
    }
    Ok(None)
}
