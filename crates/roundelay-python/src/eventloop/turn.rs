//! One turn: poll, queue the timers that are due, run what was ready.

use std::time::Duration;

use roundelay::poll_timeout;

use crate::compat::current;
use crate::future::{self, State, collector};
use crate::imports::{imports, names};
use crate::native::{Raised, Ref, Result, float, none};
use crate::task::{step, wakeup};
use crate::timeouts::timer;

use super::data::{LoopData, When};
use super::look_ahead::look_ahead;
use super::poll::poll;
use super::time::now;
use super::word::{Kind, Word};
use super::{handle, handle_run, sleeps};

/// A ring that once held this many entries may give memory back when it is empty.
const BURST: usize = 1024;

/// Runs one turn of the loop.
#[inline]
pub fn turn(event_loop: &Ref, state: &LoopData) -> Result<()> {
    let mut batch = state.ready.borrow().len();
    let watching = state.watched.borrow().len() > state.internal.get();
    let stop = state.stopping.get();
    if state.pacer.borrow_mut().should_poll(batch, watching, stop) {
        // Signal handlers may run meanwhile, and look for the current task.
        settle(event_loop, state);
        let work = batch > 0 || stop;
        if state.clock.is_virtual() && !state.own_time.get() {
            poll_in_virtual_time(state, work)?;
        } else {
            poll(state, timeout(event_loop, state, work)?)?;
        }
        batch = state.ready.borrow().len();
    }
    if !state.timers.borrow().is_empty() || state.own_time.get() {
        queue_due_timers(state, now(event_loop, state)?);
        batch = state.ready.borrow().len();
    }
    let outcome = run_batch(event_loop, state, batch);
    state.pacer.borrow_mut().ran(batch);
    if batch > BURST && state.ready.borrow().is_empty() {
        state.ready.borrow_mut().trim();
        state.timers.borrow_mut().trim();
    }
    outcome
}

/// Makes no task current, if one still is: the last step leaves its task published, because the next
/// entry is most often a step as well.
#[inline]
fn withdraw(event_loop: &Ref, state: &LoopData) {
    if state.published.replace(false) {
        current::withdraw(event_loop);
    }
}

/// Ends what the last step left for the next one: its task is no longer current, its context is left.
#[inline]
pub fn settle(event_loop: &Ref, state: &LoopData) {
    withdraw(event_loop, state);
    state.contexts.leave();
}

/// How long a poll may wait.
fn timeout(event_loop: &Ref, state: &LoopData, work: bool) -> Result<Option<Duration>> {
    if work {
        return Ok(Some(Duration::ZERO));
    }
    let next = state.timers.borrow_mut().next_deadline();
    let Some(next) = next else { return Ok(None) };
    // A time of the user's own may be no number, of which max() makes zero.
    let left = (next.0 - now(event_loop, state)?).max(0.0);
    let left = left.min(86_400.0);
    let left = Duration::from_secs_f64(left);
    Ok(poll_timeout(false, Some(left), Duration::ZERO))
}

/// Polls without letting time pass; if that finds nothing to do, the clock jumps to the next timer. With no
/// timer either, or while a thread works for the program, work must come from outside, and is waited for.
#[cold]
fn poll_in_virtual_time(state: &LoopData, work: bool) -> Result<()> {
    let next = state.timers.borrow_mut().next_deadline();
    let Some(next) = next.filter(|_| state.outside.get() == 0) else {
        return poll(state, work.then_some(Duration::ZERO));
    };
    poll(state, Some(Duration::ZERO))?;
    if !work && state.ready.borrow().is_empty() && !state.stopping.get() {
        let next = next.0.clamp(0.0, Duration::MAX.as_secs_f64() / 2.0);
        state.clock.advance_to(Duration::from_secs_f64(next));
    }
    Ok(())
}

/// Moves what is due into the ring, in order of time and then of insertion.
fn queue_due_timers(state: &LoopData, now: f64) {
    let before = When(now + state.resolution);
    loop {
        let Some(word) = state.timers.borrow_mut().pop_due(before) else {
            return;
        };
        let object = word.peek();
        // SAFETY: the word owns the object.
        let object = unsafe { Ref::view(&object) };
        match word.kind() {
            Kind::Sleep => sleeps::due(state),
            Kind::Handle => handle::due(object),
            Kind::Timeout => timer::due(object),
            Kind::Step | Kind::Child => {}
        }
        state.push(word);
    }
}

/// Runs exactly `batch` entries; what they queue waits for the next turn.
#[inline]
fn run_batch(event_loop: &Ref, state: &LoopData, batch: usize) -> Result<()> {
    state.holding.open.set(true);
    let outcome = run_entries(event_loop, state, batch);
    state.holding.open.set(false);
    outcome
}

#[inline(always)]
fn run_entries(event_loop: &Ref, state: &LoopData, batch: usize) -> Result<()> {
    for left in (1..=batch).rev() {
        let Some(word) = state.ready.borrow_mut().take(left) else {
            break;
        };
        look_ahead(state, batch);
        let outcome = if state.debug.get() {
            run_timed(event_loop, state, word)
        } else {
            run(event_loop, state, word)
        };
        if state.holding.has_writer() {
            end_of_writer(event_loop, state, outcome)?;
        } else {
            outcome?;
        }
    }
    Ok(())
}

/// Sends what was held back by the entry that ran.
#[inline]
fn end_of_writer(event_loop: &Ref, state: &LoopData, outcome: Result<()>) -> Result<()> {
    if !state.holding.end_of_entry() {
        return outcome;
    }
    settle(event_loop, state);
    let sent = state.holding.release_all();
    outcome.and(sent)
}

#[inline(always)]
fn run(event_loop: &Ref, state: &LoopData, word: Word) -> Result<()> {
    match word.kind() {
        Kind::Step => {
            state.published.set(true);
            step::run(word.into_object(), event_loop, state)
        }
        Kind::Handle => {
            withdraw(event_loop, state);
            handle_run::run(&word.into_object(), state)
        }
        Kind::Child => tell_collector(event_loop, state, &word.into_object()),
        Kind::Timeout => {
            withdraw(event_loop, state);
            timer::fire(&word.into_object(), event_loop, state)
        }
        Kind::Sleep => {
            sleeps::end(state, word);
            Ok(())
        }
    }
}

/// Tells a collector of a child that is done.
#[inline]
fn tell_collector(event_loop: &Ref, state: &LoopData, child: &Ref) -> Result<()> {
    state.contexts.leave();
    let fut = future::body(child);
    let Some(collector) = fut.waiters.take_collector() else {
        return Ok(());
    };
    if fut.state.get() != State::Finished {
        // A group may cancel and report, and meanwhile somebody may look for the current task.
        withdraw(event_loop, state);
    }
    match collector::child_done(&collector, child) {
        Ok(()) => Ok(()),
        Err(Raised) => report_collector(event_loop, &collector, child),
    }
}

/// What telling a collector raised is reported as if a callback had raised it.
#[cold]
fn report_collector(event_loop: &Ref, collector: &Ref, child: &Ref) -> Result<()> {
    let (callback, args, handle) = crate::native::aside(|| {
        let callback = collector::callback(collector)?;
        let args = handle::Arguments::One(child.clone());
        let handle = handle::make(event_loop, &callback, args, None)?;
        Ok((callback, crate::native::tuple(&[child])?, handle))
    })?;
    handle_run::report(&callback, Some(&args), Some(&handle), Some(event_loop))
}

/// Debug mode: measures the entry and names it if it was slow, as asyncio does.
#[cold]
fn run_timed(event_loop: &Ref, state: &LoopData, word: Word) -> Result<()> {
    let object = word.peek();
    // SAFETY: the word owns the object.
    let object = unsafe { Ref::borrowed(object) };
    let shown = if word.kind() == Kind::Handle {
        if handle::is_cancelled(&object) {
            return Ok(());
        }
        object
    } else if word.kind() == Kind::Child {
        let Some(collector) = future::body(&object).waiters.first_collector() else {
            return Ok(());
        };
        let args = handle::Arguments::One(object);
        handle::make(event_loop, &collector::callback(&collector)?, args, None)?
    } else if word.kind() == Kind::Timeout {
        timer::shown(&object)?
    } else {
        let callable = wakeup::step(&object)?;
        handle::make(event_loop, &callable, handle::Arguments::None, None)?
    };
    state.contexts.leave();
    event_loop.setattr(&names().current_handle, &shown)?;
    let started = now(event_loop, state)?;
    let outcome = run(event_loop, state, word);
    state.contexts.leave();
    let reported = crate::native::aside(|| {
        let seconds = now(event_loop, state)? - started;
        event_loop.setattr(&names().current_handle, &none())?;
        warn_if_slow(event_loop, &shown, seconds)
    });
    outcome.and(reported)
}

fn warn_if_slow(event_loop: &Ref, shown: &Ref, seconds: f64) -> Result<()> {
    let limit = event_loop.getattr(&names().slow_callback_duration)?;
    if seconds < limit.to_f64()? {
        return Ok(());
    }
    let text = crate::native::string("Executing %s took %.3f seconds")?;
    let shown = imports().format_handle.call([shown])?;
    let warning = crate::native::string("warning")?;
    // By way of the module in which asyncio's own is written, where tests put theirs.
    imports()
        .base_events
        .getattr(&names().logger)?
        .call_method(&warning, [&text, &shown, &float(seconds)?])
        .map(drop)
}
