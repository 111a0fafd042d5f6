//! Whether a class leaves alone what native code relies on.
//!
//! asyncio's methods use each other, and the attributes of their object, through `self`, so a derived class
//! (or whoever patches a class or an object) may put something else in the place of each. Native code takes
//! the short way where nobody did. Looking that up takes a while, so it is remembered for a version of the
//! class: the interpreter gives a class another version whenever it or a base of it changes.
//!
//! A class that derives from ours and from another one may have that one between ours and what ours inherits,
//! where `super()` finds it. Such a class is no more unchanged than one that overrides something.

use std::cell::Cell;

use pyo3::ffi;

use crate::native::types::type_of_class;
use crate::native::{Ref, Result, items, string};
use crate::statics::Once;

use super::own_attributes;

unsafe extern "C" {
    /// What a class or its bases have under a name: a borrowed reference, or null without an exception.
    /// (Private, exported by every supported version; what every attribute access calls.)
    fn _PyType_Lookup(
        class: *mut ffi::PyTypeObject,
        name: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// How many classes are remembered.
const REMEMBERED: usize = 4;

/// What native code relies on in instances of one class of ours.
pub struct Unchanged {
    /// Methods that are called through `self`. An object may have others of its own.
    methods: &'static [&'static str],
    /// Descriptors, which come before what an object has of its own.
    descriptors: &'static [&'static str],
    found: Once<Found>,
}

struct Found {
    /// The class and all that it inherits from but `object`, in order.
    line: Vec<Ref>,
    /// What the class had when it was made, by name; methods come first.
    expected: Vec<(Ref, Ref)>,
    /// Classes, their versions and what was found.
    remembered: [Cell<(*mut ffi::PyTypeObject, u32, bool)>; REMEMBERED],
    /// Which of them is forgotten next.
    oldest: Cell<usize>,
}

impl Unchanged {
    pub const fn new(
        methods: &'static [&'static str],
        descriptors: &'static [&'static str],
    ) -> Self {
        Self {
            methods,
            descriptors,
            found: Once::new(),
        }
    }

    /// Takes down what the class has. Called once, when it was made.
    pub fn prepare(&self, class: &Ref) -> Result<()> {
        let mut expected = Vec::new();
        for name in self.methods.iter().chain(self.descriptors) {
            let mut name = string(name)?.into_ptr();
            // SAFETY: a live `str`, exchanged for the interned one; then a live class and name, and what is
            // found is counted at once.
            unsafe {
                ffi::PyUnicode_InternInPlace(&mut name);
                let name = Ref::owned(name);
                let value = _PyType_Lookup(type_of_class(class), name.as_ptr());
                assert!(!value.is_null(), "a class that has what it relies on");
                expected.push((name, Ref::borrowed(value)));
            }
        }
        let mut line = resolution_order(type_of_class(class));
        line.pop();
        self.found.set(Found {
            line,
            expected,
            remembered: [const { Cell::new((std::ptr::null_mut(), 0, false)) }; REMEMBERED],
            oldest: Cell::new(0),
        });
        Ok(())
    }

    /// Whether nothing that native code relies on in this instance is the user's.
    #[inline]
    pub fn is_unchanged(&self, object: &Ref) -> bool {
        self.is_class_unchanged(object.type_ptr()) && self.has_no_method_of_its_own(object)
    }

    /// The same for whoever relies on descriptors alone.
    #[inline]
    pub fn is_class_unchanged(&self, class: *mut ffi::PyTypeObject) -> bool {
        let version = version_of(class);
        if version != 0 {
            for remembered in &self.found.get().remembered {
                let (known, known_version, unchanged) = remembered.get();
                if known == class && known_version == version {
                    return unchanged;
                }
            }
        }
        self.look(class)
    }

    #[cold]
    fn look(&self, class: *mut ffi::PyTypeObject) -> bool {
        let found = self.found.get();
        // SAFETY: live classes and names; what is found is only compared.
        let unchanged = found
            .expected
            .iter()
            .all(|(name, value)| value.is_ptr(unsafe { _PyType_Lookup(class, name.as_ptr()) }))
            && stand_together(&found.line, &resolution_order(class));
        // Looking something up is what gives a class a version.
        let version = version_of(class);
        if version != 0 {
            let oldest = found.oldest.get();
            found.remembered[oldest].set((class, version, unchanged));
            found.oldest.set((oldest + 1) % REMEMBERED);
        }
        unchanged
    }

    #[inline]
    fn has_no_method_of_its_own(&self, object: &Ref) -> bool {
        own_attributes::is_empty(object) || {
            let methods = &self.found.get().expected[..self.methods.len()];
            !methods
                .iter()
                .any(|(name, _)| own_attributes::contains(object, name))
        }
    }
}

/// A class and all that it inherits from, in the order in which they are asked.
fn resolution_order(class: *mut ffi::PyTypeObject) -> Vec<Ref> {
    // SAFETY: a live class that is ready has this tuple.
    items(unsafe { Ref::view(&(*class).tp_mro) })
}

/// Whether `line` is a part of `order`, with nothing in between.
fn stand_together(line: &[Ref], order: &[Ref]) -> bool {
    order.windows(line.len()).any(|part| {
        let mut pairs = part.iter().zip(line);
        pairs.all(|(class, expected)| class.is(expected))
    })
}

/// The number that stands for a class as it is, or zero if it has none.
#[inline]
fn version_of(class: *mut ffi::PyTypeObject) -> u32 {
    // SAFETY: a live class.
    unsafe {
        // 3.11 says by a flag whether the number holds; later versions make it zero where it does not.
        #[cfg(not(Py_3_12))]
        if (*class).tp_flags & ffi::Py_TPFLAGS_VALID_VERSION_TAG == 0 {
            return 0;
        }
        (*class).tp_version_tag
    }
}
