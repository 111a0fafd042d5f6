//! Where releases of CPython have different transports, as questions that are answered once by looking at
//! asyncio's own classes.

use crate::imports::{imports, names};
use crate::native::buffer::{bytes, joined};
use crate::native::{
    Raised, Ref, Result, boolean, dict, import, integer, list, none, string, take_raised, tuple,
};
use crate::statics::GilCell;

/// Whether a server is told which transport comes and goes; before, it only counted them.
static SERVER_KNOWS_TRANSPORTS: GilCell<bool> = GilCell::new(false);

/// Whether `writelines()` leaves out lines that are false, whatever they are.
static LINES_MAY_BE_FALSE: GilCell<bool> = GilCell::new(false);

/// Whether `sendto()` sends a datagram with nothing in it; before, it did nothing.
static EMPTY_DATAGRAMS_ARE_SENT: GilCell<bool> = GilCell::new(false);

/// How many bytes a datagram that waits counts for besides its own.
static DATAGRAM_HEADER_SIZE: GilCell<usize> = GilCell::new(0);

/// See the static of the same name.
pub fn empty_datagrams_are_sent() -> bool {
    EMPTY_DATAGRAMS_ARE_SENT.get()
}

/// See the static of the same name. (The first releases that count a header never take it off again, so that
/// a protocol is paused for ever; here it is.)
pub fn datagram_header_size() -> usize {
    DATAGRAM_HEADER_SIZE.get()
}

/// See the static of the same name.
pub fn lines_may_be_false() -> bool {
    LINES_MAY_BE_FALSE.get()
}

/// Looks at asyncio's classes. Called once, when the module is made.
pub fn probe() -> Result<()> {
    let attach = import(c"asyncio.base_events")?
        .getattr(&string("Server")?)?
        .getattr(&string("_attach")?)?;
    let code = attach.getattr(&string("__code__")?)?;
    let count = code.getattr(&string("co_argcount")?)?.to_f64()?;
    SERVER_KNOWS_TRANSPORTS.set(count > 1.0);
    LINES_MAY_BE_FALSE.set(takes_none_for_a_line()?);
    probe_datagrams()
}

/// Has asyncio's own transport, of which only as much is there as it takes, queue two datagrams.
fn probe_datagrams() -> Result<()> {
    let class =
        import(c"asyncio.selector_events")?.getattr(&string("_SelectorDatagramTransport")?)?;
    let transport = class.call_method(&string("__new__")?, [&class])?;
    let queue = imports().deque_class.call([])?;
    queue.call_method(&names().append, [&none()])?;
    for (name, value) in [
        ("_address", none()),
        ("_conn_lost", integer(0)?),
        ("_buffer", queue.clone()),
        ("_buffer_size", integer(0)?),
        ("_high_water", integer(1 << 16)?),
    ] {
        transport.setattr(&string(name)?, &value)?;
    }
    let length = || -> Result<usize> {
        // SAFETY: a live deque.
        Ok(unsafe { pyo3::ffi::PyObject_Size(queue.as_ptr()) } as usize)
    };
    transport.call_method(&names().sendto, [&bytes(b"")?, &none()])?;
    EMPTY_DATAGRAMS_ARE_SENT.set(length()? == 2);
    transport.setattr(&string("_buffer_size")?, &integer(0)?)?;
    transport.call_method(&names().sendto, [&bytes(b"x")?, &none()])?;
    let size = transport.getattr(&string("_buffer_size")?)?.to_f64()? as usize;
    DATAGRAM_HEADER_SIZE.set(size.saturating_sub(1));
    Ok(())
}

/// Tries it, on an object that has just what the method needs to get so far.
fn takes_none_for_a_line() -> Result<bool> {
    let nothing = tuple(&[])?;
    let attributes = dict(&[
        (c"_eof", &boolean(false)),
        (c"_empty_waiter", &none()),
        (c"_conn_lost", &boolean(false)),
        (c"_buffer", &imports().deque_class.call([])?),
    ])?;
    let transport = import(c"types")?
        .getattr(&string("SimpleNamespace")?)?
        .call_tuple(&nothing, Some(&attributes))?;
    let lines = list(vec![none()])?;
    match imports().stock_writelines.call([&transport, &lines]) {
        Ok(_) => Ok(true),
        Err(Raised) => {
            drop(take_raised());
            Ok(false)
        }
    }
}

/// `server._attach(transport)`
pub fn attach(server: &Ref, transport: &Ref) -> Result<()> {
    tell(server, &names().attach, transport)
}

/// `server._detach(transport)`
pub fn detach(server: &Ref, transport: &Ref) -> Result<()> {
    tell(server, &names().detach, transport)
}

fn tell(server: &Ref, method: &Ref, transport: &Ref) -> Result<()> {
    if SERVER_KNOWS_TRANSPORTS.get() {
        server.call_method(method, [transport])
    } else {
        server.call_method(method, [])
    }
    .map(drop)
}

/// What a transport shows as its `_buffer`, given a list of pieces: 3.12 and newer keep a deque, older ones
/// a bytearray.
pub fn shown_buffer(pieces: &Ref) -> Result<Ref> {
    if cfg!(Py_3_12) {
        return imports().deque_class.call([pieces]);
    }
    joined(pieces)
}
