//! Waiting at a barrier, resetting and aborting it. All of it happens with the barrier's condition held,
//! which is how asyncio does it, and so what can be seen of it (who goes when, in how many turns) is the same.

use pyo3::ffi;

use crate::coroutine::{AsyncDef, Flow, Frame, Sent};
use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, none, raise, raise_object, take_raised, while_handling};

use super::barrier::{BARRIER, BarrierFields, State, condition_of, fields};
use super::count;

/// The coroutine methods of a barrier.
pub static METHODS: [&AsyncDef; 5] = [&WAIT, &ENTER, &EXIT, &RESET, &ABORT];

static WAIT: AsyncDef = AsyncDef {
    name: "wait",
    qualname: "Barrier.wait",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: wait,
};

static ENTER: AsyncDef = AsyncDef {
    name: "__aenter__",
    qualname: "Barrier.__aenter__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: enter,
};

// Takes any number of arguments; for more than these asyncio's own is called.
static EXIT: AsyncDef = AsyncDef {
    name: "__aexit__",
    qualname: "Barrier.__aexit__",
    parameters: &[],
    positional: 3,
    required: 0,
    resume: exit,
};

static RESET: AsyncDef = AsyncDef {
    name: "reset",
    qualname: "Barrier.reset",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: reset,
};

static ABORT: AsyncDef = AsyncDef {
    name: "abort",
    qualname: "Barrier.abort",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: abort,
};

/// Stages of `wait`, `reset` and `abort`.
const TAKING_THE_LOCK: u8 = 1;
/// Others are on their way out.
const BEFORE: u8 = 2;
/// Counted, until all parties are there.
const INSIDE: u8 = 3;

/// Slot of the condition that is held, behind the barrier: the one that is given back in the end.
const CONDITION: usize = 1;

/// `wait()`. The frame's number is the position, once there is one.
fn wait(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let barrier = frame.argument(0);
    let own = fields(&barrier);
    match frame.stage().get() {
        TAKING_THE_LOCK => {
            sent.value()?;
            frame.stage().set(BEFORE);
            come_in(frame, own)
        }
        BEFORE => match sent {
            Sent::Raised(exception) => fail(frame, exception),
            _ => come_in(frame, own),
        },
        INSIDE => match sent {
            Sent::Raised(exception) => {
                while_handling(&exception, || leave(frame, own))?;
                fail(frame, exception)
            }
            _ => wait_inside(frame, own),
        },
        _ => take_the_lock(frame, &barrier),
    }
}

fn take_the_lock(frame: Frame<'_>, barrier: &Ref) -> Result<Flow> {
    let condition = condition_of(barrier)?;
    frame.slot(CONDITION).set(condition.clone());
    frame.stage().set(TAKING_THE_LOCK);
    condition.call_method(&names().acquire, []).map(Flow::Await)
}

fn held(frame: Frame<'_>) -> Ref {
    frame.argument(CONDITION)
}

fn notify_all(frame: Frame<'_>) -> Result<()> {
    held(frame).call_method(&names().notify_all, []).map(drop)
}

fn let_go(frame: Frame<'_>) -> Result<()> {
    held(frame).call_method(&names().release, []).map(drop)
}

/// Waits for the condition.
fn wait_for_news(frame: Frame<'_>) -> Result<Flow> {
    held(frame).call_method(&names().wait, []).map(Flow::Await)
}

/// Lets go of the lock and ends with this exception.
#[cold]
fn fail(frame: Frame<'_>, exception: Ref) -> Result<Flow> {
    while_handling(&exception, || let_go(frame))?;
    raise_object(exception)
}

/// Runs what may fail with the lock held.
fn or_fail(frame: Frame<'_>, result: Result<Flow>) -> Result<Flow> {
    match result {
        Err(Raised) => {
            let exception = take_raised().expect("an error has an exception");
            fail(frame, exception)
        }
        flow => flow,
    }
}

/// Goes in once those before are out.
fn come_in(frame: Frame<'_>, own: &BarrierFields) -> Result<Flow> {
    match own.state.get() {
        State::Draining | State::Resetting => {
            let waiting = wait_for_news(frame);
            or_fail(frame, waiting)
        }
        State::Broken => {
            let broken = raise(imports().broken_barrier_error.as_ptr(), c"Barrier aborted");
            or_fail(frame, broken)
        }
        State::Filling => {
            let position = own.count.get();
            frame.number().set(position);
            own.count.set(position + 1);
            frame.stage().set(INSIDE);
            let result = open_or_wait(frame, own, position);
            or_leave(frame, own, result)
        }
    }
}

fn open_or_wait(frame: Frame<'_>, own: &BarrierFields, position: i64) -> Result<Flow> {
    let inside = count::integer(position + 1)?;
    if !count::compare(&inside, &own.parties.get()?, ffi::Py_EQ)? {
        return wait_for_news(frame);
    }
    own.state.set(State::Draining);
    notify_all(frame)?;
    count::integer(position).map(Flow::Return)
}

/// Goes on inside: waits, leaves with the position, or fails because of a reset or an abort.
fn wait_inside(frame: Frame<'_>, own: &BarrierFields) -> Result<Flow> {
    let result = match own.state.get() {
        State::Filling => wait_for_news(frame),
        State::Draining => count::integer(frame.number().get()).map(Flow::Return),
        State::Broken | State::Resetting => raise(
            imports().broken_barrier_error.as_ptr(),
            c"Abort or reset of barrier",
        ),
    };
    or_leave(frame, own, result)
}

/// Leaves the barrier and the lock, unless there is something to wait for.
fn or_leave(frame: Frame<'_>, own: &BarrierFields, result: Result<Flow>) -> Result<Flow> {
    match result {
        Ok(Flow::Return(position)) => {
            let left = leave(frame, own).map(|()| Flow::Return(position));
            let flow = or_fail(frame, left)?;
            let_go(frame)?;
            Ok(flow)
        }
        Err(Raised) => {
            let exception = take_raised().expect("an error has an exception");
            while_handling(&exception, || leave(frame, own))?;
            fail(frame, exception)
        }
        flow => flow,
    }
}

/// One less inside; the last one out opens the barrier for the next.
fn leave(frame: Frame<'_>, own: &BarrierFields) -> Result<()> {
    own.count.set(own.count.get() - 1);
    if own.count.get() == 0 {
        if matches!(own.state.get(), State::Resetting | State::Draining) {
            own.state.set(State::Filling);
        }
        notify_all(frame)?;
    }
    Ok(())
}

/// `__aenter__()`: `wait()`, which a subclass may have overridden.
fn enter(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let barrier = frame.argument(0);
    if barrier.is_exact(BARRIER.get()) {
        return wait(frame, sent);
    }
    match sent {
        Sent::Start => barrier.call_method(&names().wait, []).map(Flow::Await),
        sent => sent.value().map(Flow::Return),
    }
}

/// `__aexit__(*args)`
fn exit(_frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    Ok(Flow::Return(none()))
}

/// `reset()`
fn reset(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    change(frame, sent, |own| {
        if own.count.get() > 0 {
            State::Resetting
        } else {
            State::Filling
        }
    })
}

/// `abort()`
fn abort(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    change(frame, sent, |_| State::Broken)
}

/// Changes the state, with the lock held, and tells everyone.
fn change(frame: Frame<'_>, sent: Sent, to: fn(&BarrierFields) -> State) -> Result<Flow> {
    let barrier = frame.argument(0);
    if frame.stage().get() != TAKING_THE_LOCK {
        return take_the_lock(frame, &barrier);
    }
    sent.value()?;
    let own = fields(&barrier);
    own.state.set(to(own));
    let told = notify_all(frame).map(|()| Flow::Return(none()));
    let flow = or_fail(frame, told)?;
    let_go(frame)?;
    Ok(flow)
}
