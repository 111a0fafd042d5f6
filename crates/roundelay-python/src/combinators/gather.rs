//! `gather`: many awaitables, one future with the list of their results.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::compat::awaited_by;
use crate::compat::layout::BODY;
use crate::eventloop;
use crate::future::object::{adjust_type, base_builder, end};
use crate::future::{self, FutureBody, State, Waiter, collector, members, outcome};
use crate::imports::names;
use crate::native::args::matches;
use crate::native::gc::{FreeList, track, traverse_slots};
use crate::native::prefetch::{empty_list, prefetch};
use crate::native::trampoline::guard;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, boolean, check, list, none, raise_text, string};
use crate::statics::{TypeCell, unset};
use crate::task::object::forget_destroy_pending;
use crate::{attribute, method};

use super::create::ensure_future;
use super::gather_outcome::{self, Outcome, make_cancelled_error, outcome_of};
use super::gather_seen::Seen;

/// The type of the future that `gather` returns.
pub static GATHERING: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);

const SIZE: usize = BODY + size_of::<GatherBody>();

/// How far ahead arguments are fetched, and how much of each is looked at.
const AHEAD: usize = 8;
const LOOKED_AT: usize = 64;

/// Fields of the future that `gather` returns.
#[repr(C)]
struct GatherBody {
    future: FutureBody,
    /// List of the children, in the order of the arguments; one that was given twice is in it twice.
    children: Slot,
    /// The task that called `gather`, for call graphs.
    caller: Slot,
    /// List of the results of the first children, see [`note_result`].
    results: Slot,
    /// How many different children there are.
    count: Cell<usize>,
    /// How many of them are done.
    finished: Cell<usize>,
    return_exceptions: Cell<bool>,
    /// `cancel()` reached a child: the gather ends as cancelled, whatever `return_exceptions` says.
    cancel_requested: Cell<bool>,
}

fn body(gather: &Ref) -> &GatherBody {
    // SAFETY: only called for instances of `GATHERING`, which cannot be subclassed.
    unsafe { &*gather.as_ptr().cast::<u8>().add(BODY).cast() }
}

/// Makes the type. `future_class` is the native Future.
pub fn make_type(future_class: &Ref) -> Result<()> {
    let class = base_builder(c"roundelay._GatheringFuture", SIZE)
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .methods([method!(
            c"cancel",
            cancel_method,
            c"cancel($self, msg=None)\n--\n\nCancel all children."
        )])
        .attributes([
            attribute!(c"_children", children_attr),
            attribute!(c"_cancel_requested", cancel_requested),
        ])
        .build(Some(future_class))?;
    adjust_type(&class);
    GATHERING.set(type_of_class(&class));
    Ok(())
}

/// `gather(*coros_or_futures, return_exceptions=False)`
pub fn gather(_module: &Ref, args: Args<'_>) -> Result<Ref> {
    let mut return_exceptions = false;
    for (place, value) in args.keywords.iter().enumerate() {
        let name = args.keyword_name(place);
        if !matches(&name, "return_exceptions") {
            let name = crate::native::text_of(&name)?;
            // SAFETY: a static exception class.
            return raise_text(
                unsafe { ffi::PyExc_TypeError },
                &format!("gather() got an unexpected keyword argument '{name}'"),
            );
        }
        return_exceptions = value.truthy()?;
    }
    if args.positional.is_empty() {
        let event_loop = eventloop::current_or_policy()?;
        let outer = event_loop.call_method(&names().create_future, [])?;
        outer.call_method(&string("set_result")?, [&list(vec![])?])?;
        return Ok(outer);
    }
    // SAFETY: the type is made, `SIZE` is its basic size.
    let outer = unsafe { FREE.allocate(GATHERING.get(), SIZE) }?;
    track(&outer);
    let own = body(&outer);
    own.return_exceptions.set(return_exceptions);
    let (children, done) = collect(&outer, args.positional)?;
    let event_loop = members::loop_of(&children[0])?;
    own.children.set(list(children)?);
    future::object::initialise(&outer, Some(&event_loop))?;
    // Those that were done before count now, so that a gather of finished tasks is finished at once.
    for child in done {
        child_done(&outer, &child)?;
    }
    Ok(outer)
}

/// Makes a child of every argument and has each tell the gather. Returns all children, and those that
/// are done already.
fn collect(outer: &Ref, arguments: &[Ref]) -> Result<(Vec<Ref>, Vec<Ref>)> {
    let own = body(outer);
    let mut seen = Seen::new(arguments.len());
    let mut children: Vec<Ref> = Vec::with_capacity(arguments.len());
    let mut done = Vec::new();
    // From 3.14 on the running loop is the gather's; before, and outside of a loop, the first child's.
    let mut event_loop = if cfg!(Py_3_14) {
        eventloop::running()?
    } else {
        None
    };
    if let Some(running) = &event_loop {
        own.caller.put(awaited_by::caller(running)?);
    }
    for (place, argument) in arguments.iter().enumerate() {
        if let Some(later) = arguments.get(place + AHEAD) {
            prefetch(later.as_ptr(), LOOKED_AT);
        }
        if let Some(child) = seen.find(argument, &arguments[..place], &children)? {
            children.push(child);
            continue;
        }
        let child = ensure_future(argument, event_loop.as_ref())?;
        if event_loop.is_none() {
            event_loop = Some(members::loop_of(&child)?);
        }
        if !child.is(argument) {
            forget_destroy_pending(&child)?;
        }
        own.count.set(own.count.get() + 1);
        seen.remember(argument, &child)?;
        adopt(outer, &child, &mut done)?;
        children.push(child);
    }
    Ok((children, done))
}

/// Has the child tell the gather when it is done.
#[inline]
fn adopt(outer: &Ref, child: &Ref, done: &mut Vec<Ref>) -> Result<()> {
    let own = body(outer);
    match future::native(child) {
        // Up to 3.11 a child that is done tells the gather by a callback like any other, a turn later.
        Some(fut) if !fut.is_pending() && !cfg!(Py_3_12) => {
            outcome::schedule(child, Waiter::Collector(outer.clone()))?;
        }
        Some(fut) if !fut.is_pending() => done.push(child.clone()),
        Some(fut) if fut.native_loop.get() => {
            if let Some(caller) = own.caller.get() {
                awaited_by::add(child, &caller)?;
            }
            fut.waiters.add(Waiter::Collector(outer.clone()));
        }
        _ => {
            if cfg!(Py_3_12) && child.call_method(&names().done, [])?.truthy()? {
                done.push(child.clone());
            } else {
                if let Some(caller) = own.caller.get() {
                    awaited_by::add(child, &caller)?;
                }
                child.call_method(&names().add_done_callback, [&collector::callback(outer)?])?;
            }
        }
    }
    Ok(())
}

/// A child is done: the first exception ends the gather, the last child fills it.
pub fn child_done(outer: &Ref, child: &Ref) -> Result<()> {
    let own = body(outer);
    own.finished.set(own.finished.get() + 1);
    if let Some(caller) = own.caller.get() {
        awaited_by::discard(child, &caller)?;
    }
    // Before `initialise` the gather has no loop: making a later child failed, and nobody has the gather.
    if !own.future.event_loop.is_some() || !own.future.is_pending() {
        drop(outcome_of(child)?);
        return Ok(());
    }
    if let Some(fut) = future::native(child)
        && fut.state.get() == State::Finished
    {
        note_result(own, child, &outcome::result(child)?)?;
    } else if !own.return_exceptions.get() {
        let failure = match outcome_of(child)? {
            Outcome::Cancelled => Some(make_cancelled_error(child)?),
            Outcome::Exception(exception) => Some(exception),
            Outcome::Result(_) => None,
        };
        if let Some(failure) = failure {
            discard_awaited_by(own)?;
            return outcome::set_exception(outer, &failure);
        }
    }
    if own.finished.get() < own.count.get() {
        return Ok(());
    }
    let results = results(outer)?;
    if own.cancel_requested.get() {
        // As asyncio has it: the error of the child that was named last, not of the one that ended last.
        let last = own
            .child(own.child_count() - 1)
            .unwrap_or_else(|| child.clone());
        return outcome::set_exception(outer, &make_cancelled_error(&last)?);
    }
    outcome::set_result(outer, results)
}

/// Children that outlive the gather are no longer awaited by its caller.
fn discard_awaited_by(own: &GatherBody) -> Result<()> {
    let Some(caller) = own.caller.get() else {
        return Ok(());
    };
    for place in 0..own.child_count() {
        if let Some(child) = own.child(place) {
            awaited_by::discard(&child, &caller)?;
        }
    }
    Ok(())
}

impl GatherBody {
    /// How many children there are, those given twice counted twice.
    fn child_count(&self) -> usize {
        let children = self.children.peek();
        if children.is_null() {
            return 0;
        }
        // SAFETY: a list by construction.
        unsafe { ffi::PyList_GET_SIZE(children) as usize }
    }

    /// The child at a place of the list, which only Python code that goes looking for it can change.
    fn child(&self, place: usize) -> Option<Ref> {
        if place >= self.child_count() {
            return None;
        }
        // SAFETY: an item of a list; it is counted at once.
        Some(unsafe { Ref::borrowed(self.child_pointer(place)) })
    }

    /// The same, borrowed, for a place that is in the list.
    #[inline]
    fn child_pointer(&self, place: usize) -> *mut ffi::PyObject {
        // SAFETY: a list by construction, with more items than `place`.
        unsafe { ffi::PyList_GET_ITEM(self.children.peek(), place as _) }
    }
}

/// Puts the result of a child that is done into the list, if all before it are there. Most children end in the
/// order in which they were given, and here the child is at hand; at the end it would have to be fetched again.
#[inline]
fn note_result(own: &GatherBody, child: &Ref, result: &Ref) -> Result<()> {
    let results = match own.results.get() {
        Some(results) => results,
        None => {
            let results = list(vec![])?;
            own.results.set(results.clone());
            results
        }
    };
    // SAFETY: a list by construction, which nobody else has.
    let place = unsafe { ffi::PyList_GET_SIZE(results.as_ptr()) } as usize;
    if place < own.child_count() && own.child_pointer(place) == child.as_ptr() {
        // SAFETY: both live.
        check(unsafe { ffi::PyList_Append(results.as_ptr(), result.as_ptr()) })?;
    }
    Ok(())
}

/// The list of results, of which the first ones may be there.
fn results(outer: &Ref) -> Result<Ref> {
    let own = body(outer);
    let results = match own.results.take() {
        Some(results) => results,
        None => list(vec![])?,
    };
    // SAFETY: a list that nobody else has.
    let there = unsafe { ffi::PyList_GET_SIZE(results.as_ptr()) } as usize;
    for place in there..own.child_count() {
        let Some(child) = own.child(place) else {
            break;
        };
        let item = gather_outcome::as_item(&child)?;
        // SAFETY: both live.
        check(unsafe { ffi::PyList_Append(results.as_ptr(), item.as_ptr()) })?;
    }
    Ok(results)
}

/// Cancels every child; the gather itself ends when they have.
pub fn cancel(outer: &Ref, message: Option<&Ref>) -> Result<bool> {
    let own = body(outer);
    if !own.future.is_pending() {
        return Ok(false);
    }
    let mut reached = false;
    for place in 0..own.child_count() {
        if let Some(child) = own.child(place) {
            reached |= crate::task::cancel::cancel_any(&child, message)?;
        }
    }
    if reached {
        own.cancel_requested.set(true);
    }
    Ok(reached)
}

fn cancel_method(outer: &Ref, args: Args<'_>) -> Result<Ref> {
    let [message] = args.bind("cancel", ["msg"], 1, 0)?;
    cancel(outer, message).map(boolean)
}

fn children_attr(outer: &Ref) -> Result<Ref> {
    Ok(body(outer).children.get().unwrap_or_else(none))
}

fn cancel_requested(outer: &Ref) -> Result<Ref> {
    Ok(boolean(body(outer).cancel_requested.get()))
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live gather.
    unsafe {
        let own = body(Ref::view(&slf));
        let slots = [&own.children, &own.caller, &own.results];
        match future::object::traverse(slf, visit, arg) {
            0 => traverse_slots(slots, visit, arg),
            status => status,
        }
    }
}

fn clear_fields(outer: &Ref) {
    if let Some(children) = body(outer).children.take() {
        empty_list(&children, crate::task::SIZE);
    }
    drop(body(outer).caller.take());
    drop(body(outer).results.take());
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live gather.
        unsafe {
            clear_fields(Ref::view(&slf));
            future::object::clear(slf);
        }
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone.
        unsafe {
            end(
                slf,
                GATHERING.get(),
                &FREE,
                |outer| future::body(outer).log_traceback.get(),
                clear_fields,
            )
        };
        Ok(())
    });
}
