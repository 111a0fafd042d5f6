//! Process-wide statics that the GIL serialises. (Free-threaded builds are not supported yet.)

use std::cell::{Cell, OnceCell};

use pyo3::ffi;

/// A value that only attached threads touch.
pub struct GilCell<T>(Cell<T>);

// SAFETY: the GIL serialises every access (module comment).
unsafe impl<T> Sync for GilCell<T> {}

impl<T: Copy> GilCell<T> {
    /// Holds `value`.
    pub const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    /// The present value.
    #[inline]
    pub fn get(&self) -> T {
        self.0.get()
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        self.0.set(value);
    }
}

/// A native type, set once when the module is made.
pub type TypeCell = GilCell<*mut ffi::PyTypeObject>;

/// A type that is not made yet.
pub const fn unset() -> TypeCell {
    GilCell::new(std::ptr::null_mut())
}

/// A value that is set once, when the module is made.
pub struct Once<T>(OnceCell<T>);

// SAFETY: as for `GilCell`.
unsafe impl<T> Sync for Once<T> {}

impl<T> Once<T> {
    /// Empty.
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// The value; the module must have been initialised.
    #[inline]
    pub fn get(&self) -> &T {
        self.0
            .get()
            .expect("the module is initialised before anything of it is used")
    }

    /// The value, if there is one by now.
    pub fn find(&self) -> Option<&T> {
        self.0.get()
    }

    /// Sets the value, unless there is one.
    pub fn set(&self, value: T) {
        let _ = self.0.set(value);
    }
}

/// Memory that whoever needs some for a while takes, and gives back.
pub struct KeptBuffer(Cell<Vec<u8>>);

// SAFETY: as for `GilCell`; it is taken out while it is used.
unsafe impl Sync for KeptBuffer {}

impl KeptBuffer {
    /// More than this is not kept.
    const MOST: usize = 1 << 20;

    /// No memory yet.
    pub const fn new() -> Self {
        Self(Cell::new(Vec::new()))
    }

    /// Runs `work` with the memory, which is empty.
    pub fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut buffer = self.0.take();
        let outcome = work(&mut buffer);
        buffer.clear();
        if buffer.capacity() <= Self::MOST {
            self.0.set(buffer);
        }
        outcome
    }
}
