//! Where our own fields begin inside a native Task or Future, and the few words of the base object that
//! C code may read although the base is never initialised.
//!
//! A native object is `[base: _asyncio.Task or _asyncio.Future, all zero][our body]`. The body of both
//! kinds starts at the same offset, so that "a future or a task" needs no case distinction.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use pyo3::ffi;

use crate::imports::imports;
use crate::native::{Ref, Result, raise_text};
use crate::statics::GilCell;

use super::source;

/// Offset of our body: the size of `_asyncio.Task` in this version of CPython.
#[cfg(all(Py_3_11, not(Py_3_13)))]
pub const BODY: usize = 176;
/// Offset of our body: the size of `_asyncio.Task` in this version of CPython.
#[cfg(all(Py_3_13, not(Py_3_14)))]
pub const BODY: usize = 144;
/// Offset of our body: the size of `_asyncio.Task` in this version of CPython.
#[cfg(Py_3_14)]
pub const BODY: usize = 168;

/// Offsets of base words, zero where a word was not found. The first three own a reference in every task that
/// was initialised.
#[derive(Clone, Copy, Default)]
pub struct BaseWords {
    /// The coroutine: `Task.get_coro` called unbound counts a reference to it without looking.
    pub coro: usize,
    /// The context: likewise `Task.get_context`.
    pub context: usize,
    /// The name: external readers of 3.14 follow it without looking.
    #[cfg_attr(not(Py_3_14), allow(dead_code))]
    pub name: usize,
    /// The byte that tells external readers of 3.14 that a future is a task.
    pub is_task: usize,
}

static WORDS: GilCell<BaseWords> = GilCell::new(BaseWords {
    coro: 0,
    context: 0,
    name: 0,
    is_task: 0,
});

/// Size of `_asyncio.Future`, whose fields are the first of `_asyncio.Task` as well.
#[cfg(Py_3_14)]
pub const FUTURE_BASE: usize = 112;

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
        coro: find_word(&specimen.task, specimen.coro.as_ptr()),
        context: find_word(&specimen.task, specimen.context.as_ptr()),
        name: find_word(&specimen.task, specimen.name.as_ptr()),
        is_task: specimen.find_is_task(),
    });
    crate::compat::stop_iteration::probe(&specimen.future)?;
    specimen.discard()
}

/// The offset of the one word of the base object that is `value`, or zero.
pub fn find_word(object: &Ref, value: *mut ffi::PyObject) -> usize {
    let head = size_of::<ffi::PyObject>();
    let size = BODY.min(basic_size(object));
    let hits: Vec<usize> = (head..size)
        .step_by(size_of::<usize>())
        // SAFETY: reads words within the live object.
        .filter(|offset| unsafe { *base_word(object.as_ptr(), *offset) } == value)
        .collect();
    if let [only] = hits[..] { only } else { 0 }
}

fn basic_size(object: &Ref) -> usize {
    // SAFETY: a live type.
    unsafe { (*object.type_ptr()).tp_basicsize as usize }
}

/// The word at an offset of an object.
///
/// # Safety
/// The object has a word there.
#[inline]
pub unsafe fn base_word(object: *mut ffi::PyObject, offset: usize) -> *mut *mut ffi::PyObject {
    // SAFETY: by the caller's contract.
    unsafe { object.cast::<u8>().add(offset).cast() }
}

/// Marks a native task as one, for external readers.
#[inline]
pub fn mark_as_task(task: &Ref) {
    let offset = WORDS.get().is_task;
    if offset != 0 {
        // SAFETY: the offset lies within the base of every native task.
        unsafe { *task.as_ptr().cast::<u8>().add(offset) = 1 }
    }
}

/// A stock task made of known objects.
struct Specimen {
    task: Ref,
    /// A stock future of the same loop, to see what is different.
    future: Ref,
    coro: Ref,
    context: Ref,
    name: Ref,
}

const SPECIMEN: &std::ffi::CStr = c"
import contextvars
from _asyncio import Future, Task

class Loop:
    def get_debug(self): return False
    def call_soon(self, *args, **kwargs): pass
    def call_exception_handler(self, context): pass

async def nothing(): pass

coro = nothing()
context = contextvars.copy_context()
loop = Loop()
future = Future(loop=loop)
task = Task(coro, loop=loop, name='roundelay layout probe', context=context)
task._log_destroy_pending = False
name = task.get_name()
";

impl Specimen {
    fn make() -> Result<Self> {
        let globals = source::run(SPECIMEN, c"<roundelay layout probe>")?;
        let item = |name| source::item(&globals, name);
        Ok(Self {
            task: item(c"task"),
            future: item(c"future"),
            coro: item(c"coro"),
            context: item(c"context"),
            name: item(c"name"),
        })
    }

    /// The one byte of the common fields, pointers aside, that is one in a task and zero in a future.
    #[cfg(Py_3_14)]
    fn find_is_task(&self) -> usize {
        // SAFETY: both are live stock objects with at least these fields.
        let byte = |object: &Ref, at: usize| unsafe { *object.as_ptr().cast::<u8>().add(at) };
        let hits: Vec<usize> = (FUTURE_BASE - size_of::<usize>()..FUTURE_BASE)
            .filter(|at| byte(&self.task, *at) == 1 && byte(&self.future, *at) == 0)
            .collect();
        if let [only] = hits[..] { only } else { 0 }
    }

    /// Nobody looks in these versions.
    #[cfg(not(Py_3_14))]
    fn find_is_task(&self) -> usize {
        0
    }

    fn discard(self) -> Result<()> {
        self.coro
            .call_method(&crate::native::string("close")?, [])?;
        Ok(())
    }
}

/// Puts an object into a base word that was found, for C code that reads it unasked. The word owns its
/// reference: `asyncio.Task.get_name(task)` and others replace it, and drop what was there.
#[inline]
pub fn set_base_word(task: &Ref, offset: usize, value: &Ref) {
    if offset != 0 {
        // SAFETY: the offset lies within the base of every native task.
        let word = unsafe { &mut *base_word(task.as_ptr(), offset) };
        let old = std::mem::replace(word, value.clone().into_ptr());
        if !old.is_null() {
            // SAFETY: the word owned it and no longer does.
            drop(unsafe { Ref::owned(old) });
        }
    }
}

impl BaseWords {
    /// Those that own a reference in a task.
    #[inline]
    fn owning(&self) -> [usize; 3] {
        [self.coro, self.context, self.name]
    }
}

/// Visits what the base words refer to.
///
/// # Safety
/// Called from `tp_traverse` of a native task.
#[inline]
pub unsafe fn traverse_base_words(
    task: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    for offset in WORDS.get().owning() {
        if offset == 0 {
            continue;
        }
        // SAFETY: the offset lies within the base; the word owns a reference unless it is null.
        let status = unsafe {
            match *base_word(task, offset) {
                object if object.is_null() => 0,
                object => visit(object, arg),
            }
        };
        if status != 0 {
            return status;
        }
    }
    0
}

/// Empties the base words of a task that is about to be freed.
#[inline]
pub fn release_base_words(task: &Ref) {
    for offset in WORDS.get().owning() {
        if offset != 0 {
            // SAFETY: as in `set_base_word`.
            unsafe {
                let old = std::mem::replace(&mut *base_word(task.as_ptr(), offset), null_mut());
                ffi::Py_XDECREF(old);
            }
        }
    }
}
