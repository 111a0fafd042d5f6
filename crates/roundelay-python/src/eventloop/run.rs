//! `run_forever`: what surrounds the turns.

use crate::imports::{imports, names};
use crate::native::trampoline::guard;
use crate::native::{Raised, Ref, Result, aside, boolean, none, take_raised, tuple};

use super::data::LoopData;
use super::object::data;
use super::schedule::this_thread;
use super::time;
use super::turn::{settle, turn};

/// `_run_once()`: one turn, for those who drive the loop by hand.
pub fn run_once(event_loop: &Ref) -> Result<Ref> {
    let state = data(event_loop);
    let outcome = turn(event_loop, state);
    settle(event_loop, state);
    outcome.map(|()| none())
}

/// `run_forever()`
pub fn run_forever(event_loop: &Ref) -> Result<Ref> {
    event_loop.call_method(&names().check_closed, [])?;
    event_loop.call_method(&names().check_running, [])?;
    let state = data(event_loop);
    let debug = boolean(state.debug.get());
    event_loop.call_method(&names().set_coroutine_origin_tracking, [&debug])?;
    let hooks = imports().get_asyncgen_hooks.call([])?;
    let mut signals = false;
    let outcome = enter(event_loop, state, &mut signals)
        // Even after a panic the loop is left as it should be.
        .and_then(|()| guard(Err(Raised), || Ok(turns(event_loop, state))));
    let left = aside(|| leave(event_loop, state, &hooks, signals));
    outcome.and(left).map(|()| none())
}

fn turns(event_loop: &Ref, state: &LoopData) -> Result<()> {
    loop {
        turn(event_loop, state)?;
        if state.stopping.get() {
            return Ok(());
        }
    }
}

/// Makes the loop the running one of this thread, and notes whether it is the one that hears of signals.
fn enter(event_loop: &Ref, state: &LoopData, signals: &mut bool) -> Result<()> {
    state.thread.set(this_thread()?);
    time::look_for_own_time(event_loop);
    let first = event_loop.getattr(&names().asyncgen_firstiter_hook)?;
    let last = event_loop.getattr(&names().asyncgen_finalizer_hook)?;
    imports().set_asyncgen_hooks.call([&first, &last])?;
    set_running(event_loop)?;
    *signals = watch_signals(event_loop)?;
    Ok(())
}

/// Tells asyncio which loop runs on this thread: where its C code looks, which native code does as well, and
/// where else its Python code may look.
fn set_running(event_loop: &Ref) -> Result<()> {
    imports().set_running_loop.call([event_loop])?;
    let set = imports().events.getattr(&names().set_running_loop)?;
    if set.is(&imports().set_running_loop) {
        return Ok(());
    }
    set.call([event_loop]).map(drop)
}

/// Undoes `enter`, as far as it went.
fn leave(event_loop: &Ref, state: &LoopData, hooks: &Ref, signals: bool) -> Result<()> {
    settle(event_loop, state);
    state.stopping.set(false);
    state.thread.set(0);
    // A panic may have left them so.
    state.holding.open.set(false);
    let mut outcome = aside(|| state.holding.release_all());
    outcome = outcome.and(set_running(&none()));
    outcome = outcome.and(
        event_loop
            .call_method(&names().set_coroutine_origin_tracking, [&boolean(false)])
            .map(drop),
    );
    outcome = outcome.and(
        imports()
            .set_asyncgen_hooks
            .call_tuple(hooks, None)
            .map(drop),
    );
    if signals {
        outcome = outcome.and(unwatch_signals(event_loop));
    }
    outcome
}

/// On the main thread: has the interpreter write to the loop's self-pipe when a signal comes, so that
/// one that arrives just before the loop goes to sleep still wakes it. False if signals are not ours to watch.
fn watch_signals(event_loop: &Ref) -> Result<bool> {
    let Some(socket) = event_loop.getattr_opt(&crate::native::string("_csock")?)? else {
        return Ok(false);
    };
    if socket.is_none() {
        return Ok(false);
    }
    let ours = socket.call_method(&names().fileno, [])?;
    let quiet = tuple(&[&crate::native::string("warn_on_full_buffer")?])?;
    match imports()
        .set_wakeup_fd
        .call_kw([&ours], &quiet, &boolean(false))
    {
        Ok(previous) if previous.to_f64()? >= 0.0 && !previous.equals(&ours)? => {
            // Somebody else listens already: leave it to them, unless they closed their descriptor and are gone.
            let left = imports()
                .set_wakeup_fd
                .call_kw([&previous], &quiet, &boolean(false));
            if left.is_err() {
                drop(take_raised());
            }
            Ok(left.is_err())
        }
        Ok(_) => Ok(true),
        Err(_) => {
            // Not the main thread: signals do not come here.
            drop(take_raised());
            Ok(false)
        }
    }
}

/// Undoes `watch_signals`, unless signal handlers of the loop need the descriptor on.
fn unwatch_signals(event_loop: &Ref) -> Result<()> {
    if let Some(handlers) = event_loop.getattr_opt(&crate::native::string("_signal_handlers")?)?
        && handlers.truthy()?
    {
        return Ok(());
    }
    imports()
        .set_wakeup_fd
        .call([&imports().minus_one])
        .map(drop)
}
