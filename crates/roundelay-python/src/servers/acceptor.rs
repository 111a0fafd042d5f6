//! What the loop calls when a listening socket is readable: it accepts whoever is there.

use std::ffi::{c_int, c_void};
use std::mem::offset_of;

use pyo3::ffi;

use crate::attribute;
use crate::compat::server_behaviour;
use crate::compat::socket_descriptor::{descriptor, is_socket};
use crate::eventloop::handle::Arguments;
use crate::eventloop::{self, watch};
use crate::imports::{imports, names};
use crate::native::gc::{generic_alloc, release, track};
use crate::native::trampoline::{guard, guard_object};
use crate::native::types::{TypeBuilder, type_of_class};
use crate::native::{
    Args, Raised, Ref, Result, Slot, dict, items, none, string, take_raised, tuple,
};
use crate::sockets;
use crate::statics::{TypeCell, unset};
use crate::sync::stock_call;
use crate::system::address::integer_of;
use crate::system::lacks_resources;

use super::accepted;

static ACCEPTOR: TypeCell = unset();

#[repr(C)]
struct Acceptor {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// The loop.
    event_loop: Slot,
    /// The arguments of `_start_serving()`, a tuple of [`ARGUMENTS`].
    arguments: Slot,
}

/// How many arguments `_start_serving()` has: the factory of protocols, the listening socket, the context of
/// TLS, the server, how many connections may wait, and two timeouts of TLS.
const ARGUMENTS: usize = 7;

fn fields(acceptor: &Ref) -> &Acceptor {
    // SAFETY: only called for instances of `ACCEPTOR`, which cannot be subclassed.
    unsafe { &*acceptor.as_ptr().cast() }
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    let class = TypeBuilder::new(c"roundelay.acceptor", size_of::<Acceptor>())
        .flags(ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION)
        .collected(dealloc, traverse, clear)
        .called_at(offset_of!(Acceptor, vectorcall))
        .attributes([attribute!(c"__qualname__", qualname)])
        .build(None)?;
    ACCEPTOR.set(type_of_class(&class));
    Ok(())
}

/// Reports name the callback.
fn qualname(_: &Ref) -> Result<Ref> {
    string("BaseSelectorEventLoop._accept_connection")
}

/// `_start_serving(protocol_factory, sock, sslcontext, server, backlog, ssl_handshake_timeout,
/// ssl_shutdown_timeout)`
pub fn start_serving(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    if !args.no_keywords()
        || args.positional.len() != ARGUMENTS
        || !is_socket(&args.positional[1])
        || integer_of(&args.positional[4]).is_none()
        || !sockets::is_unchanged(event_loop)
    {
        return stock_call::call(event_loop, c"_start_serving", &args);
    }
    // SAFETY: a fresh object of the type made above, filled before it is tracked.
    let acceptor = unsafe {
        let acceptor = generic_alloc(ACCEPTOR.get())?;
        (*acceptor.as_ptr().cast::<Acceptor>()).vectorcall = Some(call);
        acceptor
    };
    let arguments = tuple(&args.positional.iter().collect::<Vec<_>>())?;
    fields(&acceptor).event_loop.set(event_loop.clone());
    fields(&acceptor).arguments.set(arguments.clone());
    track(&acceptor);
    let fd = descriptor(&args.positional[1])?;
    watch::watch_with(event_loop, fd, true, &acceptor, Arguments::Many(arguments))?;
    Ok(none())
}

unsafe extern "C" fn call(
    callable: *mut ffi::PyObject,
    _args: *const *mut ffi::PyObject,
    flags: usize,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable.
        let (acceptor, count) = unsafe {
            (
                Ref::view(&callable),
                ffi::PyVectorcall_NARGS(flags) as usize,
            )
        };
        let own = fields(acceptor);
        let (Some(event_loop), Some(arguments)) = (own.event_loop.get(), own.arguments.get())
        else {
            return Ok(none());
        };
        // The handle passes the arguments on, so that they show; the timer passes none.
        if count == 0 {
            start_again(acceptor, &event_loop, &arguments)?;
        } else {
            accept_all(acceptor, &event_loop, &items(&arguments))?;
        }
        Ok(none())
    })
}

/// Accepts whoever waits, but no more than may wait: they may come faster than they are accepted.
fn accept_all(acceptor: &Ref, event_loop: &Ref, arguments: &[Ref]) -> Result<()> {
    let [factory, listener, tls, server, backlog, ..] = arguments else {
        return Ok(());
    };
    let most = integer_of(backlog).unwrap_or(0) + server_behaviour::accepts_besides_backlog();
    for _ in 0..most.max(0) {
        let (connection, address) = match sockets::accept(listener) {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return Ok(()),
            Err(Raised) if was_aborted() => {
                drop(take_raised());
                if server_behaviour::goes_on_after_aborted() {
                    continue;
                }
                return Ok(());
            }
            Err(Raised) if lacks_resources()? => {
                let message = "socket.accept() out of system resource";
                return pause(acceptor, event_loop, listener, message);
            }
            Err(Raised) => return Err(Raised),
        };
        if eventloop::data(event_loop).debug.get() {
            log(server, &address, &connection)?;
        }
        if tls.truthy()? {
            start_tls(event_loop, arguments, &connection, &address)?;
        } else {
            accepted::start(event_loop, factory, connection, &address, server)?;
        }
    }
    Ok(())
}

/// Whether what was raised says that the peer has gone already.
fn was_aborted() -> bool {
    // SAFETY: a static exception class; an exception is set.
    unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_ConnectionAbortedError) != 0 }
}

/// The system would go on reporting the socket, so the loop stops watching it for a while.
#[cold]
fn pause(acceptor: &Ref, event_loop: &Ref, listener: &Ref, message: &str) -> Result<()> {
    let Some(exception) = take_raised() else {
        return Ok(());
    };
    let message = string(message)?;
    let shown = sockets::plain::shown(listener)?;
    let context = dict(&[
        (c"message", &message),
        (c"exception", &exception),
        (c"socket", &shown),
    ])?;
    crate::native::while_handling(&exception, || {
        event_loop.call_method(&names().call_exception_handler, [&context])
    })?;
    // The handler may have closed the server.
    let fd = descriptor(listener)?;
    if fd < 0 {
        return Ok(());
    }
    watch::unwatch(event_loop, fd, true)?;
    let delay = imports().constants.getattr(&names().accept_retry_delay)?;
    event_loop
        .call_method(&names().call_later, [&delay, acceptor])
        .map(drop)
}

/// A while is over: the loop watches the socket again, unless the server was closed meanwhile. If the system
/// has no room for that, there is another while, or the server would never accept anybody again.
fn start_again(acceptor: &Ref, event_loop: &Ref, arguments: &Ref) -> Result<()> {
    let listener = &items(arguments)[1];
    if descriptor(listener)? < 0 {
        return Ok(());
    }
    let started = event_loop
        .getattr(&names().start_serving_hook)?
        .call_tuple(arguments, None);
    match started {
        Err(Raised) if lacks_resources()? => {
            let message = "a listening socket is not watched: out of system resource";
            pause(acceptor, event_loop, listener, message)
        }
        started => started.map(drop),
    }
}

/// A connection of TLS takes asyncio's way.
fn start_tls(event_loop: &Ref, arguments: &[Ref], connection: &Ref, address: &Ref) -> Result<()> {
    let [factory, _, tls, server, _, handshake, shutdown] = arguments else {
        return Ok(());
    };
    let extra = dict(&[(c"peername", address)])?;
    let coroutine = event_loop.call_method(
        &names().accept_connection2,
        [
            factory, connection, &extra, tls, server, handshake, shutdown,
        ],
    )?;
    event_loop
        .call_method(&names().create_task, [&coroutine])
        .map(drop)
}

#[cold]
fn log(server: &Ref, address: &Ref, connection: &Ref) -> Result<()> {
    let text = string("%r got a new connection from %r: %r")?;
    imports()
        .logger
        .call_method(&string("debug")?, [&text, server, address, connection])
        .map(drop)
}

unsafe extern "C" fn traverse(
    slf: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a live object.
    unsafe {
        let acceptor = Ref::view(&slf);
        let own = fields(acceptor);
        crate::native::gc::traverse(acceptor, [&own.event_loop, &own.arguments], visit, arg)
    }
}

fn drop_references(acceptor: &Ref) {
    drop(fields(acceptor).event_loop.take());
    drop(fields(acceptor).arguments.take());
}

unsafe extern "C" fn clear(slf: *mut ffi::PyObject) -> c_int {
    guard(0, || {
        // SAFETY: called by the collector with a live object.
        drop_references(unsafe { Ref::view(&slf) });
        Ok(0)
    })
}

unsafe extern "C" fn dealloc(slf: *mut ffi::PyObject) {
    guard((), || {
        // SAFETY: called when the last reference is gone; the memory is given back last.
        unsafe {
            ffi::PyObject_GC_UnTrack(slf.cast());
            drop_references(Ref::view(&slf));
            release(slf);
        }
        Ok(())
    });
}
