//! What a server knows of its connections: `Server._attach()` and `_detach()`.
//!
//! Both are Python code that adds to a set of weak references and takes from it, once for each connection. For a
//! server that is asyncio's own and nothing else, the same is done here to the same set.

use pyo3::ffi;

use crate::compat::transport_behaviour;
use crate::compat::unchanged::Unchanged;
use crate::imports::{imports, names};
use crate::native::{Ref, Result, check};

static UNCHANGED: Unchanged = Unchanged::new(&["_attach", "_detach", "_wakeup"], &[]);

/// Takes down what asyncio's server has. Called once, when the module is made.
pub fn prepare() -> Result<()> {
    UNCHANGED.prepare(&imports().server_class)
}

/// `server._attach(transport)`
pub fn attach(server: &Ref, transport: &Ref) -> Result<()> {
    let Some(clients) = clients(server)? else {
        return transport_behaviour::attach(server, transport);
    };
    if server.getattr(&names().sockets)?.is_none() {
        // It is closed; asyncio says what that means.
        return transport_behaviour::attach(server, transport);
    }
    let remove = clients.set.getattr(&names().remove_hook)?;
    // SAFETY: live objects; new references or null. The set is one of Python's.
    unsafe {
        let weak =
            Ref::owned_or_raised(ffi::PyWeakref_NewRef(transport.as_ptr(), remove.as_ptr()))?;
        check(ffi::PySet_Add(clients.data.as_ptr(), weak.as_ptr()))
    }
}

/// `server._detach(transport)`
pub fn detach(server: &Ref, transport: &Ref) -> Result<()> {
    let Some(clients) = clients(server)? else {
        return transport_behaviour::detach(server, transport);
    };
    // SAFETY: live objects; new references or null. The set is one of Python's.
    let left = unsafe {
        let weak = Ref::owned_or_raised(ffi::PyWeakref_NewRef(
            transport.as_ptr(),
            std::ptr::null_mut(),
        ))?;
        check(ffi::PySet_Discard(clients.data.as_ptr(), weak.as_ptr()))?;
        ffi::PySet_Size(clients.data.as_ptr())
    };
    if left == 0 && server.getattr(&names().sockets)?.is_none() {
        server.call_method(&names().wakeup, [])?;
    }
    Ok(())
}

/// The connections of a server.
struct Clients {
    /// A `weakref.WeakSet`.
    set: Ref,
    /// The `set` in it.
    data: Ref,
}

/// The connections of a server that is asyncio's own, open, and whose set needs no attention.
fn clients(server: &Ref) -> Result<Option<Clients>> {
    if !server.is_exact(imports().server_class.as_ptr().cast()) || !UNCHANGED.is_unchanged(server) {
        return Ok(None);
    }
    let Some(set) = server.getattr_opt(&names().clients)? else {
        // Older releases count.
        return Ok(None);
    };
    if !set.is_exact(imports().weak_set_class.as_ptr().cast()) {
        return Ok(None);
    }
    let data = set.getattr(&names().data)?;
    // SAFETY: live.
    let is_set = unsafe { ffi::PySet_CheckExact(data.as_ptr()) } != 0;
    // Up to 3.13 what dies while somebody walks through the set is taken out of it later.
    let waiting = match set.getattr_opt(&names().pending_removals)? {
        Some(waiting) => waiting.truthy()?,
        None => false,
    };
    Ok((is_set && !waiting).then_some(Clients { set, data }))
}
