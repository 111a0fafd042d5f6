//! Calling into Python: attribute access, calls, exceptions. Safe functions over [`Ref`].

use std::ffi::CStr;
use std::ptr;

use pyo3::ffi;

use super::refs::{Raised, Ref, Result};

impl Ref {
    /// `self.name`
    pub fn getattr(&self, name: &Ref) -> Result<Ref> {
        // SAFETY: both are live; the result is a new reference or null.
        unsafe { Ref::owned_or_raised(ffi::PyObject_GetAttr(self.as_ptr(), name.as_ptr())) }
    }

    /// `self.name`, or nothing if there is no such attribute.
    pub fn getattr_opt(&self, name: &Ref) -> Result<Option<Ref>> {
        let mut found = ptr::null_mut();
        // SAFETY: both are live; `found` receives a new reference or null.
        let status =
            unsafe { crate::compat::get_optional_attr(self.as_ptr(), name.as_ptr(), &mut found) };
        if status < 0 {
            return Err(Raised);
        }
        // SAFETY: a new reference if not null.
        Ok((!found.is_null()).then(|| unsafe { Ref::owned(found) }))
    }

    /// `self.name = value`
    pub fn setattr(&self, name: &Ref, value: &Ref) -> Result<()> {
        // SAFETY: all three are live.
        check(unsafe { ffi::PyObject_SetAttr(self.as_ptr(), name.as_ptr(), value.as_ptr()) })
    }

    /// `self(*args)`
    #[inline]
    pub fn call<const N: usize>(&self, args: [&Ref; N]) -> Result<Ref> {
        // SAFETY: `&Ref` arrays are copied to pointers; all are live during the call.
        unsafe {
            let mut stack = [ptr::null_mut(); 8];
            for (place, arg) in stack[1..].iter_mut().zip(args) {
                *place = arg.as_ptr();
            }
            Ref::owned_or_raised(ffi::PyObject_Vectorcall(
                self.as_ptr(),
                stack.as_ptr().add(1),
                N | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                ptr::null_mut(),
            ))
        }
    }

    /// `self(*args, name=value)`; `names` is a tuple with the one name.
    pub fn call_kw<const N: usize>(
        &self,
        args: [&Ref; N],
        names: &Ref,
        value: &Ref,
    ) -> Result<Ref> {
        // SAFETY: as in `call`; the keyword's value follows the positional arguments.
        unsafe {
            let mut stack = [ptr::null_mut(); 8];
            for (place, arg) in stack[1..].iter_mut().zip(args) {
                *place = arg.as_ptr();
            }
            stack[N + 1] = value.as_ptr();
            Ref::owned_or_raised(ffi::PyObject_Vectorcall(
                self.as_ptr(),
                stack.as_ptr().add(1),
                N | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                names.as_ptr(),
            ))
        }
    }

    /// `self(*args, **kwargs)` with a tuple and maybe a dict.
    pub fn call_tuple(&self, args: &Ref, kwargs: Option<&Ref>) -> Result<Ref> {
        let kwargs = kwargs.map_or(ptr::null_mut(), Ref::as_ptr);
        // SAFETY: `args` is a tuple by the callers' construction.
        unsafe { Ref::owned_or_raised(ffi::PyObject_Call(self.as_ptr(), args.as_ptr(), kwargs)) }
    }

    /// `self.name(*args)`
    #[inline]
    pub fn call_method<const N: usize>(&self, name: &Ref, args: [&Ref; N]) -> Result<Ref> {
        // SAFETY: as in `call`; the receiver is the first argument.
        unsafe {
            let mut stack = [ptr::null_mut(); 9];
            stack[1] = self.as_ptr();
            for (place, arg) in stack[2..].iter_mut().zip(args) {
                *place = arg.as_ptr();
            }
            Ref::owned_or_raised(ffi::PyObject_VectorcallMethod(
                name.as_ptr(),
                stack.as_ptr().add(1),
                (N + 1) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                ptr::null_mut(),
            ))
        }
    }

    /// `bool(self)`
    pub fn truthy(&self) -> Result<bool> {
        // SAFETY: live.
        match unsafe { ffi::PyObject_IsTrue(self.as_ptr()) } {
            -1 => Err(Raised),
            value => Ok(value != 0),
        }
    }

    /// `self == other`
    pub fn equals(&self, other: &Ref) -> Result<bool> {
        // SAFETY: both live.
        match unsafe { ffi::PyObject_RichCompareBool(self.as_ptr(), other.as_ptr(), ffi::Py_EQ) } {
            -1 => Err(Raised),
            value => Ok(value != 0),
        }
    }

    /// `isinstance(self, cls)` for exception classes given as a live class or tuple.
    pub fn is_exception_of(&self, class: *mut ffi::PyObject) -> bool {
        // SAFETY: both live.
        unsafe { ffi::PyErr_GivenExceptionMatches(self.as_ptr(), class) != 0 }
    }

    /// Whether this is an instance of `BaseException`.
    pub fn is_exception(&self) -> bool {
        // SAFETY: live.
        unsafe { ffi::PyExceptionInstance_Check(self.as_ptr()) != 0 }
    }

    /// The value as a float, as `float(self)` for real numbers.
    pub fn to_f64(&self) -> Result<f64> {
        // SAFETY: live.
        let value = unsafe { ffi::PyFloat_AsDouble(self.as_ptr()) };
        if value == -1.0 && raised() {
            return Err(Raised);
        }
        Ok(value)
    }

    /// Whether the collector tracks the object.
    pub fn is_tracked(&self) -> bool {
        // SAFETY: live.
        unsafe { ffi::PyObject_GC_IsTracked(self.as_ptr()) != 0 }
    }
}

/// A C status: zero or an exception.
#[inline]
pub fn check(status: std::ffi::c_int) -> Result<()> {
    if status < 0 { Err(Raised) } else { Ok(()) }
}

/// Whether an exception is set.
pub fn raised() -> bool {
    // SAFETY: callers are attached.
    unsafe { !ffi::PyErr_Occurred().is_null() }
}

/// Whether what was raised is a `SystemExit` or a `KeyboardInterrupt`.
pub fn ends_the_program() -> bool {
    // SAFETY: static exception classes; an exception is set by the callers.
    unsafe {
        ffi::PyErr_ExceptionMatches(ffi::PyExc_SystemExit) != 0
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyboardInterrupt) != 0
    }
}

/// Whether what was raised is an `OSError`.
pub fn is_os_error() -> bool {
    // SAFETY: a static exception class; an exception is set by the callers.
    unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_OSError) != 0 }
}

/// Sets `class(text)` as the exception.
pub fn raise<T>(class: *mut ffi::PyObject, text: &CStr) -> Result<T> {
    // SAFETY: `class` is a live exception class; `text` ends with a null byte.
    unsafe { ffi::PyErr_SetString(class, text.as_ptr()) };
    Err(Raised)
}

/// Sets `class(text)` as the exception, for a text made at run time.
pub fn raise_text<T>(class: *mut ffi::PyObject, text: &str) -> Result<T> {
    let text = string(text)?;
    // SAFETY: `class` is a live exception class.
    unsafe { ffi::PyErr_SetObject(class, text.as_ptr()) };
    Err(Raised)
}

/// Sets `exception` as the current exception.
pub fn raise_object<T>(exception: Ref) -> Result<T> {
    crate::compat::set_raised(exception);
    Err(Raised)
}

/// Sets `exception` as the current exception, as `raise` does: what is being handled becomes its context.
pub fn raise_chained<T>(exception: Ref) -> Result<T> {
    // SAFETY: a live exception and its class.
    unsafe { ffi::PyErr_SetObject(exception.type_ptr().cast(), exception.as_ptr()) };
    Err(Raised)
}

/// `raise exception from cause`
pub fn raise_from<T>(exception: Ref, cause: &Ref) -> Result<T> {
    let given = if cause.is_none() {
        ptr::null_mut()
    } else {
        cause.clone().into_ptr()
    };
    // SAFETY: a live exception; the cause steals one reference, null means that there is none.
    unsafe { ffi::PyException_SetCause(exception.as_ptr(), given) };
    raise_chained(exception)
}

/// Takes the current exception, normalised and with its traceback attached.
pub fn take_raised() -> Option<Ref> {
    crate::compat::take_raised()
}

/// Reports the current exception as unraisable, with `object` as where it happened.
pub fn write_unraisable(object: &Ref) {
    // SAFETY: an exception is set by the callers' contract; `object` is live.
    unsafe { ffi::PyErr_WriteUnraisable(object.as_ptr()) };
}

/// Runs `work` with the current exception put aside, and brings it back afterwards.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    let pending = take_raised();
    let result = work();
    if let Some(pending) = pending {
        crate::compat::set_raised(pending);
    }
    result
}

/// Runs `work` as if inside `except exception:`, so that it is what `sys.exc_info()` shows.
///
/// Each Python frame that is running keeps what it handles itself. The interpreter tells of the innermost one
/// that handles anything, and sets that of the innermost one of all. The two need not be the same, and a frame
/// that was made to handle what another does would go on doing so when it is resumed without the other.
pub fn while_handling<T>(exception: &Ref, work: impl FnOnce() -> T) -> T {
    // SAFETY: attached.
    let handled = unsafe { handled_exception() };
    let mut own = None;
    if let Some(handled) = handled {
        // SAFETY: attached; a static of the interpreter.
        let outer = unsafe {
            ffi::PyErr_SetHandledException(ffi::Py_None());
            handled_exception()
        };
        // What still shows is an outer frame's.
        let is_outer = outer.is_some_and(|outer| outer.is(&handled));
        own = (!is_outer).then_some(handled);
    }
    // SAFETY: attached; live objects, of which the interpreter takes references of its own.
    unsafe {
        ffi::PyErr_SetHandledException(exception.as_ptr());
        let result = work();
        ffi::PyErr_SetHandledException(own.as_ref().map_or(ffi::Py_None(), Ref::as_ptr));
        result
    }
}

/// The exception that is being handled, if any.
///
/// # Safety
/// The caller is attached.
unsafe fn handled_exception() -> Option<Ref> {
    // SAFETY: by the caller's contract; a new reference, null or `None`.
    unsafe {
        let handled = ffi::PyErr_GetHandledException();
        let handled = (!handled.is_null()).then(|| Ref::owned(handled));
        handled.filter(|handled| !handled.is_none())
    }
}

/// Whether the thread is inside an `except` or `finally` that handles an exception.
#[cfg(Py_3_12)]
#[inline]
pub fn is_handling() -> bool {
    // SAFETY: attached.
    unsafe { handled_exception() }.is_some()
}

/// Leaves a context that this thread entered; `failed` says that an exception is set, which survives.
#[inline]
pub fn leave_context(context: &Ref, failed: bool) {
    // SAFETY: a live context. Leaving fails only if user code left it behind our back; then there is
    // nothing to leave.
    let leave = || unsafe {
        if ffi::PyContext_Exit(context.as_ptr()) < 0 {
            ffi::PyErr_Clear();
        }
    };
    if failed { aside(leave) } else { leave() }
}

/// A new `str`.
pub fn string(text: &str) -> Result<Ref> {
    // SAFETY: pointer and length of a Rust string.
    unsafe {
        Ref::owned_or_raised(ffi::PyUnicode_FromStringAndSize(
            text.as_ptr().cast(),
            text.len() as _,
        ))
    }
}

/// A new `float`.
pub fn float(value: f64) -> Result<Ref> {
    // SAFETY: callers are attached.
    unsafe { Ref::owned_or_raised(ffi::PyFloat_FromDouble(value)) }
}

/// A new `int`.
pub fn integer(value: u64) -> Result<Ref> {
    // SAFETY: callers are attached.
    unsafe { Ref::owned_or_raised(ffi::PyLong_FromUnsignedLongLong(value)) }
}

/// The value of an `int`, be it of an enumeration, if it is not too large.
pub fn int_value(object: &Ref) -> Option<i64> {
    let mut overflow = 0;
    // SAFETY: an `int`, of which nothing is raised.
    unsafe {
        if ffi::PyLong_Check(object.as_ptr()) == 0 {
            return None;
        }
        let value = ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &mut overflow);
        (overflow == 0).then_some(value)
    }
}

/// A new tuple of the given items.
pub fn tuple(items: &[&Ref]) -> Result<Ref> {
    // SAFETY: a fresh tuple is filled with owned references before anyone sees it.
    unsafe {
        let tuple = Ref::owned_or_raised(ffi::PyTuple_New(items.len() as _))?;
        for (place, item) in items.iter().enumerate() {
            ffi::PyTuple_SET_ITEM(tuple.as_ptr(), place as _, (*item).clone().into_ptr());
        }
        Ok(tuple)
    }
}

/// The items of a tuple.
pub fn items(tuple: &Ref) -> Vec<Ref> {
    // SAFETY: a tuple by the callers' construction; its items are counted at once.
    unsafe {
        (0..ffi::PyTuple_GET_SIZE(tuple.as_ptr()))
            .map(|place| Ref::borrowed(ffi::PyTuple_GET_ITEM(tuple.as_ptr(), place)))
            .collect()
    }
}

/// A new list of the given items, whose references move into it.
pub fn list(items: Vec<Ref>) -> Result<Ref> {
    // SAFETY: a fresh list is filled with owned references before anyone sees it.
    unsafe {
        let list = Ref::owned_or_raised(ffi::PyList_New(items.len() as _))?;
        for (place, item) in items.into_iter().enumerate() {
            ffi::PyList_SET_ITEM(list.as_ptr(), place as _, item.into_ptr());
        }
        Ok(list)
    }
}

/// A new dict of string keys.
pub fn dict(items: &[(&CStr, &Ref)]) -> Result<Ref> {
    // SAFETY: live values, keys that end with a null byte.
    unsafe {
        let dict = Ref::owned_or_raised(ffi::PyDict_New())?;
        for (key, value) in items {
            check(ffi::PyDict_SetItemString(
                dict.as_ptr(),
                key.as_ptr(),
                value.as_ptr(),
            ))?;
        }
        Ok(dict)
    }
}

/// `repr(object)` as a Rust string.
pub fn repr(object: &Ref) -> Result<String> {
    // SAFETY: live; the text is copied out before the string object goes.
    unsafe {
        let text = Ref::owned_or_raised(ffi::PyObject_Repr(object.as_ptr()))?;
        text_of(&text)
    }
}

/// The text of a `str`.
pub fn text_of(object: &Ref) -> Result<String> {
    let mut size = 0;
    // SAFETY: live; the buffer belongs to the string object and is copied at once.
    unsafe {
        let data = ffi::PyUnicode_AsUTF8AndSize(object.as_ptr(), &mut size);
        if data.is_null() {
            return Err(Raised);
        }
        let bytes = std::slice::from_raw_parts(data.cast::<u8>(), size as usize);
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// `import name`
pub fn import(name: &CStr) -> Result<Ref> {
    // SAFETY: the name ends with a null byte.
    unsafe { Ref::owned_or_raised(ffi::PyImport_ImportModule(name.as_ptr())) }
}

impl Ref {
    /// `contextvars.copy_context()`
    #[inline]
    pub fn copied_context() -> Result<Ref> {
        // SAFETY: callers are attached; a new reference or null.
        unsafe { Ref::owned_or_raised(ffi::PyContext_CopyCurrent()) }
    }
}
