//! Running a handle's callback, and reporting what it raises.

use pyo3::ffi;

use crate::compat::context::{self, Current};
use crate::imports::{imports, names};
use crate::native::method::call_bound;
use crate::native::{
    Raised, Ref, Result, Slot, boolean, dict, string, take_raised, text_of, tuple,
};

use super::data::LoopData;
use super::handle::{arguments, body};
use super::object::native;

/// Runs the callback in its context. An exception is reported to the loop's handler, but for
/// `SystemExit` and `KeyboardInterrupt`, which end the loop's run.
#[inline]
pub fn run(handle: &Ref, state: &LoopData) -> Result<()> {
    let fields = body(handle);
    if fields.cancelled.get() {
        return Ok(());
    }
    let Some(callback) = fields.callback.get() else {
        return Ok(());
    };
    let args = fields.args.get();
    let shape = fields.shape.get();
    let outcome = match enter(&fields.context, state) {
        Ok(Entered::Context(context)) => {
            let outcome = call(&callback, args.as_ref(), shape);
            let failed = outcome.is_err();
            state.contexts.end(context, &fields.context, failed);
            outcome
        }
        Ok(Entered::Foreign(context)) => run_by(&context, &callback, args.as_ref(), shape),
        Ok(Entered::Nothing) => Ok(()),
        Err(Raised) => Err(Raised),
    };
    outcome.or_else(|Raised| report_of(handle, &callback))
}

/// Reports what the callback of a handle raised.
#[cold]
fn report_of(handle: &Ref, callback: &Ref) -> Result<()> {
    let args = arguments(handle).ok();
    let event_loop = body(handle).event_loop.get();
    report(callback, args.as_ref(), Some(handle), event_loop.as_ref())
}

/// What a handle runs in.
enum Entered {
    Context(Current),
    /// What was given for a context and is none, but has a `run`.
    Foreign(Ref),
    /// The handle was taken apart.
    Nothing,
}

#[inline(always)]
fn enter(slot: &Slot, state: &LoopData) -> Result<Entered> {
    if let Some(context) = state.contexts.enter_again(slot) {
        return Ok(Entered::Context(context));
    }
    if let Some(foreign) = slot.get().filter(|kept| !context::is_known(kept)) {
        return Ok(Entered::Foreign(foreign));
    }
    let context = state.contexts.enter_anew(slot)?;
    Ok(context.map_or(Entered::Nothing, Entered::Context))
}

/// `context.run(callback, *args)`
#[cold]
fn run_by(context: &Ref, callback: &Ref, args: Option<&Ref>, shape: u8) -> Result<()> {
    let run = context.getattr(&names().run)?;
    let mut all = vec![callback.clone()];
    match (args, shape) {
        (Some(only), 1) => all.push(only.clone()),
        (Some(many), _) => all.extend(crate::native::items(many)),
        (None, _) => {}
    }
    run.call_tuple(&tuple(&all.iter().collect::<Vec<_>>())?, None)
        .map(drop)
}

/// `callback(*args)`
#[inline]
fn call(callback: &Ref, args: Option<&Ref>, shape: u8) -> Result<()> {
    match (args, shape) {
        (Some(only), 1) => callback.call([only]),
        (Some(many), _) => callback.call_tuple(many, None),
        (None, _) => call_bound(callback).unwrap_or_else(|| callback.call([])),
    }
    .map(drop)
}

/// Takes the exception that a callback raised to the loop's exception handler, in asyncio's words.
#[cold]
pub fn report(
    callback: &Ref,
    args: Option<&Ref>,
    handle: Option<&Ref>,
    event_loop: Option<&Ref>,
) -> Result<()> {
    // SAFETY: static exception classes.
    let fatal = unsafe {
        ffi::PyErr_ExceptionMatches(ffi::PyExc_SystemExit) != 0
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyboardInterrupt) != 0
    };
    if fatal {
        return Err(Raised);
    }
    let (Some(exception), Some(event_loop)) = (take_raised(), event_loop) else {
        return Ok(());
    };
    let no_args = tuple(&[])?;
    let args = args.filter(|args| !args.is_none()).unwrap_or(&no_args);
    let shown = format_callback(
        callback,
        args,
        native(event_loop).is_some_and(|state| state.debug.get()),
    )?;
    let message = string(&format!("Exception in callback {}", text_of(&shown)?))?;
    let context = dict(&[(c"message", &message), (c"exception", &exception)])?;
    if let Some(handle) = handle {
        let extra = body(handle).source_traceback.get();
        for (name, value) in [
            (c"handle", Some(handle)),
            (c"source_traceback", extra.as_ref()),
        ] {
            if let Some(value) = value {
                // SAFETY: all live.
                crate::native::check(unsafe {
                    ffi::PyDict_SetItemString(context.as_ptr(), name.as_ptr(), value.as_ptr())
                })?;
            }
        }
    }
    crate::native::while_handling(&exception, || {
        event_loop
            .call_method(&names().call_exception_handler, [&context])
            .map(drop)
    })
}

/// asyncio's description of a callback; newer versions show arguments in debug mode only.
fn format_callback(callback: &Ref, args: &Ref, debug: bool) -> Result<Ref> {
    let format = &imports().format_callback_source;
    if debug {
        let keyword = tuple(&[&string("debug")?])?;
        if let Ok(text) = format.call_kw([callback, args], &keyword, &boolean(true)) {
            return Ok(text);
        }
        drop(take_raised());
    }
    format.call([callback, args])
}
