//! Where releases of CPython behave differently, and programs can tell: each difference is a question
//! here, answered once by looking at asyncio's own classes, since fixes also arrive in patch releases.

use crate::native::{Ref, Result, import, items, string, text_of};
use crate::statics::GilCell;

/// Whether a waiter of a `Condition` that was told and then cancelled passes the news on.
static CONDITION_PASSES_ON: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn condition_passes_on() -> bool {
    CONDITION_PASSES_ON.get()
}

/// Whether a semaphore goes on to wake as many waiters as it has places for, each time somebody has got or
/// given up one; before, it woke one more at most.
static SEMAPHORE_WAKES_ALL_IT_CAN: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
#[inline]
pub fn semaphore_wakes_all_it_can() -> bool {
    SEMAPHORE_WAKES_ALL_IT_CAN.get()
}

/// Whether an error that took the place of a timeout's cancellation gets a `TimeoutError` as its context.
static TIMEOUT_EXPLAINS_ERRORS: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn timeout_explains_errors() -> bool {
    TIMEOUT_EXPLAINS_ERRORS.get()
}

/// Whether a timeout turns subclasses of `CancelledError` into a `TimeoutError` too.
static TIMEOUT_TAKES_SUBCLASSES: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn timeout_takes_subclasses() -> bool {
    TIMEOUT_TAKES_SUBCLASSES.get()
}

/// Whether `wait_for` is `async with timeout(...)`; before, it had a future and a timer of its own.
static WAIT_FOR_IS_A_TIMEOUT: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn wait_for_is_a_timeout() -> bool {
    WAIT_FOR_IS_A_TIMEOUT.get()
}

/// Whether call graphs show that `wait_for` waits for what it cancelled.
static CANCEL_AND_WAIT_IS_AN_EDGE: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn cancel_and_wait_is_an_edge() -> bool {
    CANCEL_AND_WAIT_IS_AN_EDGE.get()
}

/// Whether `StreamReader.readuntil` takes a tuple of separators.
static STREAMS_TAKE_SEPARATORS: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn streams_take_separators() -> bool {
    STREAMS_TAKE_SEPARATORS.get()
}

/// Whether a `StreamReaderProtocol` keeps the writer that it made.
static STREAM_PROTOCOLS_KEEP_WRITERS: GilCell<bool> = GilCell::new(false);

/// See the static of the same name.
pub fn stream_protocols_keep_writers() -> bool {
    STREAM_PROTOCOLS_KEEP_WRITERS.get()
}

/// What is known of `shield`.
static SHIELD: GilCell<Shield> = GilCell::new(Shield::Unknown);

/// What `shield` does once the outer future was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shield {
    /// Something that we do not know.
    Unknown,
    /// The inner future goes on telling, and a late exception of it counts as retrieved.
    Retrieves,
    /// The inner future is let go of, and reports a late exception itself.
    LetsGo,
}

/// Whether `shield` does what we know one to do.
pub fn shield_is_known() -> bool {
    SHIELD.get() != Shield::Unknown
}

/// Whether an exception of the inner future that comes after the outer one was cancelled counts as retrieved.
pub fn shield_retrieves_what_comes_late() -> bool {
    SHIELD.get() == Shield::Retrieves
}

/// Looks at asyncio's classes. Called once, when the module is made.
pub fn probe() -> Result<()> {
    CONDITION_PASSES_ON.set(has(c"asyncio.locks", "Condition", "_notify")?);
    SEMAPHORE_WAKES_ALL_IT_CAN.set(mentions(c"asyncio.locks", "Semaphore", "acquire", "done")?);
    TIMEOUT_EXPLAINS_ERRORS.set(has(
        c"asyncio.timeouts",
        "Timeout",
        "_insert_timeout_error",
    )?);
    TIMEOUT_TAKES_SUBCLASSES.set(mentions(
        c"asyncio.timeouts",
        "Timeout",
        "__aexit__",
        "issubclass",
    )?);
    STREAMS_TAKE_SEPARATORS.set(mentions(
        c"asyncio.streams",
        "StreamReader",
        "readuntil",
        "tuple",
    )?);
    STREAM_PROTOCOLS_KEEP_WRITERS.set(mentions(
        c"asyncio.streams",
        "StreamReaderProtocol",
        "__init__",
        "_stream_writer",
    )?);
    let function = |name| import(c"asyncio.tasks")?.getattr(&string(name)?);
    WAIT_FOR_IS_A_TIMEOUT.set(uses(&function("wait_for")?, "timeouts")?);
    CANCEL_AND_WAIT_IS_AN_EDGE.set(uses(
        &function("_cancel_and_wait")?,
        "future_add_to_awaited_by",
    )?);
    SHIELD.set(look_at_shield(&function("shield")?)?);
    Ok(())
}

/// Tells the forms of `shield` apart by the functions inside of it.
fn look_at_shield(shield: &Ref) -> Result<Shield> {
    let (mut inner, mut outer, mut count) = (0, (0, 0), 0);
    let constants = shield
        .getattr(&string("__code__")?)?
        .getattr(&string("co_consts")?)?;
    for constant in items(&constants) {
        let Some(name) = constant.getattr_opt(&string("co_name")?)? else {
            continue;
        };
        count += 1;
        match text_of(&name)?.as_str() {
            "_inner_done_callback" => inner = occurrences(&constant, "exception")?,
            "_outer_done_callback" => {
                let (removed, added) = ("remove_done_callback", "add_done_callback");
                outer = (
                    occurrences(&constant, removed)?,
                    occurrences(&constant, added)?,
                );
            }
            "_clear_awaited_by_callback" => {}
            _ => return Ok(Shield::Unknown),
        }
    }
    Ok(match (count, inner, outer) {
        (2, 2, (1, 0)) => Shield::Retrieves,
        (3, 1, (2, 0)) => Shield::LetsGo,
        _ => Shield::Unknown,
    })
}

/// How many instructions of a code object name this.
fn occurrences(code: &Ref, name: &str) -> Result<usize> {
    let instructions = import(c"dis")?.call_method(&string("get_instructions")?, [code])?;
    // SAFETY: a live iterable; a new reference or null.
    let instructions =
        unsafe { Ref::owned_or_raised(pyo3::ffi::PySequence_Tuple(instructions.as_ptr())) }?;
    let name = string(name)?;
    let mut found = 0;
    for instruction in items(&instructions) {
        let argument = instruction.getattr(&string("argval")?)?;
        found += usize::from(argument.equals(&name)?);
    }
    Ok(found)
}

fn has(module: &std::ffi::CStr, class: &str, attribute: &str) -> Result<bool> {
    let class: Ref = import(module)?.getattr(&string(class)?)?;
    Ok(class.getattr_opt(&string(attribute)?)?.is_some())
}

/// Whether a method's code uses an attribute or a global of this name.
fn mentions(module: &std::ffi::CStr, class: &str, method: &str, name: &str) -> Result<bool> {
    let method = import(module)?
        .getattr(&string(class)?)?
        .getattr(&string(method)?)?;
    uses(&method, name)
}

/// The same of a function.
fn uses(function: &Ref, name: &str) -> Result<bool> {
    let names = function
        .getattr(&string("__code__")?)?
        .getattr(&string("co_names")?)?;
    for mentioned in items(&names) {
        if text_of(&mentioned)? == name {
            return Ok(true);
        }
    }
    Ok(false)
}
