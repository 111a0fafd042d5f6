//! Objects of Python's `_ssl` module, made to find out where they keep what belongs to OpenSSL.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use pyo3::ffi;

use crate::native::buffer::bytes;
use crate::native::{Raised, Ref, Result, boolean, dict, integer, string, take_raised, tuple};

use super::Library;
use super::driven::{Driven, Outcome};
use super::functions::Functions;
use super::told::{Class, Listener};

/// A record that has the form of one, but is no handshake.
const GARBAGE: &[u8] = b"\x16\x03\x01\x00\x05hello";

/// What the first byte of an answer to that says: it is an alert.
const ALERT: u8 = 21;

/// How many objects are looked at.
const SPECIMENS: usize = 3;

/// An object of Python's, and what OpenSSL said that it made meanwhile.
struct Made {
    object: Ref,
    inside: *mut c_void,
}

/// A fresh SSL object, of a server that knows no client yet, and its BIOs.
struct Specimen {
    inner: Made,
    incoming: Made,
    outgoing: Made,
}

/// Some of them, of one context.
pub struct Specimens(Vec<Specimen>);

impl Specimens {
    /// Makes them; nothing if OpenSSL did not tell of each.
    pub fn make(module: &Ref, functions: &Functions) -> Result<Option<Self>> {
        let get = |name: &str| module.getattr(&string(name)?);
        let context = get("_SSLContext")?.call([&get("PROTOCOL_TLS_SERVER")?])?;
        let wrap = context.getattr(&string("_wrap_bio")?)?;
        let bio = get("MemoryBIO")?;
        let server = dict(&[(c"server_side", &boolean(true))])?;
        // One class at a time: a listener counts whatever it hears of.
        let Some(bios) = made(functions, Class::Bio, 2 * SPECIMENS, |_| bio.call([]))? else {
            return Ok(None);
        };
        let inners = made(functions, Class::Ssl, SPECIMENS, |number| {
            let (incoming, outgoing) = (&bios[2 * number], &bios[2 * number + 1]);
            wrap.call_tuple(
                &tuple(&[&incoming.object, &outgoing.object])?,
                Some(&server),
            )
        })?;
        let Some(inners) = inners else {
            return Ok(None);
        };
        let mut all = Vec::with_capacity(SPECIMENS);
        let mut bios = bios.into_iter();
        for inner in inners {
            if let (Some(incoming), Some(outgoing)) = (bios.next(), bios.next()) {
                all.push(Specimen {
                    inner,
                    incoming,
                    outgoing,
                });
            }
        }
        Ok(Some(Self(all)))
    }

    /// Where an SSL object has its `SSL`, and a BIO object its `BIO`.
    pub fn find_pointers(&self) -> Option<(usize, usize)> {
        let bios = self.0.iter().flat_map(|one| [&one.incoming, &one.outgoing]);
        let ssl_at = only_place(self.0.iter().map(|one| &one.inner))?;
        Some((ssl_at, only_place(bios)?))
    }

    /// Whether the library says of each what Python says.
    pub fn agree(&self, library: &'static Library) -> Result<bool> {
        for specimen in &self.0 {
            if !specimen.agrees(library)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Some objects, and what OpenSSL has in each; nothing if it did not tell.
fn made(
    functions: &Functions,
    class: Class,
    count: usize,
    make: impl Fn(usize) -> Result<Ref>,
) -> Result<Option<Vec<Made>>> {
    let Some(listener) = Listener::to(functions, class) else {
        return Ok(None);
    };
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        let (object, inside) = listener.hear(|| make(number));
        let (object, Some(inside)) = (object?, inside) else {
            return Ok(None);
        };
        all.push(Made { object, inside });
    }
    Ok(Some(all))
}

/// The one place of objects of one type in which each has what OpenSSL said.
fn only_place<'a>(all: impl Iterator<Item = &'a Made>) -> Option<usize> {
    let all: Vec<&Made> = all.collect();
    let class = all.first()?.object.type_ptr();
    if !all.iter().all(|made| made.object.is_exact(class)) {
        return None;
    }
    // SAFETY: a live object has a live type.
    let size = usize::try_from(unsafe { (*class).tp_basicsize }).ok()?;
    let ends = size.saturating_sub(size_of::<*mut c_void>() - 1);
    let mut places = (size_of::<ffi::PyObject>()..ends)
        .step_by(size_of::<usize>())
        // SAFETY: a word inside of the object.
        .filter(|at| unsafe { all.iter().all(|made| word(&made.object, *at) == made.inside) });
    match (places.next(), places.next()) {
        (Some(at), None) => Some(at),
        _ => None,
    }
}

impl Specimen {
    /// Whether the library says of what was found what Python says: which BIOs are read and written (which also shows
    /// that its two halves belong together), how much is in them, and what comes of a read of nothing and of garbage.
    fn agrees(&self, library: &'static Library) -> Result<bool> {
        let inner = &self.inner.object;
        let Some(connection) =
            library.connection(inner, &self.incoming.object, &self.outgoing.object)
        else {
            return Ok(false);
        };
        let functions = &library.functions;
        for (bio, content) in [
            (&self.incoming, b"in".as_slice()),
            (&self.outgoing, b"and out"),
        ] {
            bio.object
                .call_method(&string("write")?, [&bytes(content)?])?;
            // SAFETY: a `BIO`, as OpenSSL said when it made it.
            let size = unsafe { (functions.BIO_ctrl_pending)(bio.inside) };
            bio.object.call_method(&string("read")?, [])?;
            // SAFETY: as above.
            let left = unsafe { (functions.BIO_ctrl_pending)(bio.inside) };
            if size != content.len() || left != 0 {
                return Ok(false);
            }
        }
        // SAFETY: taken from this object.
        let driven = unsafe { Driven::new(library, connection, inner.clone()) };
        let mut memory = [MaybeUninit::uninit(); 16];
        if !driven.is_dry() || !matches!(driven.read(&mut memory), Outcome::Again) {
            return Ok(false);
        }
        // Half of it comes through a window and half is fed, and the answer, an alert, goes through a window as well.
        let mut answer = Vec::new();
        let (first, rest) = GARBAGE.split_at(3);
        let again = driven.reading_from(first, || driven.read(&mut memory));
        if !matches!(again, Some(Outcome::Again)) || !driven.feed(rest) {
            return Ok(false);
        }
        let failed = driven.writing_into(&mut answer, || driven.read(&mut memory));
        if !matches!(failed, Some(Outcome::Failed))
            || answer.first() != Some(&ALERT)
            || driven.outgoing_size() != 0
        {
            return Ok(false);
        }
        // What is in the queue of errors is what Python's own method raises.
        let most = integer(1)?;
        let raised = match inner.call_method(&string("read")?, [&most]) {
            Ok(_) => return Ok(false),
            Err(Raised) => take_raised().expect("an error has an exception"),
        };
        // (An SSLError has one if there was anything in the queue.)
        let reason = raised.getattr_opt(&string("reason")?)?;
        Ok(reason.is_some_and(|reason| !reason.is_none()))
    }
}

/// The word at an offset of an object.
///
/// # Safety
/// The object has one there.
pub unsafe fn word(object: &Ref, at: usize) -> *mut c_void {
    // SAFETY: by the caller's contract.
    unsafe {
        object
            .as_ptr()
            .cast::<u8>()
            .add(at)
            .cast::<*mut c_void>()
            .read()
    }
}
