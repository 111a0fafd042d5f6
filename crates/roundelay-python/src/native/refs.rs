//! Owned references and the slots that hold them.
//!
//! A [`Ref`] is one strong reference to a Python object. It is neither `Send` nor `Sync`, and every
//! entry point of this crate is called by the interpreter on a thread that is attached to it; so
//! **whoever holds a `Ref` is attached**, and its methods are safe functions. The only region in which
//! the thread is detached (`eventloop::poll`) captures nothing but `Send` values.
//!
//! A [`Slot`] is a field of a native object that may hold a reference. It hands references out by
//! counting, or by taking the value out: nothing borrowed from a slot lives across a call into Python,
//! because any such call may replace what the slot holds.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use pyo3::ffi;

/// "A Python exception is set": the error of every function that calls into the interpreter.
#[derive(Debug)]
pub struct Raised;

/// Result of a function that leaves a Python exception set when it fails.
pub type Result<T> = std::result::Result<T, Raised>;

/// One strong reference to a Python object.
#[repr(transparent)]
pub struct Ref(NonNull<ffi::PyObject>);

impl Ref {
    /// Takes over the reference that `object` counts.
    ///
    /// # Safety
    /// `object` is not null, and the caller owns one reference to it and gives it up.
    #[inline]
    pub unsafe fn owned(object: *mut ffi::PyObject) -> Self {
        debug_assert!(!object.is_null());
        // SAFETY: not null by the caller's contract.
        Self(unsafe { NonNull::new_unchecked(object) })
    }

    /// Takes over the result of a C function, null meaning that an exception is set.
    ///
    /// # Safety
    /// `object` is a new reference, or null with an exception set.
    #[inline]
    pub unsafe fn owned_or_raised(object: *mut ffi::PyObject) -> Result<Self> {
        NonNull::new(object).map(Self).ok_or(Raised)
    }

    /// Counts a new reference to a borrowed object.
    ///
    /// # Safety
    /// `object` points to a live Python object.
    #[inline]
    pub unsafe fn borrowed(object: *mut ffi::PyObject) -> Self {
        // SAFETY: live by the caller's contract.
        unsafe {
            ffi::Py_INCREF(object);
            Self::owned(object)
        }
    }

    /// Views a borrowed pointer as a reference that is not counted.
    ///
    /// # Safety
    /// `*object` points to a live Python object for as long as the result is used.
    #[inline]
    pub unsafe fn view(object: &*mut ffi::PyObject) -> &Self {
        // SAFETY: `Ref` is transparent over a non-null pointer to a Python object.
        unsafe { &*ptr::from_ref(object).cast::<Self>() }
    }

    /// The pointer, still owned by `self`.
    #[inline]
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }

    /// The pointer; the caller now owns the reference.
    #[inline]
    pub fn into_ptr(self) -> *mut ffi::PyObject {
        let object = self.0.as_ptr();
        std::mem::forget(self);
        object
    }

    /// Whether both are the same object.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Whether this is the object at `other`.
    #[inline]
    pub fn is_ptr(&self, other: *mut ffi::PyObject) -> bool {
        self.0.as_ptr() == other
    }

    /// Whether this is `None`.
    #[inline]
    pub fn is_none(&self) -> bool {
        // SAFETY: `None` is a static of the interpreter.
        self.0.as_ptr() == unsafe { ffi::Py_None() }
    }

    /// The type of the object.
    #[inline]
    pub fn type_ptr(&self) -> *mut ffi::PyTypeObject {
        // SAFETY: a live object has a type.
        unsafe { ffi::Py_TYPE(self.0.as_ptr()) }
    }

    /// Whether the object is an instance of exactly this type.
    #[inline]
    pub fn is_exact(&self, ty: *mut ffi::PyTypeObject) -> bool {
        self.type_ptr() == ty
    }

    /// Whether the object's type is `ty` or derives from it.
    #[inline]
    pub fn is_instance(&self, ty: *mut ffi::PyTypeObject) -> bool {
        // SAFETY: both are live types.
        self.type_ptr() == ty || unsafe { ffi::PyType_IsSubtype(self.type_ptr(), ty) != 0 }
    }

    /// How many references the object has.
    #[inline]
    pub fn count(&self) -> isize {
        // SAFETY: a live object.
        unsafe { ffi::Py_REFCNT(self.0.as_ptr()) as isize }
    }
}

impl Clone for Ref {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: `self` keeps the object alive.
        unsafe { Self::borrowed(self.0.as_ptr()) }
    }
}

impl Drop for Ref {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` owns the reference, and its holder is attached (module comment). This may run
        // any code; callers hold no borrow of shared state across it.
        unsafe { ffi::Py_DECREF(self.0.as_ptr()) }
    }
}

/// `None`, counted.
#[inline]
pub fn none() -> Ref {
    // SAFETY: `None` is a static of the interpreter.
    unsafe { Ref::borrowed(ffi::Py_None()) }
}

/// `True` or `False`, counted.
#[inline]
pub fn boolean(value: bool) -> Ref {
    // SAFETY: both are statics of the interpreter.
    unsafe {
        Ref::borrowed(if value {
            ffi::Py_True()
        } else {
            ffi::Py_False()
        })
    }
}

/// A field that holds a reference or nothing. All zero bytes are an empty slot.
#[repr(transparent)]
pub struct Slot(Cell<*mut ffi::PyObject>);

impl Slot {
    /// An empty slot.
    pub const fn empty() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    /// The pointer, borrowed: only for comparing, or for a C call that does not run Python code.
    #[inline]
    pub fn peek(&self) -> *mut ffi::PyObject {
        self.0.get()
    }

    /// Whether something is held.
    #[inline]
    pub fn is_some(&self) -> bool {
        !self.0.get().is_null()
    }

    /// What is held, counted.
    #[inline]
    pub fn get(&self) -> Option<Ref> {
        let object = self.0.get();
        // SAFETY: the slot owns a reference to what it points to.
        (!object.is_null()).then(|| unsafe { Ref::borrowed(object) })
    }

    /// Takes out what is held.
    #[inline]
    pub fn take(&self) -> Option<Ref> {
        let object = self.0.replace(ptr::null_mut());
        // SAFETY: the slot owned the reference and no longer does.
        (!object.is_null()).then(|| unsafe { Ref::owned(object) })
    }

    /// Holds `value`; what was held before is dropped only after the slot has its new value.
    #[inline]
    pub fn set(&self, value: Ref) {
        let old = self.0.replace(value.into_ptr());
        if !old.is_null() {
            // SAFETY: the slot owned the reference and no longer does.
            drop(unsafe { Ref::owned(old) });
        }
    }

    /// Holds `value` in a slot that is empty, as those of a fresh object are.
    #[inline]
    pub fn fill(&self, value: Ref) {
        debug_assert!(!self.is_some());
        self.0.set(value.into_ptr());
    }

    /// Holds `value`, or nothing.
    #[inline]
    pub fn put(&self, value: Option<Ref>) {
        match value {
            Some(value) => self.set(value),
            None => drop(self.take()),
        }
    }

    /// Calls `visit` for what is held, for a `tp_traverse`.
    ///
    /// # Safety
    /// `visit` and `arg` are those the collector passed in.
    #[inline]
    pub unsafe fn traverse(
        &self,
        visit: ffi::visitproc,
        arg: *mut std::ffi::c_void,
    ) -> std::ffi::c_int {
        let object = self.0.get();
        if object.is_null() {
            return 0;
        }
        // SAFETY: by the caller's contract; the slot keeps the object alive.
        unsafe { visit(object, arg) }
    }
}
