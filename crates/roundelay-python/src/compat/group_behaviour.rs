//! Where releases of CPython have different task groups, as questions that are answered once by looking at
//! asyncio's own class: what its functions name and how they may be called.

use crate::native::{Ref, Result, check, import, string};
use crate::statics::Once;
use pyo3::ffi;

static BEHAVIOUR: Once<GroupBehaviour> = Once::new();

/// The code flag of a function with `**kwargs`.
const CO_VARKEYWORDS: i64 = 0x08;

/// What this release's `TaskGroup` does.
pub struct GroupBehaviour {
    /// `create_task()` closes the coroutine that it refuses.
    pub closes_refused: bool,
    /// `create_task()` hands any keyword on to the loop.
    pub takes_any_keyword: bool,
    /// `create_task()` names the task itself, once the loop has made it.
    pub names_afterwards: bool,
    /// A task that is done when it is created counts at once, not a turn later.
    pub counts_eager_at_once: bool,
    /// The parent is recorded as awaiting the tasks.
    pub records_awaiting: bool,
    /// `__aexit__()` takes the parent's cancellation back late, and keeps count of others; any subclass of
    /// `CancelledError` is a cancellation to it.
    pub keeps_cancel_count: bool,
    /// `__aexit__()` lets go of the parent and of all errors, however it ends.
    pub forgets_at_exit: bool,
}

/// The answers.
#[inline]
pub fn group() -> &'static GroupBehaviour {
    BEHAVIOUR.get()
}

/// Looks at asyncio's class. Called once, when the module is made.
pub fn probe() -> Result<()> {
    let class = import(c"asyncio.taskgroups")?.getattr(&string("TaskGroup")?)?;
    let code = |method: &str| {
        class
            .getattr(&string(method)?)?
            .getattr(&string("__code__")?)
    };
    let create = code("create_task")?;
    let has_helper = class.getattr_opt(&string("_aexit")?)?.is_some();
    let exit = code(if has_helper { "_aexit" } else { "__aexit__" })?;
    let flags = create.getattr(&string("co_flags")?)?.to_f64()? as i64;
    BEHAVIOUR.set(GroupBehaviour {
        closes_refused: code_names(&create, "close")?,
        takes_any_keyword: flags & CO_VARKEYWORDS != 0,
        names_afterwards: code_names(&create, "_set_task_name")?,
        counts_eager_at_once: code_names(&create, "done")?,
        records_awaiting: code_names(&create, "future_add_to_awaited_by")?,
        keeps_cancel_count: code_names(&exit, "cancelling")?,
        forgets_at_exit: has_helper,
    });
    Ok(())
}

/// Whether a code object names a global or an attribute.
pub fn code_names(code: &Ref, name: &str) -> Result<bool> {
    let all = code.getattr(&string("co_names")?)?;
    let name = string(name)?;
    // SAFETY: two live objects.
    let found = unsafe { ffi::PySequence_Contains(all.as_ptr(), name.as_ptr()) };
    check(found)?;
    Ok(found != 0)
}
