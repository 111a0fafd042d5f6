//! The C functions behind methods of built-in types, for calling them without the interpreter's detour.
//! A method that takes its arguments in another form than expected is not found here, and is then called
//! as any Python code would call it.

use std::ffi::c_int;

use pyo3::ffi;

use crate::native::{Ref, Result, string};
use crate::statics::GilCell;

/// A method of a built-in type that takes one argument or none.
pub struct BuiltinMethod(GilCell<Option<ffi::PyCFunction>>);

impl BuiltinMethod {
    /// A method that is not looked up yet.
    pub const fn unset() -> Self {
        Self(GilCell::new(None))
    }

    /// Looks the method `name` up in an instance of the type, and keeps it if it takes one argument.
    pub fn find_with_one_argument(&self, instance: &Ref, name: &str) -> Result<()> {
        self.find(instance, name, ffi::METH_O)
    }

    /// Looks the method `name` up in an instance of the type, and keeps it if it takes no argument.
    pub fn find_without_argument(&self, instance: &Ref, name: &str) -> Result<()> {
        self.find(instance, name, ffi::METH_NOARGS)
    }

    fn find(&self, instance: &Ref, name: &str, form: c_int) -> Result<()> {
        let method = instance.getattr(&string(name)?)?;
        let is_builtin = method.is_exact(&raw mut ffi::PyCFunction_Type);
        // SAFETY: a live built-in method has flags and a function.
        unsafe {
            if is_builtin && ffi::PyCFunction_GetFlags(method.as_ptr()) == form {
                self.0.set(ffi::PyCFunction_GetFunction(method.as_ptr()));
            }
        }
        Ok(())
    }

    /// `object.method(argument)`, or nothing if there is no such function.
    ///
    /// # Safety
    /// `object` is an instance of exactly the type in which the method was found. There is an argument if
    /// the method takes one.
    #[inline]
    pub unsafe fn call(&self, object: &Ref, argument: Option<&Ref>) -> Option<Result<Ref>> {
        let function = self.0.get()?;
        let argument = argument.map_or(std::ptr::null_mut(), Ref::as_ptr);
        // SAFETY: by the caller's contract this is how the interpreter itself calls the function.
        Some(unsafe { Ref::owned_or_raised(function(object.as_ptr(), argument)) })
    }
}
