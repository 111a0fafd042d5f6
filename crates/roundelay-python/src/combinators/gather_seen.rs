//! Telling apart the arguments of one `gather` call: one that is given twice gets one child.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use pyo3::ffi;

use crate::future;
use crate::native::{Ref, Result};

/// Pointers are aligned to sixteen bytes; one multiplication spreads them well enough.
#[derive(Default)]
pub struct PointerHasher(u64);

impl Hasher for PointerHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only pointers are hashed");
    }
    fn write_usize(&mut self, value: usize) {
        self.0 = (value as u64 >> 4)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(20);
    }
}

/// Arguments seen so far with the child of each. Coroutines and native futures are told apart by
/// identity, which is what their `==` means; anything else goes through a dict as in asyncio.
pub enum Seen<'a> {
    /// One argument.
    None,
    /// Many.
    Pointers(HashSet<usize, BuildHasherDefault<PointerHasher>>),
    /// A handful.
    Few(Vec<(&'a Ref, Ref)>),
    /// Any kind of awaitable.
    Dict(Ref),
}

impl<'a> Seen<'a> {
    /// The cheapest kind that tells these arguments apart.
    pub fn for_arguments(arguments: &'a [Ref]) -> Result<Self> {
        // SAFETY: live.
        let plain = |argument: &Ref| unsafe {
            ffi::PyCoro_CheckExact(argument.as_ptr()) != 0 || future::native(argument).is_some()
        };
        Ok(match arguments.len() {
            _ if !arguments.iter().all(plain) => Seen::Dict(crate::native::dict(&[])?),
            1 => Seen::None,
            2..=8 => Seen::Few(Vec::new()),
            many => Seen::Pointers(HashSet::with_capacity_and_hasher(
                many,
                BuildHasherDefault::default(),
            )),
        })
    }

    /// The child of an argument that was there before.
    #[inline]
    pub fn find(&self, argument: &Ref, before: &[Ref], children: &[Ref]) -> Result<Option<Ref>> {
        match self {
            Seen::None => Ok(None),
            Seen::Few(few) => Ok(few
                .iter()
                .find(|(known, _)| known.is(argument))
                .map(|(_, child)| child.clone())),
            Seen::Pointers(pointers) => {
                if !pointers.contains(&(argument.as_ptr() as usize)) {
                    return Ok(None);
                }
                let place = before.iter().position(|known| known.is(argument));
                Ok(place.map(|place| children[place].clone()))
            }
            Seen::Dict(known) => {
                // SAFETY: live; what the dict returns is borrowed and counted at once.
                let child =
                    unsafe { ffi::PyDict_GetItemWithError(known.as_ptr(), argument.as_ptr()) };
                if child.is_null() {
                    return if crate::native::raised() {
                        Err(crate::native::Raised)
                    } else {
                        Ok(None)
                    };
                }
                // SAFETY: as above.
                Ok(Some(unsafe { Ref::borrowed(child) }))
            }
        }
    }

    #[inline]
    /// Notes the child of an argument.
    pub fn remember(&mut self, argument: &'a Ref, child: &Ref) -> Result<()> {
        match self {
            Seen::None => Ok(()),
            Seen::Few(few) => {
                few.push((argument, child.clone()));
                Ok(())
            }
            Seen::Pointers(pointers) => {
                pointers.insert(argument.as_ptr() as usize);
                Ok(())
            }
            // SAFETY: all live.
            Seen::Dict(known) => crate::native::check(unsafe {
                ffi::PyDict_SetItem(known.as_ptr(), argument.as_ptr(), child.as_ptr())
            }),
        }
    }
}
