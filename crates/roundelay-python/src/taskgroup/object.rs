//! The class: its fields, and what Python sees of them.

use std::cell::Cell;
use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::current;
use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::eventloop;
use crate::imports::names;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, list, raise, raise_text, repr};
use crate::statics::{TypeCell, unset};
use crate::sync::{derived, stock_call};
use crate::{attribute, flag_attribute, init_slot, method0, method1, optional_attribute};

use super::{create, done, exit};

/// The type `roundelay.TaskGroup`.
pub static TASK_GROUP: TypeCell = unset();

/// All zero bytes are a group that `__init__` has not seen; see `init`.
#[repr(C)]
pub struct GroupFields {
    /// The loop, once the group was entered; see `_loop`.
    pub event_loop: Slot,
    /// The task that entered the group; from some releases on, until it has left.
    pub parent: Slot,
    /// A set of the tasks that are not done yet.
    pub tasks: Slot,
    /// A list of what tasks raised; empty until somebody looks or something is raised, `None` once it was
    /// raised as a group.
    pub errors: Slot,
    /// The first `SystemExit` or `KeyboardInterrupt`.
    pub base_error: Slot,
    /// What `__aexit__` waits for.
    pub on_completed: Slot,
    /// `__aenter__` was there.
    pub entered: Cell<bool>,
    /// `__aexit__` was there.
    pub exiting: Cell<bool>,
    /// The tasks were cancelled.
    pub aborting: Cell<bool>,
    /// The parent was cancelled, by the group.
    pub parent_cancel_requested: Cell<bool>,
}

impl GroupFields {
    /// The set of tasks, which `__init__` makes.
    pub fn task_set(&self) -> Result<Ref> {
        match self.tasks.get() {
            Some(tasks) => Ok(tasks),
            // SAFETY: a static exception class.
            None => raise(
                unsafe { ffi::PyExc_AttributeError },
                c"'TaskGroup' object has no attribute '_tasks'",
            ),
        }
    }

    /// How many tasks are not done yet.
    #[inline]
    pub fn task_count(&self) -> Result<usize> {
        let tasks = self.tasks.peek();
        // SAFETY: the slot keeps the object alive; a set's size runs no code.
        unsafe {
            if !tasks.is_null() && ffi::PyAnySet_CheckExact(tasks) != 0 {
                return Ok(ffi::PySet_Size(tasks) as usize);
            }
        }
        let tasks = self.task_set()?;
        // SAFETY: live. Somebody has put a collection of their own here.
        let count = unsafe { ffi::PyObject_Size(tasks.as_ptr()) };
        usize::try_from(count).map_err(|_| crate::native::Raised)
    }

    /// The list of errors, made if need be.
    pub fn error_list(&self) -> Result<Ref> {
        if let Some(errors) = self.errors.get() {
            return Ok(errors);
        }
        let errors = list(vec![])?;
        self.errors.set(errors.clone());
        Ok(errors)
    }

    /// Whether there are errors.
    pub fn has_errors(&self) -> Result<bool> {
        match self.errors.get() {
            Some(errors) => errors.truthy(),
            None => Ok(false),
        }
    }
}

/// The fields of a group.
#[inline]
pub fn fields(group: &Ref) -> &GroupFields {
    // SAFETY: only called for instances of `TASK_GROUP` and its subclasses.
    unsafe { derived::fields(group) }
}

/// Whether no method that the group calls can be the user's.
#[inline]
pub fn is_plain(group: &Ref) -> bool {
    group.is_exact(TASK_GROUP.get())
}

static ENTER: AsyncDef = AsyncDef {
    name: "__aenter__",
    qualname: "TaskGroup.__aenter__",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: enter,
};

/// Makes the type.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.taskgroups", "TaskGroup")?;
    create::prepare()?;
    let class = derived::builder::<GroupFields>(
        c"asyncio.taskgroups.TaskGroup",
        &base,
        &[
            (c"_native_loop", offset_of!(GroupFields, event_loop)),
            (c"_native_parent", offset_of!(GroupFields, parent)),
            (c"_native_tasks", offset_of!(GroupFields, tasks)),
            (c"_native_errors", offset_of!(GroupFields, errors)),
            (c"_native_base_error", offset_of!(GroupFields, base_error)),
            (
                c"_native_on_completed",
                offset_of!(GroupFields, on_completed),
            ),
        ],
    )?
    .slot(init_slot!(init))
    .methods([
        create::method(),
        method0!(c"_abort", done::abort_method, c"_abort($self, /)\n--\n\n"),
        method1!(
            c"_on_task_done",
            done::on_task_done,
            c"_on_task_done($self, task, /)\n--\n\n"
        ),
        method1!(
            c"_is_base_error",
            done::is_base_error_method,
            c"_is_base_error($self, exc, /)\n--\n\n"
        ),
        method0!(
            c"__getstate__",
            get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ])
    .attributes([
        flag_attribute!(c"_entered", fields, entered),
        flag_attribute!(c"_exiting", fields, exiting),
        flag_attribute!(c"_aborting", fields, aborting),
        flag_attribute!(c"_parent_cancel_requested", fields, parent_cancel_requested),
        optional_attribute!(c"_loop", fields, event_loop),
        optional_attribute!(c"_parent_task", fields, parent),
        optional_attribute!(c"_base_error", fields, base_error),
        optional_attribute!(c"_on_completed_fut", fields, on_completed),
        attribute!(c"_tasks", get_tasks, set_tasks),
        attribute!(c"_errors", get_errors, set_errors),
    ])
    .build(Some(&base))?;
    TASK_GROUP.set(type_of_class(&class));
    function::add_method(&class, &ENTER)?;
    exit::add_methods(&class)?;
    Ok(class)
}

fn init(group: &Ref, args: Args<'_>) -> Result<()> {
    if !args.is_empty() {
        return stock_call::init(group, &args);
    }
    let own = fields(group);
    // SAFETY: no argument; a new reference or null.
    let tasks = unsafe { Ref::owned_or_raised(ffi::PySet_New(std::ptr::null_mut())) }?;
    own.tasks.set(tasks);
    for flag in [
        &own.entered,
        &own.exiting,
        &own.aborting,
        &own.parent_cancel_requested,
    ] {
        flag.set(false);
    }
    for slot in [
        &own.event_loop,
        &own.parent,
        &own.errors,
        &own.base_error,
        &own.on_completed,
    ] {
        drop(slot.take());
    }
    Ok(())
}

/// `__aenter__()`
fn enter(frame: Frame<'_>, _sent: Sent) -> Result<Flow> {
    let group = frame.argument(0);
    let own = fields(&group);
    if own.entered.get() {
        return refuse(&group, "has already been entered");
    }
    let event_loop = match own.event_loop.get() {
        Some(event_loop) => event_loop,
        None => {
            let Some(running) = eventloop::running()? else {
                // SAFETY: a static exception class.
                return raise(unsafe { ffi::PyExc_RuntimeError }, c"no running event loop");
            };
            own.event_loop.set(running.clone());
            running
        }
    };
    let parent = current::current_task(&event_loop)?;
    let found = parent.is_some();
    own.parent.put(parent);
    if !found {
        return refuse(&group, "cannot determine the parent task");
    }
    own.entered.set(true);
    Ok(Flow::Return(group))
}

/// `RuntimeError(f"TaskGroup {self!r} {what}")`
#[cold]
pub fn refuse<T>(group: &Ref, what: &str) -> Result<T> {
    // SAFETY: a static exception class.
    raise_text(
        unsafe { ffi::PyExc_RuntimeError },
        &format!("TaskGroup {} {what}", repr(group)?),
    )
}

/// What a task shows among its callbacks for a group that it is in: the group's own method.
pub fn callback(group: &Ref) -> Result<Ref> {
    group.getattr(&names().on_task_done)
}

fn get_tasks(group: &Ref) -> Result<Ref> {
    fields(group).task_set()
}

fn set_tasks(group: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(group).tasks.put(value.cloned());
    Ok(())
}

fn get_errors(group: &Ref) -> Result<Ref> {
    fields(group).error_list()
}

/// `None` is kept, for it is not the same as no list yet.
fn set_errors(group: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(group).errors.put(value.cloned());
    Ok(())
}

fn get_state(group: &Ref) -> Result<Ref> {
    derived::state(
        group,
        &[
            c"_entered",
            c"_exiting",
            c"_aborting",
            c"_loop",
            c"_parent_task",
            c"_parent_cancel_requested",
            c"_tasks",
            c"_errors",
            c"_base_error",
            c"_on_completed_fut",
        ],
    )
}
