//! Contexts that many tasks share until one of them changes it.
//!
//! asyncio copies the current context for every task. Most tasks never set a variable, so here a task
//! keeps only the *variables* of the context it was created in (an immutable map, which the collector
//! sees as owned by the task), and a `Context` object around them is made, or borrowed from the loop, for
//! the time of a step. If the step changed a variable, or somebody took hold of the object, the object
//! becomes the task's own; otherwise it goes back to the loop for the next task with the same variables.
//!
//! The two words this needs (the thread's current context, a context's variables) are found by behaviour
//! at import. Where they are not found, every task gets a copy.

use pyo3::ffi;

use crate::native::{Ref, Result, Slot, check};
use crate::statics::{GilCell, TypeCell, unset};

use super::layout::base_word;

/// Index of the thread state's word for the current context, zero if it was not found.
static CURRENT: GilCell<usize> = GilCell::new(0);

/// Offset of a context's word for its variables. All contexts have the same layout.
static VARS: GilCell<usize> = GilCell::new(0);

/// The type of the immutable maps.
static MAP: TypeCell = unset();

/// How many words of the thread state are looked at.
const SEARCHED: usize = 100;

/// Finds the two words: enters a context and looks where it appears; sets a variable and looks what
/// changes.
pub fn probe() -> Result<()> {
    // SAFETY: attached; the context is left before it is dropped; words of live objects are read.
    unsafe {
        let context = Ref::owned_or_raised(ffi::PyContext_New())?;
        check(ffi::PyContext_Enter(context.as_ptr()))?;
        let thread = std::slice::from_raw_parts(
            ffi::PyThreadState_Get().cast::<*mut ffi::PyObject>(),
            SEARCHED,
        );
        let places: Vec<usize> = (1..SEARCHED)
            .filter(|at| thread[*at] == context.as_ptr())
            .collect();
        let words = |context: &Ref| {
            let size = (*context.type_ptr()).tp_basicsize as usize / size_of::<usize>();
            std::slice::from_raw_parts(context.as_ptr().cast::<*mut ffi::PyObject>(), size).to_vec()
        };
        let before = words(&context);
        let variable = Ref::owned_or_raised(ffi::PyContextVar_New(
            c"roundelay layout probe".as_ptr(),
            std::ptr::null_mut(),
        ))?;
        let token =
            Ref::owned_or_raised(ffi::PyContextVar_Set(variable.as_ptr(), variable.as_ptr()))?;
        let after = words(&context);
        drop(token);
        check(ffi::PyContext_Exit(context.as_ptr()))?;
        // The first two words are the header; the maps before and after are objects of one type.
        let changed: Vec<usize> = (2..before.len())
            .filter(|at| before[*at] != after[*at])
            .collect();
        if let ([place], [vars]) = (&places[..], &changed[..])
            && !after[*vars].is_null()
            && is_map(Ref::view(&after[*vars]))
        {
            MAP.set(Ref::view(&after[*vars]).type_ptr());
            CURRENT.set(*place);
            VARS.set(*vars * size_of::<usize>());
        }
    }
    Ok(())
}

/// Whether the object is of the immutable map type that contexts are made of.
fn is_map(object: &Ref) -> bool {
    // SAFETY: a type's name lives as long as the type.
    let name = unsafe { std::ffi::CStr::from_ptr((*object.type_ptr()).tp_name) };
    name.to_bytes().eq_ignore_ascii_case(b"hamt")
}

/// Whether this is a context's variables, and not a context (or whatever the user gave for one).
#[inline]
fn is_vars(kept: &Ref) -> bool {
    kept.is_exact(MAP.get())
}

/// What a new task keeps of the current context: its variables, or a copy of it.
#[inline]
pub fn capture() -> Result<Ref> {
    if CURRENT.get() != 0 {
        // SAFETY: the words were found; the thread owns its current context, which owns its variables.
        unsafe {
            let context = *ffi::PyThreadState_Get()
                .cast::<*mut ffi::PyObject>()
                .add(CURRENT.get());
            if !context.is_null() {
                let vars = *base_word(context, VARS.get());
                if !vars.is_null() {
                    return Ok(Ref::borrowed(vars));
                }
            }
        }
    }
    Ref::copied_context()
}

/// The context object to run a step in, and what to give to [`settle`] afterwards.
///
/// `kept` is what [`capture`] or [`settle`] left with the task; `spare` is where the loop keeps the
/// object that was used last.
#[inline]
pub fn prepare(kept: Ref, spare: &Slot) -> Result<(Ref, Option<Ref>)> {
    if !is_vars(&kept) {
        return Ok((kept, None));
    }
    if let Some(context) = spare.take() {
        // SAFETY: a context has its variables there.
        if unsafe { *base_word(context.as_ptr(), VARS.get()) } == kept.as_ptr() {
            return Ok((context, Some(kept)));
        }
    }
    Ok((around(&kept)?, Some(kept)))
}

/// After a step in a shared context: gives the object back to the loop and returns the variables for the
/// task to keep, or returns nothing if the object must stay the task's own.
#[inline]
pub fn settle(context: &Ref, vars: Ref, spare: &Slot, holders: isize) -> Option<Ref> {
    // SAFETY: a context has its variables there.
    let same = unsafe { *base_word(context.as_ptr(), VARS.get()) } == vars.as_ptr();
    // Tokens, and whoever asked for the task's context, hold the object.
    if !same || context.count() != holders {
        return None;
    }
    spare.set(context.clone());
    Some(vars)
}

/// A new context object with the given variables.
fn around(vars: &Ref) -> Result<Ref> {
    // SAFETY: a fresh context that nobody else has seen; its word owns the map it points to.
    unsafe {
        let context = Ref::owned_or_raised(ffi::PyContext_New())?;
        let word = base_word(context.as_ptr(), VARS.get());
        let empty = std::mem::replace(&mut *word, vars.clone().into_ptr());
        ffi::Py_XDECREF(empty);
        Ok(context)
    }
}

/// The task's own context object, made from the variables if need be.
pub fn own(slot: &Slot) -> Result<Option<Ref>> {
    let Some(kept) = slot.get() else {
        return Ok(None);
    };
    if !is_vars(&kept) {
        return Ok(Some(kept));
    }
    let context = around(&kept)?;
    slot.set(context.clone());
    Ok(Some(context))
}
