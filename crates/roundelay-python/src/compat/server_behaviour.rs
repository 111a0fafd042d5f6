//! How many connections releases of CPython accept at a time, found by asking asyncio's own method to accept from
//! an object that is no socket.

use std::ffi::CStr;

use pyo3::ffi;

use crate::imports::imports;
use crate::method0;
use crate::native::{
    Raised, Ref, Result, boolean, dict, import, integer, none, raise, string, take_raised, tuple,
};
use crate::statics::GilCell;

/// How many more connections are accepted at a time than may wait.
static BESIDES_BACKLOG: GilCell<i64> = GilCell::new(0);

/// Whether a connection that its peer has given up does not end the accepting.
static GOES_ON: GilCell<bool> = GilCell::new(false);

/// Whether a socket is closed of which no transport could be made.
static CLOSES: GilCell<bool> = GilCell::new(false);

/// How often the probe was asked to accept.
static ASKED: GilCell<i64> = GilCell::new(0);

/// What the probe raises then.
static ERROR: GilCell<*mut ffi::PyObject> = GilCell::new(std::ptr::null_mut());

/// See the static of the same name.
pub fn accepts_besides_backlog() -> i64 {
    BESIDES_BACKLOG.get()
}

/// See the static of the same name.
pub fn goes_on_after_aborted() -> bool {
    GOES_ON.get()
}

/// See the static of the same name.
pub fn closes_what_it_cannot_use() -> bool {
    CLOSES.get()
}

/// Looks at asyncio's loop. Called once, when the module is made.
pub fn probe() -> Result<()> {
    // SAFETY: static exception classes.
    let (waits, aborted) = unsafe {
        (
            ffi::PyExc_BlockingIOError,
            ffi::PyExc_ConnectionAbortedError,
        )
    };
    BESIDES_BACKLOG.set(asked(0, waits)?.min(1));
    GOES_ON.set(asked(2, aborted)? > 1);
    CLOSES.set(closes()?);
    Ok(())
}

/// Has asyncio's method make a transport of an object that is no socket, which it finds out soon.
fn closes() -> Result<bool> {
    ASKED.set(0);
    let fails = failing()?;
    let socket = namespace(&[(c"close", &fails)])?;
    let event_loop = namespace(&[])?;
    let coroutine = imports()
        .selector_loop
        .getattr(&string("_create_connection_transport")?)?
        .call([&event_loop, &socket, &fails, &none(), &none()])?;
    if let Err(Raised) = coroutine.call_method(&string("send")?, [&none()]) {
        drop(take_raised());
    }
    Ok(ASKED.get() > 0)
}

/// How often asyncio's method asks for a connection, if so many may wait and each attempt raises this.
fn asked(backlog: u64, error: *mut ffi::PyObject) -> Result<i64> {
    ASKED.set(0);
    ERROR.set(error);
    let listener = namespace(&[(c"accept", &failing()?)])?;
    let event_loop = namespace(&[(c"_debug", &boolean(false))])?;
    let arguments = [
        &event_loop,
        &none(),
        &listener,
        &none(),
        &none(),
        &integer(backlog)?,
    ];
    let outcome = imports()
        .selector_loop
        .getattr(&string("_accept_connection")?)?
        .call_tuple(&tuple(&arguments)?, None);
    if let Err(Raised) = outcome {
        // Another way to go about it than those that are known.
        drop(take_raised());
    }
    Ok(ASKED.get())
}

/// A callable that counts how often it is called, and fails.
fn failing() -> Result<Ref> {
    fn fail(_: &Ref) -> Result<Ref> {
        ASKED.set(ASKED.get() + 1);
        raise(ERROR.get(), c"nobody")
    }
    static mut FAIL: ffi::PyMethodDef = method0!(c"fail", fail, c"");
    // SAFETY: a static definition, which nobody changes; `fail` takes no notice of what it is bound to. A new
    // reference or null.
    unsafe {
        Ref::owned_or_raised(ffi::PyCFunction_NewEx(
            &raw mut FAIL,
            none().as_ptr(),
            std::ptr::null_mut(),
        ))
    }
}

fn namespace(attributes: &[(&CStr, &Ref)]) -> Result<Ref> {
    import(c"types")?
        .getattr(&string("SimpleNamespace")?)?
        .call_tuple(&tuple(&[])?, Some(&dict(attributes)?))
}
