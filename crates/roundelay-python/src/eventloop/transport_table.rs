//! Which transport reads and writes which descriptor, so that nobody else does so meanwhile.

use std::os::fd::RawFd;

use pyo3::ffi;

use crate::imports::names;
use crate::native::{
    Args, Raised, Ref, Result, int_value, integer, list, none, raise_object, raise_text, repr,
    string, take_raised,
};

use super::object::data;

/// Notes that `transport` uses the descriptor. The transport is not kept alive by that.
pub fn put(event_loop: &Ref, fd: RawFd, transport: &Ref) -> Result<()> {
    // SAFETY: a live object; without a callback all weak references to it are one. New, or null.
    let weak = unsafe {
        Ref::owned_or_raised(ffi::PyWeakref_NewRef(
            transport.as_ptr(),
            std::ptr::null_mut(),
        ))
    }?;
    let replaced = data(event_loop).transports.borrow_mut().insert(fd, weak);
    drop(replaced);
    Ok(())
}

/// The transport that uses the descriptor, or did, if it is still there.
pub fn get(event_loop: &Ref, fd: RawFd) -> Result<Option<Ref>> {
    let Some(weak) = data(event_loop).transports.borrow().get(&fd).cloned() else {
        return Ok(None);
    };
    let mut found = std::ptr::null_mut();
    // SAFETY: a live weak reference; `found` gets a new reference, or null.
    let status = unsafe { ffi::compat::PyWeakref_GetRef(weak.as_ptr(), &mut found) };
    crate::native::check(status)?;
    // SAFETY: as above.
    Ok((!found.is_null()).then(|| unsafe { Ref::owned(found) }))
}

/// Fails if a transport that is not closing uses the descriptor, for which `shown` stands in the message.
#[inline]
pub fn refuse(event_loop: &Ref, fd: RawFd, shown: Option<&Ref>) -> Result<()> {
    if data(event_loop).transports.borrow().contains_key(&fd) {
        return refuse_if_used(event_loop, fd, shown);
    }
    Ok(())
}

#[cold]
fn refuse_if_used(event_loop: &Ref, fd: RawFd, shown: Option<&Ref>) -> Result<()> {
    let Some(transport) = get(event_loop, fd)? else {
        return Ok(());
    };
    if !transport.truthy()? || transport.call_method(&names().is_closing, [])?.truthy()? {
        return Ok(());
    }
    let shown = match shown {
        Some(shown) => repr(shown)?,
        None => fd.to_string(),
    };
    let text = format!(
        "File descriptor {shown} is used by transport {}",
        repr(&transport)?
    );
    // SAFETY: a static exception class.
    raise_text(unsafe { ffi::PyExc_RuntimeError }, &text)
}

/// `_ensure_fd_no_transport(fd)`, of a number or of an object with `fileno()`.
pub fn ensure_method(event_loop: &Ref, fd: &Ref) -> Result<Ref> {
    if let Some(number) = descriptor_of(fd)? {
        refuse(event_loop, number, Some(fd))?;
    }
    Ok(none())
}

/// The number of a descriptor, given as such or as an object with `fileno()`, as `selectors` takes it.
pub fn number_of(object: &Ref) -> Result<Ref> {
    // SAFETY: live.
    if unsafe { ffi::PyLong_Check(object.as_ptr()) } != 0 {
        return Ok(object.clone());
    }
    match number_by_method(object) {
        Ok(number) => Ok(number),
        Err(Raised) => no_number(object),
    }
}

/// The descriptor; nothing if it is a number that no descriptor has.
fn descriptor_of(object: &Ref) -> Result<Option<RawFd>> {
    let number = int_value(&number_of(object)?);
    Ok(number.and_then(|number| RawFd::try_from(number).ok()))
}

/// `int(object.fileno())`
fn number_by_method(object: &Ref) -> Result<Ref> {
    let number = object.call_method(&names().fileno, [])?;
    // SAFETY: static classes.
    let class = unsafe { Ref::borrowed((&raw mut ffi::PyLong_Type).cast()) };
    class.call([&number])
}

/// `raise ValueError(...) from None`, if what was raised says that the object has no descriptor.
fn no_number<T>(object: &Ref) -> Result<T> {
    // SAFETY: static exception classes; an exception is set.
    let expected = unsafe {
        [
            ffi::PyExc_AttributeError,
            ffi::PyExc_TypeError,
            ffi::PyExc_ValueError,
        ]
        .iter()
        .any(|class| ffi::PyErr_ExceptionMatches(*class) != 0)
    };
    if !expected {
        return Err(Raised);
    }
    let context = take_raised();
    let text = string(&format!("Invalid file object: {}", repr(object)?))?;
    // SAFETY: a static exception class; the context steals a reference. `from None` is a cause that is none.
    unsafe {
        let error = Ref::borrowed(ffi::PyExc_ValueError).call([&text])?;
        if let Some(context) = context {
            ffi::PyException_SetContext(error.as_ptr(), context.into_ptr());
        }
        ffi::PyException_SetCause(error.as_ptr(), std::ptr::null_mut());
        error.setattr(
            &string("__suppress_context__")?,
            &crate::native::boolean(true),
        )?;
        raise_object(error)
    }
}

/// `_transport_at(fd)`: the transport that uses the descriptor, or `None`.
pub fn get_method(event_loop: &Ref, fd: &Ref) -> Result<Ref> {
    let found = match descriptor_of(fd)? {
        Some(fd) => get(event_loop, fd)?,
        None => None,
    };
    Ok(found.unwrap_or_else(none))
}

/// `_set_transport_at(fd, transport)`; `None` for no transport.
pub fn set_method(event_loop: &Ref, args: Args<'_>) -> Result<Ref> {
    let [fd, transport] = args.bind("_set_transport_at", ["fd", "transport"], 2, 2)?;
    let (Some(fd), Some(transport)) = (fd, transport) else {
        return Err(Raised);
    };
    if let Some(fd) = descriptor_of(fd)? {
        if transport.is_none() {
            let removed = data(event_loop).transports.borrow_mut().remove(&fd);
            drop(removed);
        } else {
            put(event_loop, fd, transport)?;
        }
    }
    Ok(none())
}

/// `_transport_fds()`: the descriptors that have, or had, a transport.
pub fn descriptors(event_loop: &Ref) -> Result<Ref> {
    let all: Vec<RawFd> = data(event_loop)
        .transports
        .borrow()
        .keys()
        .copied()
        .collect();
    let all: Result<Vec<Ref>> = all
        .into_iter()
        .map(|fd| integer(fd.unsigned_abs().into()))
        .collect();
    list(all?)
}
