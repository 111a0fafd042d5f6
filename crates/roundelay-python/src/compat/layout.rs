//! Where our own fields begin inside a native Task or Future, and the few words of the base object that
//! C code may read although the base is never initialised.
//!
//! A native object is `[base: _asyncio.Task or _asyncio.Future, all zero][our body]`. The body of both
//! kinds starts at the same offset, so that "a future or a task" needs no case distinction.

use pyo3::ffi;

use crate::imports::imports;
use crate::native::{Ref, Result, raise_text};
use crate::statics::GilCell;

/// Offset of our body: the size of `_asyncio.Task` in this version of CPython.
#[cfg(all(Py_3_11, not(Py_3_13)))]
pub const BODY: usize = 176;
/// Offset of our body: the size of `_asyncio.Task` in this version of CPython.
#[cfg(all(Py_3_13, not(Py_3_14)))]
pub const BODY: usize = 144;
/// Offset of our body: the size of `_asyncio.Task` in this version of CPython.
#[cfg(Py_3_14)]
pub const BODY: usize = 168;

/// Offsets of base words, zero where a word was not found.
#[derive(Clone, Copy, Default)]
pub struct BaseWords {
    /// The coroutine: `Task.get_coro` called unbound counts a reference to it without looking.
    pub coro: usize,
    /// The context: likewise `Task.get_context`.
    pub context: usize,
    /// The name: external readers of 3.14 follow it without looking.
    pub name: usize,
}

static WORDS: GilCell<BaseWords> = GilCell::new(BaseWords { coro: 0, context: 0, name: 0 });

/// The offsets found by [`probe`].
#[inline]
pub fn base_words() -> BaseWords {
    WORDS.get()
}

/// Checks the sizes and finds the words, by what a stock task does with known values.
pub fn probe() -> Result<()> {
    for class in [&imports().task_class, &imports().future_class] {
        // SAFETY: a class is a type object.
        let size = unsafe { (*class.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize };
        if size as usize > BODY {
            // SAFETY: a static exception class.
            return raise_text(
                unsafe { ffi::PyExc_ImportError },
                &format!(
                    "roundelay was built for a CPython whose asyncio.Task takes {BODY} bytes, this one takes {size}; \
                     install roundelay anew so that it is built for this interpreter"
                ),
            );
        }
    }
    let specimen = Specimen::make()?;
    WORDS.set(BaseWords {
        coro: specimen.find(&specimen.coro),
        context: specimen.find(&specimen.context),
        name: specimen.find(&specimen.name),
    });
    specimen.discard()
}

/// A stock task made of known objects.
struct Specimen {
    task: Ref,
    coro: Ref,
    context: Ref,
    name: Ref,
}

const SPECIMEN: &std::ffi::CStr = c"
import contextvars
from _asyncio import Task

class Loop:
    def get_debug(self): return False
    def call_soon(self, *args, **kwargs): pass
    def call_exception_handler(self, context): pass

async def nothing(): pass

coro = nothing()
context = contextvars.copy_context()
task = Task(coro, loop=Loop(), name='roundelay layout probe', context=context)
name = task.get_name()
";

impl Specimen {
    fn make() -> Result<Self> {
        // SAFETY: a fresh namespace, source text that ends with a null byte.
        unsafe {
            let globals = Ref::owned_or_raised(ffi::PyDict_New())?;
            let builtins = Ref::borrowed(ffi::PyEval_GetBuiltins());
            crate::native::check(ffi::PyDict_SetItemString(
                globals.as_ptr(),
                c"__builtins__".as_ptr(),
                builtins.as_ptr(),
            ))?;
            let code = Ref::owned_or_raised(ffi::Py_CompileString(
                SPECIMEN.as_ptr(),
                c"<roundelay layout probe>".as_ptr(),
                ffi::Py_file_input,
            ))?;
            drop(Ref::owned_or_raised(ffi::PyEval_EvalCode(code.as_ptr(), globals.as_ptr(), globals.as_ptr()))?);
            let item = |name: &std::ffi::CStr| {
                Ref::borrowed(ffi::PyDict_GetItemString(globals.as_ptr(), name.as_ptr()))
            };
            Ok(Self { task: item(c"task"), coro: item(c"coro"), context: item(c"context"), name: item(c"name") })
        }
    }

    /// The offset at which the task holds `object`, if it does so exactly once.
    fn find(&self, object: &Ref) -> usize {
        let head = size_of::<ffi::PyObject>();
        // SAFETY: reads words within the live stock task, whose size was checked by `probe`.
        let hits: Vec<usize> = unsafe {
            let size = (*self.task.type_ptr()).tp_basicsize as usize;
            (head..size)
                .step_by(size_of::<usize>())
                .filter(|offset| {
                    self.task.as_ptr().cast::<u8>().add(*offset).cast::<*mut ffi::PyObject>().read()
                        == object.as_ptr()
                })
                .collect()
        };
        if let [only] = hits[..] { only } else { 0 }
    }

    fn discard(self) -> Result<()> {
        let name = crate::native::string("_log_destroy_pending")?;
        self.task.setattr(&name, &crate::native::boolean(false))?;
        self.coro.call_method(&crate::native::string("close")?, [])?;
        Ok(())
    }
}

/// Writes a borrowed pointer into a base word that was found, for C code that reads it unasked.
///
/// # Safety
/// `object` is a native task; `value` outlives the word or is replaced before it dies.
#[inline]
pub unsafe fn write_base_word(object: *mut ffi::PyObject, offset: usize, value: *mut ffi::PyObject) {
    if offset != 0 {
        // SAFETY: the offset lies within the base object.
        unsafe { object.cast::<u8>().add(offset).cast::<*mut ffi::PyObject>().write(value) }
    }
}
