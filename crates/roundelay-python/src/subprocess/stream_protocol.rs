//! `SubprocessStreamProtocol` of asyncio's `subprocess` module, which feeds the readers of a process, and the
//! functions that make such processes.

use std::ffi::CStr;
use std::mem::offset_of;

use pyo3::ffi;

use crate::compat::unchanged::Unchanged;
use crate::imports::module;
use crate::native::{Args, Ref, Result, Slot, dict, none, string, tuple};
use crate::streams::feed_data;
use crate::streams::rebound::with_globals;
use crate::sync::{derived, stock_call};
use crate::{method, optional_attribute};

/// What native code relies on.
static UNCHANGED: Unchanged = Unchanged::new(&[], &["stdout", "stderr"]);

/// All zero bytes are a protocol whose `__init__` has not run.
#[repr(C)]
struct Fields {
    /// The reader of what the process writes to its standard output; empty is `None`.
    stdout: Slot,
    /// The same for its standard error.
    stderr: Slot,
}

fn fields(protocol: &Ref) -> &Fields {
    // SAFETY: only called for instances of the type that is made here, and of its subclasses.
    unsafe { derived::fields(protocol) }
}

/// Makes the type and the functions; returns them with their names. `streams` are the classes of our streams.
pub fn make(streams: &[(&'static CStr, Ref)]) -> Result<[(&'static CStr, Ref); 3]> {
    let base = derived::base(c"asyncio.subprocess", "SubprocessStreamProtocol")?;
    let class = derived::bare_builder::<Fields>(
        c"asyncio.subprocess.SubprocessStreamProtocol",
        &base,
        derived::BODY,
        &[
            (c"_native_stdout", offset_of!(Fields, stdout)),
            (c"_native_stderr", offset_of!(Fields, stderr)),
        ],
    )?
    .flags(ffi::Py_TPFLAGS_BASETYPE)
    .doc(c"SubprocessStreamProtocol(limit, loop)\n--\n\nLike StreamReaderProtocol, but for a subprocess.")
    .attributes([
        optional_attribute!(c"stdout", fields, stdout),
        optional_attribute!(c"stderr", fields, stderr),
    ])
    .methods([method!(
        c"pipe_data_received",
        pipe_data_received,
        c"pipe_data_received($self, fd, data)\n--\n\nFeed the reader of a pipe."
    )])
    .build(Some(&base))?;
    let name = string("connection_made")?;
    let made = with_globals(&base.getattr(&name)?, &[(c"streams", namespace(streams)?)])?;
    class.setattr(&name, &made)?;
    UNCHANGED.prepare(&class)?;
    let function = |name| -> Result<Ref> {
        let stock = derived::base(c"asyncio.subprocess", name)?;
        with_globals(&stock, &[(c"SubprocessStreamProtocol", class.clone())])
    };
    Ok([
        (
            c"create_subprocess_exec",
            function("create_subprocess_exec")?,
        ),
        (
            c"create_subprocess_shell",
            function("create_subprocess_shell")?,
        ),
        (c"SubprocessStreamProtocol", class),
    ])
}

/// An object with attributes of these names.
fn namespace(items: &[(&'static CStr, Ref)]) -> Result<Ref> {
    let items: Vec<_> = items.iter().map(|(name, item)| (*name, item)).collect();
    module(c"types")?
        .getattr(&string("SimpleNamespace")?)?
        .call_tuple(&tuple(&[])?, Some(&dict(&items)?))
}

fn pipe_data_received(protocol: &Ref, args: Args<'_>) -> Result<Ref> {
    let reader = match stock_call::bound(&args, ["fd", "data"], 2) {
        Some([Some(fd), Some(data)]) if UNCHANGED.is_unchanged(protocol) => match number(fd) {
            Some(1) => Some((fields(protocol).stdout.get(), data)),
            Some(2) => Some((fields(protocol).stderr.get(), data)),
            _ => None,
        },
        _ => None,
    };
    match reader {
        Some((Some(reader), data)) => feed_data(&reader, data),
        Some((None, _)) => Ok(none()),
        None => stock_call::call(protocol, c"pipe_data_received", &args),
    }
}

/// The value of an exact `int` that is small.
fn number(object: &Ref) -> Option<i64> {
    // SAFETY: exactly an `int`; the flag tells of one that is too large, without an exception.
    unsafe {
        if ffi::PyLong_CheckExact(object.as_ptr()) == 0 {
            return None;
        }
        let mut overflow = 0;
        let value = ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &mut overflow);
        (overflow == 0).then_some(value)
    }
}
