//! Building heap types from tables of slots, methods and attributes.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use pyo3::ffi;

use super::refs::{Raised, Ref, Result};

/// A type in the making. The tables live as long as the process, as CPython wants them to.
pub struct TypeBuilder {
    name: &'static CStr,
    size: usize,
    flags: std::ffi::c_ulong,
    slots: Vec<ffi::PyType_Slot>,
    methods: Vec<ffi::PyMethodDef>,
    attributes: Vec<ffi::PyGetSetDef>,
    members: Vec<ffi::PyMemberDef>,
    /// See [`TypeBuilder::like_python_class`].
    like_python_class: bool,
}

impl TypeBuilder {
    /// A type called `module.Name`, whose instances take `size` bytes.
    pub fn new(name: &'static CStr, size: usize) -> Self {
        Self {
            name,
            size,
            flags: ffi::Py_TPFLAGS_DEFAULT,
            slots: vec![],
            methods: vec![],
            attributes: vec![],
            members: vec![],
            like_python_class: false,
        }
    }

    /// Adds type flags.
    pub fn flags(mut self, flags: std::ffi::c_ulong) -> Self {
        self.flags |= flags;
        self
    }

    /// Sets one slot; a later one takes the place of an earlier one.
    pub fn slot(mut self, (slot, function): (c_int, *mut c_void)) -> Self {
        self.slots.retain(|earlier| earlier.slot != slot);
        self.slots.push(ffi::PyType_Slot {
            slot,
            pfunc: function,
        });
        self
    }

    /// Sets the documentation.
    pub fn doc(self, doc: &'static CStr) -> Self {
        self.slot((ffi::Py_tp_doc, doc.as_ptr() as *mut c_void))
    }

    /// Adds methods; a later one takes the place of an earlier one with the same name (CPython would keep
    /// the earlier).
    pub fn methods(mut self, methods: impl IntoIterator<Item = ffi::PyMethodDef>) -> Self {
        for method in methods {
            self.methods
                .retain(|earlier| !same_name(earlier.ml_name, method.ml_name));
            self.methods.push(method);
        }
        self
    }

    /// Adds attributes; a later one takes the place of an earlier one with the same name.
    pub fn attributes(mut self, attributes: impl IntoIterator<Item = ffi::PyGetSetDef>) -> Self {
        for attribute in attributes {
            self.attributes
                .retain(|earlier| !same_name(earlier.name, attribute.name));
            self.attributes.push(attribute);
        }
        self
    }

    /// Adds members: fields that the interpreter knows of. It visits, clears and drops those that are
    /// objects, unless the type does so itself.
    pub fn members(mut self, members: impl IntoIterator<Item = ffi::PyMemberDef>) -> Self {
        self.members.extend(members);
        self
    }

    /// Lets instances be referred to weakly: `offset` is that of a [`WeakList`] in them.
    pub fn weakly_referable(self, offset: usize) -> Self {
        self.members([ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset as _,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        }])
    }

    /// Lets instances be called: `offset` is that of their `Option<ffi::vectorcallfunc>`.
    pub fn called_at(self, offset: usize) -> Self {
        self.flags(ffi::Py_TPFLAGS_HAVE_VECTORCALL)
            .slot((ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void))
            .members([ffi::PyMemberDef {
                name: c"__vectorcalloffset__".as_ptr(),
                type_code: ffi::Py_T_PYSSIZET,
                offset: offset as _,
                flags: ffi::Py_READONLY,
                doc: ptr::null(),
            }])
    }

    /// Has the type pass for one that is written in Python: messages of the interpreter call it by its name
    /// without the module, its methods are functions where those of its base are, and no Python code finds
    /// its members.
    pub fn like_python_class(mut self) -> Self {
        self.like_python_class = true;
        self
    }

    /// Sets `tp_dealloc`, `tp_traverse` and `tp_clear`, and the collector's flag.
    pub fn collected(
        self,
        dealloc: ffi::destructor,
        traverse: ffi::traverseproc,
        clear: ffi::inquiry,
    ) -> Self {
        self.flags(ffi::Py_TPFLAGS_HAVE_GC)
            .slot((ffi::Py_tp_dealloc, dealloc as *mut c_void))
            .slot((ffi::Py_tp_traverse, traverse as *mut c_void))
            .slot((ffi::Py_tp_clear, clear as *mut c_void))
    }

    /// Makes the type, deriving from `base` if there is one. It lives as long as the process.
    ///
    /// `base` may be a tuple of bases.
    pub fn build(mut self, base: Option<&Ref>) -> Result<Ref> {
        let methods: Vec<_> = self.methods.clone();
        if !self.methods.is_empty() {
            // SAFETY: an all-null entry ends the table.
            self.methods.push(unsafe { std::mem::zeroed() });
            let table = Box::leak(self.methods.into_boxed_slice());
            self.slots.push(ffi::PyType_Slot {
                slot: ffi::Py_tp_methods,
                pfunc: table.as_mut_ptr().cast(),
            });
        }
        if !self.attributes.is_empty() {
            // SAFETY: an all-null entry ends the table.
            self.attributes.push(unsafe { std::mem::zeroed() });
            let table = Box::leak(self.attributes.into_boxed_slice());
            self.slots.push(ffi::PyType_Slot {
                slot: ffi::Py_tp_getset,
                pfunc: table.as_mut_ptr().cast(),
            });
        }
        let hidden: Vec<_> = self.members.iter().map(|member| member.name).collect();
        if !self.members.is_empty() {
            // SAFETY: an all-null entry ends the table.
            self.members.push(unsafe { std::mem::zeroed() });
            let table = Box::leak(self.members.into_boxed_slice());
            self.slots.push(ffi::PyType_Slot {
                slot: ffi::Py_tp_members,
                pfunc: table.as_mut_ptr().cast(),
            });
        }
        self.slots.push(ffi::PyType_Slot {
            slot: 0,
            pfunc: ptr::null_mut(),
        });
        let slots = Box::leak(self.slots.into_boxed_slice());
        let mut spec = ffi::PyType_Spec {
            name: self.name.as_ptr(),
            basicsize: self.size as c_int,
            itemsize: 0,
            flags: self.flags as std::ffi::c_uint,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the spec and its tables are complete; the tables are never freed.
        unsafe {
            let bases = base.map_or(ptr::null_mut(), Ref::as_ptr);
            let class = Ref::owned_or_raised(ffi::PyType_FromSpecWithBases(&mut spec, bases))?;
            // Statics name the type from now on, so it must outlive every collection.
            std::mem::forget(class.clone());
            if self.like_python_class {
                let name = self.name.to_bytes_with_nul();
                let start = name.iter().rposition(|byte| *byte == b'.');
                (*type_of_class(&class)).tp_name =
                    name[start.map_or(0, |dot| dot + 1)..].as_ptr().cast();
                for member in hidden {
                    super::call::check(ffi::PyObject_DelAttrString(class.as_ptr(), member))?;
                }
                super::method::like_functions(&class, &methods)?;
            }
            Ok(class)
        }
    }
}

/// Gives a class its own copies of methods that it inherits, but for those that it overrides.
///
/// The interpreter calls a method of a built-in class without a detour only on instances of exactly the class
/// that has it.
pub fn repeat_methods(class: &Ref, methods: Vec<ffi::PyMethodDef>) -> Result<()> {
    let dict = class.getattr(&super::call::string("__dict__")?)?;
    for definition in Box::leak(methods.into_boxed_slice()) {
        // SAFETY: the definition is never freed; live objects.
        unsafe {
            let name = CStr::from_ptr(definition.ml_name);
            if ffi::PyMapping_HasKeyString(dict.as_ptr(), name.as_ptr()) != 0 {
                continue;
            }
            let method = ffi::PyDescr_NewMethod(type_of_class(class), definition);
            set_type_attribute(class, name, &Ref::owned_or_raised(method)?)?;
        }
    }
    Ok(())
}

fn same_name(a: *const c_char, b: *const c_char) -> bool {
    // SAFETY: names in our tables are static texts that end with a null byte.
    unsafe { CStr::from_ptr(a) == CStr::from_ptr(b) }
}

/// The weak references to an object, of which the interpreter keeps account. All zero bytes are none.
#[repr(transparent)]
pub struct WeakList(Cell<*mut ffi::PyObject>);

impl WeakList {
    /// Has the weak references find nothing any more.
    ///
    /// # Safety
    /// Called in `tp_dealloc` of `object`, whose list this is, before its fields are cleared.
    #[inline]
    pub unsafe fn clear(&self, object: *mut ffi::PyObject) {
        if !self.0.get().is_null() {
            // SAFETY: by the caller's contract.
            unsafe { ffi::PyObject_ClearWeakRefs(object) };
        }
    }
}

/// The type object behind a reference to a class.
pub fn type_of_class(class: &Ref) -> *mut ffi::PyTypeObject {
    class.as_ptr().cast()
}

/// Sets an attribute of a type that is still being set up.
pub fn set_type_attribute(class: &Ref, name: &CStr, value: &Ref) -> Result<()> {
    // SAFETY: all live.
    if unsafe { ffi::PyObject_SetAttrString(class.as_ptr(), name.as_ptr(), value.as_ptr()) } < 0 {
        return Err(Raised);
    }
    Ok(())
}
