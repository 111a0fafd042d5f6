//! Telling apart the arguments of one `gather` call: one that is given twice gets one child.

use pyo3::ffi;

use crate::future;
use crate::native::{Raised, Ref, Result, check, dict, raised};

use super::pointer_set::PointerSet;

/// The arguments before the present one. Coroutines and native futures are told apart by identity, which is
/// what their `==` means; from the first one on that is anything else, all go through a dict as in asyncio.
pub enum Seen {
    /// There is only one argument.
    None,
    /// A handful, among which a search is quick.
    Few,
    /// Many.
    Pointers(PointerSet),
    /// Any kind of awaitable, with the child of each.
    Dict(Ref),
}

impl Seen {
    /// None yet of so many.
    pub fn new(count: usize) -> Self {
        match count {
            0..=1 => Seen::None,
            2..=8 => Seen::Few,
            _ => Seen::Pointers(PointerSet::new()),
        }
    }

    /// The child of an argument that is among those `before`, which have these `children`.
    #[inline]
    pub fn find(
        &mut self,
        argument: &Ref,
        before: &[Ref],
        children: &[Ref],
    ) -> Result<Option<Ref>> {
        if !is_told_by_identity(argument) {
            self.become_dict(before, children)?;
        }
        let is_new = match self {
            Seen::None => true,
            Seen::Few => false,
            Seen::Pointers(pointers) => pointers.insert(argument.as_ptr()),
            Seen::Dict(known) => return find_in(known, argument),
        };
        if is_new {
            return Ok(None);
        }
        let place = before.iter().position(|known| known.is(argument));
        Ok(place.map(|place| children[place].clone()))
    }

    /// Notes the child of an argument that `find` did not find.
    #[inline]
    pub fn remember(&self, argument: &Ref, child: &Ref) -> Result<()> {
        match self {
            Seen::Dict(known) => put_into(known, argument, child),
            _ => Ok(()),
        }
    }

    /// Goes on with a dict.
    #[cold]
    fn become_dict(&mut self, before: &[Ref], children: &[Ref]) -> Result<()> {
        if let Seen::Dict(_) = self {
            return Ok(());
        }
        let known = dict(&[])?;
        for (argument, child) in before.iter().zip(children) {
            put_into(&known, argument, child)?;
        }
        *self = Seen::Dict(known);
        Ok(())
    }
}

#[inline]
fn is_told_by_identity(argument: &Ref) -> bool {
    // SAFETY: live.
    unsafe { ffi::PyCoro_CheckExact(argument.as_ptr()) != 0 || future::native(argument).is_some() }
}

fn find_in(known: &Ref, argument: &Ref) -> Result<Option<Ref>> {
    // SAFETY: live; what the dict returns is borrowed and counted at once.
    unsafe {
        let child = ffi::PyDict_GetItemWithError(known.as_ptr(), argument.as_ptr());
        if !child.is_null() {
            return Ok(Some(Ref::borrowed(child)));
        }
    }
    if raised() { Err(Raised) } else { Ok(None) }
}

fn put_into(known: &Ref, argument: &Ref, child: &Ref) -> Result<()> {
    // SAFETY: all live.
    check(unsafe { ffi::PyDict_SetItem(known.as_ptr(), argument.as_ptr(), child.as_ptr()) })
}
