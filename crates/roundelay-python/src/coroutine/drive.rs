//! Resuming a native coroutine: sending, throwing, closing. The rules are those of CPython's own
//! coroutines (`Objects/genobject.c`), so that whoever drives cannot tell the two apart.

use pyo3::ffi;

use crate::future::{self, outcome};
use crate::imports::names;
use crate::native::{
    Raised, Ref, Result, Resumed, none, raise, raise_object, take_raised, while_handling,
};

use super::definition::{Flow, Frame, Sent};
use super::object::{Awaiting, Coroutine, State, fields, finish};

/// `coroutine.send(value)`
#[inline(always)]
pub fn send(coroutine: &Ref, value: &Ref) -> Result<Resumed> {
    let own = fields(coroutine);
    match own.state.get() {
        State::Suspended => go_on(coroutine, own, value),
        State::Created => {
            if !value.is_none() {
                // SAFETY: a static exception class.
                return raise(
                    unsafe { ffi::PyExc_TypeError },
                    c"can't send non-None value to a just-started coroutine",
                );
            }
            start(coroutine, own)
        }
        State::Running => already_executing(),
        State::Closed => already_awaited(),
    }
}

#[cold]
fn already_executing<T>() -> Result<T> {
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_ValueError },
        c"coroutine already executing",
    )
}

#[cold]
pub(super) fn already_awaited<T>() -> Result<T> {
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_RuntimeError },
        c"cannot reuse already awaited coroutine",
    )
}

#[cold]
pub(super) fn being_awaited<T>() -> Result<T> {
    // SAFETY: a static exception class.
    raise(
        unsafe { ffi::PyExc_RuntimeError },
        c"coroutine is being awaited already",
    )
}

/// Resumes a coroutine that waits for something.
fn go_on(coroutine: &Ref, own: &Coroutine, value: &Ref) -> Result<Resumed> {
    let sent = match own.kind.get() {
        Awaiting::Nothing => Sent::Value(none()),
        Awaiting::Future => {
            let future = own.awaiting.get().expect("awaits a future");
            let fut = future::body(&future);
            if !fut.is_pending() {
                drop(own.awaiting.take());
                outcome_of(&future)
            } else if !fut.blocking.replace(true) {
                return Ok(Resumed::Yielded(future));
            } else {
                // As the future's own iterator says when it is resumed too early.
                // SAFETY: a static exception class.
                let early: Result<()> = raise(
                    unsafe { ffi::PyExc_RuntimeError },
                    c"await wasn't used with future",
                );
                drop(own.awaiting.take());
                as_sent(early.map(|()| none()))
            }
        }
        Awaiting::Iterator => {
            let iterator = own.awaiting.get().expect("awaits an iterator");
            own.state.set(State::Running);
            match Resumed::send(&iterator, value) {
                Ok(Resumed::Yielded(value)) => {
                    own.state.set(State::Suspended);
                    return Ok(Resumed::Yielded(value));
                }
                Ok(Resumed::Returned(value)) => end_await(own, Sent::Value(value)),
                Err(Raised) => end_await(own, raised()),
            }
        }
    };
    run(coroutine, own, sent)
}

fn end_await(own: &Coroutine, sent: Sent) -> Sent {
    own.kind.set(Awaiting::Nothing);
    drop(own.awaiting.take());
    sent
}

/// The outcome of a native future that is done.
#[inline]
fn outcome_of(future: &Ref) -> Sent {
    as_sent(outcome::result(future))
}

#[inline]
fn as_sent(result: Result<Ref>) -> Sent {
    match result {
        Ok(value) => Sent::Value(value),
        Err(Raised) => raised(),
    }
}

fn raised() -> Sent {
    Sent::Raised(take_raised().expect("an error has an exception"))
}

/// Runs the body from its start. Most end without suspending.
#[inline(always)]
fn start(coroutine: &Ref, own: &Coroutine) -> Result<Resumed> {
    own.state.set(State::Running);
    match (own.definition().resume)(Frame(coroutine), Sent::Start) {
        Ok(Flow::Return(value)) => {
            finish(coroutine);
            Ok(Resumed::Returned(value))
        }
        flow => act(coroutine, own, flow),
    }
}

/// Runs the body until it suspends or ends.
fn run(coroutine: &Ref, own: &Coroutine, sent: Sent) -> Result<Resumed> {
    own.state.set(State::Running);
    let flow = resume_body(coroutine, own, sent);
    act(coroutine, own, flow)
}

#[inline]
fn resume_body(coroutine: &Ref, own: &Coroutine, sent: Sent) -> Result<Flow> {
    let resume = own.definition().resume;
    match sent {
        // What is raised while the body handles an exception has that one as its context.
        Sent::Raised(exception) => while_handling(&exception.clone(), || {
            resume(Frame(coroutine), Sent::Raised(exception))
        }),
        sent => resume(Frame(coroutine), sent),
    }
}

/// Does what the body wants to be done next, until it suspends or ends.
fn act(coroutine: &Ref, own: &Coroutine, mut flow: Result<Flow>) -> Result<Resumed> {
    loop {
        let sent = match flow {
            Ok(Flow::Await(awaitable)) => match begin_await(own, awaitable) {
                Ok(value) => return Ok(Resumed::Yielded(value)),
                Err(outcome) => outcome,
            },
            Ok(Flow::Pause) => {
                own.kind.set(Awaiting::Nothing);
                own.state.set(State::Suspended);
                return Ok(Resumed::Yielded(none()));
            }
            Ok(Flow::Handled) => Sent::Value(none()),
            Ok(Flow::Return(value)) => {
                finish(coroutine);
                return Ok(Resumed::Returned(value));
            }
            Err(Raised) => return fail(coroutine),
        };
        flow = resume_body(coroutine, own, sent);
    }
}

/// Ends the coroutine with the exception that is set.
#[cold]
fn fail(coroutine: &Ref) -> Result<Resumed> {
    crate::native::aside(|| finish(coroutine));
    // SAFETY: an exception is set; static classes.
    if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) } == 0 {
        return Err(Raised);
    }
    // A StopIteration must not look like a return.
    let stop = take_raised().expect("an exception is set");
    // SAFETY: live objects; cause and context each steal one reference.
    unsafe {
        let class = Ref::borrowed(ffi::PyExc_RuntimeError);
        let error = class.call([&crate::native::string("coroutine raised StopIteration")?])?;
        ffi::PyException_SetCause(error.as_ptr(), stop.clone().into_ptr());
        ffi::PyException_SetContext(error.as_ptr(), stop.into_ptr());
        raise_object(error)
    }
}

/// `await awaitable`: what to yield, or the outcome if it was there at once.
#[inline]
fn begin_await(own: &Coroutine, awaitable: Ref) -> std::result::Result<Ref, Sent> {
    if let Some(fut) = future::native(&awaitable) {
        if !fut.is_pending() {
            return Err(outcome_of(&awaitable));
        }
        if let Err(Raised) = outcome::ensure_alive(fut) {
            return Err(raised());
        }
        fut.blocking.set(true);
        own.awaiting.set(awaitable.clone());
        own.kind.set(Awaiting::Future);
        own.state.set(State::Suspended);
        return Ok(awaitable);
    }
    let iterator = match crate::compat::awaitable_iterator(awaitable) {
        Ok(iterator) => iterator,
        Err(Raised) => return Err(raised()),
    };
    own.awaiting.set(iterator.clone());
    own.kind.set(Awaiting::Iterator);
    match Resumed::send(&iterator, &none()) {
        Ok(Resumed::Yielded(value)) => {
            own.state.set(State::Suspended);
            Ok(value)
        }
        Ok(Resumed::Returned(value)) => Err(end_await(own, Sent::Value(value))),
        Err(Raised) => Err(end_await(own, raised())),
    }
}

/// `coroutine.throw(exception)`
pub fn throw(coroutine: &Ref, exception: Ref) -> Result<Resumed> {
    let own = fields(coroutine);
    match own.state.get() {
        State::Running => return already_executing(),
        State::Closed => return already_awaited(),
        State::Created => {
            finish(coroutine);
            return raise_object(exception);
        }
        State::Suspended => {}
    }
    if own.kind.get() != Awaiting::Iterator {
        drop(own.awaiting.take());
        own.kind.set(Awaiting::Nothing);
        return run(coroutine, own, Sent::Raised(exception));
    }
    let iterator = own.awaiting.get().expect("awaits an iterator");
    own.state.set(State::Running);
    // SAFETY: a static exception class.
    if exception.is_exception_of(unsafe { ffi::PyExc_GeneratorExit }) {
        let closed = close_iterator(&iterator);
        let sent = match closed {
            Ok(()) => Sent::Raised(exception),
            Err(Raised) => raised(),
        };
        return run(coroutine, own, end_await(own, sent));
    }
    let sent = match iterator.getattr_opt(&names().throw) {
        Ok(Some(method)) => match method.call([&exception]) {
            Ok(value) => {
                own.state.set(State::Suspended);
                return Ok(Resumed::Yielded(value));
            }
            Err(Raised) => match Resumed::from_stop_iteration() {
                Ok(Resumed::Returned(value)) => Sent::Value(value),
                Ok(Resumed::Yielded(_)) | Err(Raised) => raised(),
            },
        },
        Ok(None) => Sent::Raised(exception),
        Err(Raised) => raised(),
    };
    run(coroutine, own, end_await(own, sent))
}

fn close_iterator(iterator: &Ref) -> Result<()> {
    if let Some(method) = iterator.getattr_opt(&names().close)? {
        method.call([])?;
    }
    Ok(())
}

/// `coroutine.close()`
pub fn close(coroutine: &Ref) -> Result<()> {
    match fields(coroutine).state.get() {
        State::Closed => return Ok(()),
        State::Created => {
            finish(coroutine);
            return Ok(());
        }
        State::Running => return already_executing(),
        State::Suspended => {}
    }
    // SAFETY: static exception classes.
    unsafe {
        let exit = Ref::borrowed(ffi::PyExc_GeneratorExit).call([])?;
        match throw(coroutine, exit) {
            Ok(Resumed::Yielded(_)) => {
                raise(ffi::PyExc_RuntimeError, c"coroutine ignored GeneratorExit")
            }
            Ok(Resumed::Returned(_)) => Ok(()),
            Err(Raised) => {
                if ffi::PyErr_ExceptionMatches(ffi::PyExc_GeneratorExit) == 0 {
                    return Err(Raised);
                }
                drop(take_raised());
                Ok(())
            }
        }
    }
}
