//! `to_thread`: runs a function in the loop's default executor, in a copy of the current context.

use crate::coroutine::{AsyncDef, Flow, Frame, Sent, function};
use crate::eventloop;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, items, none, tuple};
use crate::sync::derived::base;

static TO_THREAD: AsyncDef = AsyncDef {
    name: "to_thread",
    qualname: "to_thread",
    parameters: &[],
    positional: 0,
    required: 0,
    resume: to_thread,
};

/// Makes the function.
pub fn make() -> Result<Ref> {
    function::make_collecting(&TO_THREAD, base(c"asyncio.threads", "to_thread")?)
}

/// Slot 0 is the function, slot 1 its arguments, slot 2 those given by name.
fn to_thread(frame: Frame<'_>, sent: Sent) -> Result<Flow> {
    let Sent::Start = sent else {
        return sent.value().map(Flow::Return);
    };
    let event_loop = eventloop::running_or_error()?;
    let run = Ref::copied_context()?.getattr(&names().run)?;
    let function = frame.argument(0);
    let arguments = items(&frame.argument(1));
    let all: Vec<&Ref> = [&run, &function].into_iter().chain(&arguments).collect();
    let named = frame.slot(2).get();
    let call = imports()
        .partial
        .call_tuple(&tuple(&all)?, named.as_ref())?;
    event_loop
        .call_method(&names().run_in_executor, [&none(), &call])
        .map(Flow::Await)
}
