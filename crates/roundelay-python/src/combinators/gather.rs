//! `gather`: many awaitables, one future with the list of their results.

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::hash::{BuildHasherDefault, Hasher};

use pyo3::ffi;

use crate::compat::awaited_by;
use crate::compat::layout::BODY;
use crate::eventloop;
use crate::future::object::{adjust_type, base_builder, end};
use crate::future::{self, FutureBody, State, Waiter, Waiters, members, outcome};
use crate::imports::{imports, names};
use crate::native::args::matches;
use crate::native::gc::{FreeList, track};
use crate::native::trampoline::guard;
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{Args, Ref, Result, Slot, boolean, list, none, raise_text, string};
use crate::statics::{TypeCell, unset};
use crate::task::object::forget_destroy_pending;
use crate::{attribute, call_slot, method};

use super::create::ensure_future;

/// The type of the future that `gather` returns.
pub static GATHERING: TypeCell = unset();

/// The type of the callback that children which are not native get.
static CHILD_CALLBACK: TypeCell = unset();

static FREE: FreeList = FreeList::new(256);
static FREE_CALLBACKS: FreeList = FreeList::new(256);

const SIZE: usize = BODY + size_of::<GatherBody>();

/// Fields of the future that `gather` returns.
#[repr(C)]
struct GatherBody {
    future: FutureBody,
    /// List of the children, in the order of the arguments; one that was given twice is in it twice.
    children: Slot,
    /// The task that called `gather`, for call graphs.
    caller: Slot,
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

/// Makes both types. `future_class` is the native Future.
pub fn make_types(future_class: &Ref) -> Result<()> {
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
    let class = TypeBuilder::new(c"roundelay.GatherCallback", size_of::<ChildCallback>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(callback_dealloc, callback_traverse, callback_clear)
        .slot(call_slot!(call_callback))
        .attributes([
            attribute!(c"__name__", callback_name),
            attribute!(c"__qualname__", callback_qualname),
        ])
        .build(None)?;
    CHILD_CALLBACK.set(type_of_class(&class));
    Ok(())
}

/// Pointers are aligned to sixteen bytes; one multiplication spreads them well enough.
#[derive(Default)]
struct PointerHasher(u64);

impl Hasher for PointerHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only pointers are hashed");
    }
    fn write_usize(&mut self, value: usize) {
        self.0 = (value as u64 >> 4)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(20);
    }
}

/// Arguments seen so far with the child of each. Coroutines and native futures are told apart by
/// identity, which is what their `==` means; anything else goes through a dict as in asyncio.
enum Seen<'a> {
    None,
    Pointers(HashSet<usize, BuildHasherDefault<PointerHasher>>),
    Few(Vec<(&'a Ref, Ref)>),
    Dict(Ref),
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
    let mut seen = Seen::for_arguments(arguments)?;
    let mut children: Vec<Ref> = Vec::with_capacity(arguments.len());
    let mut done = Vec::new();
    let mut event_loop: Option<Ref> = None;
    for (place, argument) in arguments.iter().enumerate() {
        if let Some(child) = seen.find(argument, &arguments[..place], &children)? {
            children.push(child);
            continue;
        }
        let child = ensure_future(argument, event_loop.as_ref())?;
        if event_loop.is_none() {
            event_loop = Some(members::loop_of(&child)?);
            if cfg!(Py_3_14) {
                own.caller
                    .put(awaited_by::caller(event_loop.as_ref().expect("just set"))?);
            }
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
        Some(fut) if !fut.is_pending() => done.push(child.clone()),
        Some(fut) if fut.native_loop.get() => {
            if let Some(caller) = own.caller.get() {
                awaited_by::add(child, &caller)?;
            }
            fut.waiters.add(Waiter::Gather(outer.clone()));
        }
        _ => {
            if child.call_method(&names().done, [])?.truthy()? {
                done.push(child.clone());
            } else {
                if let Some(caller) = own.caller.get() {
                    awaited_by::add(child, &caller)?;
                }
                child.call_method(
                    &names().add_done_callback,
                    [&child_callback(outer.clone())?],
                )?;
            }
        }
    }
    Ok(())
}

impl<'a> Seen<'a> {
    fn for_arguments(arguments: &'a [Ref]) -> Result<Self> {
        // SAFETY: live.
        let plain = |argument: &Ref| unsafe {
            ffi::PyCoro_CheckExact(argument.as_ptr()) != 0 || future::native(argument).is_some()
        };
        Ok(match arguments.len() {
            _ if !arguments.iter().all(plain) => Seen::Dict(crate::native::dict(&[])?),
            1 => Seen::None,
            2..=8 => Seen::Few(Vec::new()),
            many => Seen::Pointers(HashSet::with_capacity_and_hasher(
                many,
                BuildHasherDefault::default(),
            )),
        })
    }

    /// The child of an argument that was there before.
    #[inline]
    fn find(&self, argument: &Ref, before: &[Ref], children: &[Ref]) -> Result<Option<Ref>> {
        match self {
            Seen::None => Ok(None),
            Seen::Few(few) => Ok(few
                .iter()
                .find(|(known, _)| known.is(argument))
                .map(|(_, child)| child.clone())),
            Seen::Pointers(pointers) => {
                if !pointers.contains(&(argument.as_ptr() as usize)) {
                    return Ok(None);
                }
                let place = before.iter().position(|known| known.is(argument));
                Ok(place.map(|place| children[place].clone()))
            }
            Seen::Dict(known) => {
                // SAFETY: live; what the dict returns is borrowed and counted at once.
                let child =
                    unsafe { ffi::PyDict_GetItemWithError(known.as_ptr(), argument.as_ptr()) };
                if child.is_null() {
                    return if crate::native::raised() {
                        Err(crate::native::Raised)
                    } else {
                        Ok(None)
                    };
                }
                // SAFETY: as above.
                Ok(Some(unsafe { Ref::borrowed(child) }))
            }
        }
    }

    #[inline]
    fn remember(&mut self, argument: &'a Ref, child: &Ref) -> Result<()> {
        match self {
            Seen::None => Ok(()),
            Seen::Few(few) => {
                few.push((argument, child.clone()));
                Ok(())
            }
            Seen::Pointers(pointers) => {
                pointers.insert(argument.as_ptr() as usize);
                Ok(())
            }
            // SAFETY: all live.
            Seen::Dict(known) => crate::native::check(unsafe {
                ffi::PyDict_SetItem(known.as_ptr(), argument.as_ptr(), child.as_ptr())
            }),
        }
    }
}

/// The entry of the ring for a child whose waiter slot holds the gather.
#[inline]
pub fn child_done_in_slot(child: &Ref) -> Result<()> {
    match future::body(child).waiters.take() {
        Waiters::Gather(outer) => child_done(&outer, child),
        other => {
            future::body(child).waiters.restore(other);
            Ok(())
        }
    }
}

/// Outcome of a child, read without marking it as retrieved.
enum Outcome {
    Result(Ref),
    Exception(Ref),
    Cancelled,
}

fn outcome_of(child: &Ref) -> Result<Outcome> {
    if let Some(fut) = future::native(child) {
        return Ok(match fut.state.get() {
            State::Cancelled => Outcome::Cancelled,
            State::Failed => {
                fut.log_traceback.set(false);
                Outcome::Exception(fut.value.get().expect("a failed future has an exception"))
            }
            State::Finished | State::Pending => Outcome::Result(outcome::result(child)?),
        });
    }
    if child.call_method(&names().cancelled, [])?.truthy()? {
        return Ok(Outcome::Cancelled);
    }
    let exception = child.call_method(&names().exception, [])?;
    if !exception.is_none() {
        return Ok(Outcome::Exception(exception));
    }
    Ok(Outcome::Result(child.call_method(&names().result, [])?))
}

fn make_cancelled_error(child: &Ref) -> Result<Ref> {
    match future::native(child) {
        Some(_) => outcome::make_cancelled_error(child),
        None => child.call_method(&names().make_cancelled_error, []),
    }
}

/// A child is done: the first exception ends the gather, the last child fills it.
fn child_done(outer: &Ref, child: &Ref) -> Result<()> {
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
    if !own.return_exceptions.get() {
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
        // SAFETY: a list with more items than `place`; the item is counted at once.
        Some(unsafe { Ref::borrowed(ffi::PyList_GET_ITEM(self.children.peek(), place as _)) })
    }
}

fn results(outer: &Ref) -> Result<Ref> {
    let own = body(outer);
    let mut results = Vec::with_capacity(own.child_count());
    for place in 0..own.child_count() {
        let Some(child) = own.child(place) else {
            break;
        };
        results.push(match outcome_of(&child)? {
            Outcome::Result(value) => value,
            Outcome::Exception(exception) => exception,
            Outcome::Cancelled => {
                let message = child.getattr(&names().cancel_message)?;
                let message = if message.is_none() {
                    string("")?
                } else {
                    message
                };
                imports().cancelled_error.call([&message])?
            }
        });
    }
    list(results)
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
        let mut status = own.children.traverse(visit, arg);
        if status == 0 {
            status = own.caller.traverse(visit, arg);
        }
        if status == 0 {
            status = future::object::traverse(slf, visit, arg);
        }
        status
    }
}

fn clear_fields(outer: &Ref) {
    drop(body(outer).children.take());
    drop(body(outer).caller.take());
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

/// The callback of a child that is not native.
#[repr(C)]
struct ChildCallback {
    head: ffi::PyObject,
    outer: Slot,
}

fn callback_fields(callback: &Ref) -> &ChildCallback {
    // SAFETY: only called for instances of `CHILD_CALLBACK`, which cannot be subclassed.
    unsafe { &*callback.as_ptr().cast() }
}

/// A callable for `add_done_callback` that tells the gather.
pub fn child_callback(outer: Ref) -> Result<Ref> {
    // SAFETY: the type is made and this is its size.
    let callback =
        unsafe { FREE_CALLBACKS.allocate(CHILD_CALLBACK.get(), size_of::<ChildCallback>()) }?;
    callback_fields(&callback).outer.set(outer);
    track(&callback);
    Ok(callback)
}

fn call_callback(callback: &Ref, args: Args<'_>) -> Result<Ref> {
    let child = args.one("_done_callback")?;
    if let Some(outer) = callback_fields(callback).outer.get() {
        child_done(&outer, child)?;
    }
    Ok(none())
}

fn callback_name(_: &Ref) -> Result<Ref> {
    string("_done_callback")
}

fn callback_qualname(_: &Ref) -> Result<Ref> {
    string("gather.<locals>._done_callback")
}

unsafe extern "C" fn callback_traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live callback.
    unsafe {
        let callback = Ref::view(&slf);
        let status = visit(callback.type_ptr().cast(), arg);
        if status != 0 {
            return status;
        }
        callback_fields(callback).outer.traverse(visit, arg)
    }
}

unsafe extern "C" fn callback_clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live callback.
        drop(callback_fields(unsafe { Ref::view(&slf) }).outer.take());
        Ok(0)
    })
}

unsafe extern "C" fn callback_dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            ffi::PyObject_GC_UnTrack(slf.cast());
            drop(callback_fields(Ref::view(&slf)).outer.take());
            FREE_CALLBACKS.recycle(slf);
        }
        Ok(())
    });
}
