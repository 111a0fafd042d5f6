//! Contexts that many tasks share until one of them changes it.
//!
//! asyncio copies the current context for every task. Most tasks never set a variable, so here a task
//! keeps only the *variables* of the context it was created in (an immutable map, which the collector
//! sees as owned by the task), and a `Context` object around them is made, or borrowed from the loop, for
//! the time of a step. If the step changed a variable, or somebody took hold of the object, the object
//! becomes the task's own; otherwise it goes back to the loop for the next task with the same variables,
//! for which it need not even be left and entered again.
//!
//! The two words this needs (the thread's current context, a context's variables) are found by behaviour
//! at import. Where they are not found, every task gets a copy.

use std::cell::Cell;
use std::ptr;

use pyo3::ffi;

use crate::eventloop;
use crate::native::{Ref, Result, Slot, check, leave_context, raised};
use crate::statics::{GilCell, TypeCell, unset};

use super::layout::base_word;
use super::thread_state;

/// Index of the thread state's word for the current context, zero if it was not found.
static CURRENT: GilCell<usize> = GilCell::new(0);

/// Offset of a context's word for its variables. All contexts have the same layout.
static VARS: GilCell<usize> = GilCell::new(0);

/// The type of the immutable maps.
static MAP: TypeCell = unset();

/// Finds the two words: enters a context and looks where it appears; sets a variable and looks what
/// changes.
pub fn probe() -> Result<()> {
    // SAFETY: attached; the context is left before it is dropped; words of live objects are read.
    unsafe {
        let context = Ref::owned_or_raised(ffi::PyContext_New())?;
        check(ffi::PyContext_Enter(context.as_ptr()))?;
        let place = thread_state::find(|words, at| words[at] == context.as_ptr());
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
        // The first two words are the header, and half of the last one is never written. The maps before and
        // after are objects of one type.
        let changed: Vec<usize> = (2..before.len() - 1)
            .filter(|at| before[*at] != after[*at])
            .collect();
        if let (Some(place), [vars]) = (place, &changed[..])
            && !after[*vars].is_null()
            && is_map(Ref::view(&after[*vars]))
        {
            MAP.set(Ref::view(&after[*vars]).type_ptr());
            CURRENT.set(place);
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

/// Whether this is a context, or the variables of one.
#[inline]
pub fn is_known(kept: &Ref) -> bool {
    // SAFETY: live.
    is_vars(kept) || unsafe { ffi::PyContext_CheckExact(kept.as_ptr()) != 0 }
}

fn enter_context(context: &Ref) -> Result<()> {
    // SAFETY: a live context (or an exception, if it is none).
    check(unsafe { ffi::PyContext_Enter(context.as_ptr()) })
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

/// Context objects that a loop keeps between steps.
pub struct Contexts {
    /// What the last step ran in, and the present one does if `running` says so: an object around shared
    /// variables, or somebody's own. Still entered, because the next step most often wants the same; left before
    /// anything but steps and callbacks may run.
    entered: Slot,
    /// The slot of whoever runs in `entered` now, null if nobody does. For comparing: the slot keeps the
    /// variables, and [`own`] finds out that there is an object around them.
    running: Cell<*const Slot>,
    /// An object that nobody else holds and that is not entered, for the next step with the same variables.
    spare: Slot,
}

/// How a step or a callback runs.
pub enum Current {
    /// In the loop's `entered`, for which the slot has this: the variables in it, which others share, or the
    /// object itself.
    Again(*mut ffi::PyObject),
    /// In this object, which is the slot's for as long, while `entered` waits for what runs in it.
    Nested {
        /// The object.
        context: Ref,
        /// The variables, if the object was made around what others share.
        vars: Option<Ref>,
    },
}

impl Contexts {
    /// None kept.
    pub const fn new() -> Self {
        Self {
            entered: Slot::empty(),
            running: Cell::new(ptr::null()),
            spare: Slot::empty(),
        }
    }

    /// Enters the context that `slot` has; nothing if it is empty. The slot is that of a task or a handle, and
    /// holds what [`capture`] gave it.
    #[inline(always)]
    pub fn enter(&self, slot: &Slot) -> Result<Option<Current>> {
        match self.enter_again(slot) {
            Some(current) => Ok(Some(current)),
            None => self.enter_anew(slot),
        }
    }

    /// The same, if it is still entered from the step before.
    #[inline(always)]
    pub fn enter_again(&self, slot: &Slot) -> Option<Current> {
        let kept = slot.peek();
        if self.running.get().is_null() && self.is_for(kept) {
            self.running.set(slot);
            return Some(Current::Again(kept));
        }
        None
    }

    /// Whether there is an `entered`, and it is what a slot wants that has `kept`.
    #[inline(always)]
    fn is_for(&self, kept: *mut ffi::PyObject) -> bool {
        let context = self.entered.peek();
        !context.is_null() && (context == kept || self.is_around(kept))
    }

    /// Whether there is an `entered`, with these variables, which nobody else has taken hold of.
    #[inline(always)]
    fn is_around(&self, vars: *mut ffi::PyObject) -> bool {
        let context = self.entered.peek();
        if context.is_null() {
            return false;
        }
        // SAFETY: a live context has its variables there.
        let (its_vars, count) =
            unsafe { (*base_word(context, VARS.get()), ffi::Py_REFCNT(context)) };
        // Held here and by the thread. Beyond that there are tokens, and those who asked for a task's context.
        its_vars == vars && count == 2
    }

    /// Enters a context other than that of the step before, with no exception set.
    pub fn enter_anew(&self, slot: &Slot) -> Result<Option<Current>> {
        let Some(kept) = slot.get() else {
            return Ok(None);
        };
        if !self.running.get().is_null() {
            return self.enter_nested(slot, kept).map(Some);
        }
        if let Some(before) = self.entered.take() {
            leave_context(&before, false);
            self.save(before);
        }
        let pointer = kept.as_ptr();
        let context = if is_vars(&kept) {
            self.around(&kept)?
        } else {
            kept
        };
        enter_context(&context)?;
        self.entered.set(context);
        self.running.set(slot);
        Ok(Some(Current::Again(pointer)))
    }

    /// The same inside a step: somebody drives the loop by hand there.
    #[cold]
    fn enter_nested(&self, slot: &Slot, kept: Ref) -> Result<Current> {
        let (context, vars) = if is_vars(&kept) {
            (self.around(&kept)?, Some(kept))
        } else {
            (kept, None)
        };
        slot.set(context.clone());
        enter_context(&context)?;
        Ok(Current::Nested { context, vars })
    }

    /// Leaves what the last step entered, if nothing runs in it now. Whatever exception is set survives.
    #[inline]
    pub fn leave(&self) {
        if self.running.get().is_null()
            && let Some(context) = self.entered.take()
        {
            leave_context(&context, raised());
            self.save(context);
        }
    }

    /// Keeps an object that was left, unless somebody else has it too.
    #[inline]
    fn save(&self, context: Ref) {
        if context.count() == 1 {
            self.spare.set(context);
        }
    }

    /// Ends the step or callback. `slot` has the shared variables then, unless one was set meanwhile or somebody
    /// took hold of the object; then the object is the slot's own from now on.
    #[inline(always)]
    pub fn end(&self, current: Current, slot: &Slot, failed: bool) {
        if let Current::Again(kept) = current
            && !failed
            && slot.peek() == kept
            && self.is_for(kept)
        {
            self.running.set(ptr::null());
            return;
        }
        self.end_otherwise(current, slot, failed);
    }

    #[cold]
    fn end_otherwise(&self, current: Current, slot: &Slot, failed: bool) {
        match current {
            Current::Again(kept) => {
                self.running.set(ptr::null());
                let untouched = self.is_for(kept);
                let Some(context) = self.entered.take() else {
                    return;
                };
                if slot.peek() == kept && !untouched {
                    slot.set(context.clone());
                }
                leave_context(&context, failed);
            }
            Current::Nested { context, vars } => {
                if let Some(vars) = vars
                    && vars_of(&context) == vars.as_ptr()
                    && slot.peek() == context.as_ptr()
                    // Held here, by the thread and by the slot.
                    && context.count() == 3
                {
                    slot.set(vars);
                }
                leave_context(&context, failed);
            }
        }
    }

    /// A context object with these variables.
    fn around(&self, vars: &Ref) -> Result<Ref> {
        match self.spare.take() {
            Some(context) if vars_of(&context) == vars.as_ptr() => Ok(context),
            _ => around(vars),
        }
    }

    /// The object in which whoever has this slot runs now.
    fn running_in(&self, slot: &Slot) -> Option<Ref> {
        ptr::eq(self.running.get(), slot)
            .then(|| self.entered.get())
            .flatten()
    }

    /// Lets go of everything, when the loop does. Nothing is entered then.
    pub fn clear(&self) {
        drop(self.entered.take());
        drop(self.spare.take());
    }

    /// Visits every reference.
    ///
    /// # Safety
    /// Called from `tp_traverse` with the collector's arguments.
    pub unsafe fn traverse(
        &self,
        visit: ffi::visitproc,
        arg: *mut std::ffi::c_void,
    ) -> std::ffi::c_int {
        // SAFETY: by the caller's contract.
        unsafe {
            match self.entered.traverse(visit, arg) {
                0 => self.spare.traverse(visit, arg),
                status => status,
            }
        }
    }
}

/// The variables of a context, borrowed.
#[inline]
fn vars_of(context: &Ref) -> *mut ffi::PyObject {
    // SAFETY: a context has its variables there.
    unsafe { *base_word(context.as_ptr(), VARS.get()) }
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

/// The own context object of a task or handle, made from the variables if need be. `event_loop` is its loop.
pub fn own(slot: &Slot, event_loop: &Slot) -> Result<Option<Ref>> {
    let Some(kept) = slot.get() else {
        return Ok(None);
    };
    if !is_vars(&kept) {
        return Ok(Some(kept));
    }
    let running = event_loop
        .get()
        .and_then(|event_loop| eventloop::native(&event_loop)?.contexts.running_in(slot));
    let context = match running {
        Some(context) => context,
        None => around(&kept)?,
    };
    slot.set(context.clone());
    Ok(Some(context))
}
