//! Where releases of CPython have a different `as_completed`, as questions that are answered once by looking
//! at asyncio's own classes and functions.

use crate::native::{Result, import, string};
use crate::statics::Once;

use super::group_behaviour::code_names;

static BEHAVIOUR: Once<CompletionBehaviour> = Once::new();

/// What this release's `as_completed` does.
pub struct CompletionBehaviour {
    /// It returns an object to go through with `for` or `async for`, not a generator.
    pub iterates_both_ways: bool,
    /// The task that calls is recorded as awaiting the futures, and there must be a running loop.
    pub records_awaiting: bool,
    /// Whoever stops waiting before a future is done leaves that future to the next one.
    pub gives_turn_back: bool,
}

/// The answers.
#[inline]
pub fn completion() -> &'static CompletionBehaviour {
    BEHAVIOUR.get()
}

/// Looks at asyncio's class. Called once, when the module is made.
pub fn probe() -> Result<()> {
    let class = import(c"asyncio.tasks")?.getattr_opt(&string("_AsCompletedIterator")?)?;
    let names = |method: &str, name: &str| match &class {
        Some(class) => {
            let code = class
                .getattr(&string(method)?)?
                .getattr(&string("__code__")?)?;
            code_names(&code, name)
        }
        None => Ok(false),
    };
    BEHAVIOUR.set(CompletionBehaviour {
        iterates_both_ways: class.is_some(),
        records_awaiting: names("__init__", "current_task")?,
        gives_turn_back: names("_wait_for_one", "_todo_left")?,
    });
    Ok(())
}
