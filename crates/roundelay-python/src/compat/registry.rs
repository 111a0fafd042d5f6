//! Which tasks exist, for `asyncio.all_tasks()`.
//!
//! Up to 3.13 asyncio keeps a `WeakSet`, which costs about half a microsecond a task. Native tasks are
//! linked into a list of our own instead, and the package presents that list and the `WeakSet` as one:
//! it stands where `all_tasks` looks. From 3.14 on the interpreter has such a list itself.

use crate::native::{Ref, Result};
use crate::statics::{GilCell, Once};
use crate::task::body;

#[cfg(Py_3_14)]
pub use interpreter_list::*;
#[cfg(not(Py_3_14))]
pub use linked::*;

#[cfg(not(Py_3_14))]
mod linked {
    use super::*;
    use pyo3::ffi;
    use std::ptr::null_mut;

    /// Newest task of the list.
    static NEWEST: GilCell<*mut ffi::PyObject> = GilCell::new(null_mut());

    /// Nothing to find in this version.
    pub fn probe(_task_class: &Ref) -> Result<()> {
        Ok(())
    }

    /// Links a new task.
    #[inline]
    pub fn register(task: &Ref) -> Result<()> {
        let links = &body(task).links;
        if is_registered(task) {
            return Ok(());
        }
        let older = NEWEST.get();
        links.older.set(older);
        links.newer.set(task.as_ptr());
        if !older.is_null() {
            // SAFETY: a linked task is alive: it is unlinked before it dies.
            body(unsafe { Ref::view(&older) })
                .links
                .newer
                .set(task.as_ptr());
        }
        NEWEST.set(task.as_ptr());
        Ok(())
    }

    /// Whether the task is in the list.
    #[inline]
    pub fn is_registered(task: &Ref) -> bool {
        !body(task).links.newer.get().is_null()
    }

    /// Unlinks a task that is done or dying.
    #[inline]
    pub fn unregister(task: &Ref) {
        let links = &body(task).links;
        let (older, newer) = (
            links.older.replace(null_mut()),
            links.newer.replace(null_mut()),
        );
        if newer.is_null() {
            return;
        }
        let is_newest = newer == task.as_ptr();
        if !older.is_null() {
            // SAFETY: as in `register`.
            let older = unsafe { Ref::view(&older) };
            let newer = if is_newest { older.as_ptr() } else { newer };
            body(older).links.newer.set(newer);
        }
        if is_newest {
            NEWEST.set(older);
        } else {
            // SAFETY: as in `register`.
            body(unsafe { Ref::view(&newer) }).links.older.set(older);
        }
    }

    /// Unlinks a task in its `tp_dealloc`.
    pub fn unregister_dying(task: &Ref) {
        unregister(task);
    }

    /// Nobody reads the base object's name in these versions.
    #[inline]
    pub fn number_task(_task: &Ref, _number: u64) -> Result<()> {
        Ok(())
    }

    /// Nobody reads the base object's name in these versions.
    pub fn name_task(_task: &Ref, _name: &Ref) {}

    /// All linked tasks, oldest first.
    pub fn snapshot() -> Vec<Ref> {
        let mut tasks = Vec::new();
        let mut at = NEWEST.get();
        while !at.is_null() {
            // SAFETY: a linked task is alive; counting runs no code.
            let task = unsafe { Ref::borrowed(at) };
            at = body(&task).links.older.get();
            tasks.push(task);
        }
        tasks.reverse();
        tasks
    }
}

#[cfg(Py_3_14)]
mod interpreter_list {
    use super::*;
    use crate::compat::layout::{base_word, base_words, set_base_word};
    use crate::compat::thread_state::WORDS;
    use crate::native::{import, integer, string};
    use pyo3::ffi;

    /// `_asyncio._register_task` and `_asyncio._unregister_task`, used where the words were not found.
    static REGISTER: Once<Ref> = Once::new();
    static UNREGISTER: Once<Ref> = Once::new();

    /// Offset of the base object's list node (next, previous), zero if it was not found.
    static NODE: GilCell<usize> = GilCell::new(0);
    /// Offset of the list's head in the thread state.
    static HEAD: GilCell<usize> = GilCell::new(0);

    /// Finds node and head, by what `_register_task` does to two blank native tasks.
    pub fn probe(task_class: &Ref) -> Result<()> {
        let module = import(c"_asyncio")?;
        let (register, unregister) = (
            module.getattr(&string("_register_task")?)?,
            module.getattr(&string("_unregister_task")?)?,
        );
        let blank = || task_class.call_method(&string("__new__")?, [task_class]);
        let (first, second) = (blank()?, blank()?);
        register.call([&first])?;
        register.call([&second])?;
        // SAFETY: reads words within the base of live native tasks.
        unsafe {
            let hits: Vec<usize> = (size_of::<ffi::PyObject>()
                ..crate::compat::layout::BODY - size_of::<usize>())
                .step_by(size_of::<usize>())
                .filter(|at| *base_word(first.as_ptr(), *at) == second.as_ptr().byte_add(*at))
                .collect();
            if let [node] = hits[..] {
                let head = (*base_word(second.as_ptr(), node)) as usize;
                let offset = head.wrapping_sub(ffi::PyThreadState_Get() as usize);
                let back = *base_word(second.as_ptr(), node + size_of::<usize>());
                if offset < WORDS * size_of::<usize>() && back == first.as_ptr().byte_add(node) {
                    NODE.set(node);
                    HEAD.set(offset);
                }
            }
        }
        unregister.call([&first])?;
        unregister.call([&second])?;
        REGISTER.set(register);
        UNREGISTER.set(unregister);
        Ok(())
    }

    /// A node of the interpreter's list.
    #[repr(C)]
    struct Node {
        next: *mut Node,
        previous: *mut Node,
    }

    fn node_of(task: &Ref) -> *mut Node {
        // SAFETY: every native task has its node there.
        unsafe { base_word(task.as_ptr(), NODE.get()).cast() }
    }

    /// Links a new task into the list of this thread.
    #[inline]
    pub fn register(task: &Ref) -> Result<()> {
        let known = body(task).linked.replace(true);
        if NODE.get() == 0 {
            return if known {
                Ok(())
            } else {
                REGISTER.get().call([task]).map(drop)
            };
        }
        // SAFETY: the head is that of this thread's circular list; the node is not in any list. The GIL
        // serialises.
        unsafe {
            let head: *mut Node = ffi::PyThreadState_Get().byte_add(HEAD.get()).cast();
            let node = node_of(task);
            if !(*node).next.is_null() {
                return Ok(());
            }
            (*node).next = head;
            (*node).previous = (*head).previous;
            (*(*head).previous).next = node;
            (*head).previous = node;
        }
        Ok(())
    }

    /// Whether the task is in a list.
    #[inline]
    pub fn is_registered(task: &Ref) -> bool {
        body(task).linked.get()
    }

    /// Unlinks a task that is done or dying. The node itself says whether it is in a list: others may have
    /// registered the task as well, through asyncio's function.
    #[inline]
    pub fn unregister(task: &Ref) {
        let known = body(task).linked.replace(false);
        if NODE.get() == 0 {
            if known && UNREGISTER.get().call([task]).is_err() {
                drop(crate::native::take_raised());
            }
            return;
        }
        // SAFETY: the node is in a circular list, of whatever thread. The GIL serialises.
        unsafe {
            let node = node_of(task);
            if !(*node).next.is_null() {
                (*(*node).previous).next = (*node).next;
                (*(*node).next).previous = (*node).previous;
            }
            (*node).next = std::ptr::null_mut();
            (*node).previous = std::ptr::null_mut();
        }
    }

    /// Unlinks a task in its `tp_dealloc`. Where that needs a call, the finalizer has made it already.
    pub fn unregister_dying(task: &Ref) {
        if NODE.get() != 0 {
            unregister(task);
        }
    }

    /// Gives an unnamed task its number in the base object's word too, where external readers look.
    #[inline]
    pub fn number_task(task: &Ref, number: u64) -> Result<()> {
        let number = integer(number)?;
        name_task(task, &number);
        body(task).label.set_object(number);
        Ok(())
    }

    /// The name as external readers see it.
    pub fn name_task(task: &Ref, name: &Ref) {
        set_base_word(task, base_words().name, name);
    }

    /// The interpreter's own list has them all.
    pub fn snapshot() -> Vec<Ref> {
        vec![]
    }
}

/// What makes `asyncio.all_tasks()` see native tasks.
static SHOW: Once<Ref> = Once::new();

/// Whether it was called.
static SHOWN: GilCell<bool> = GilCell::new(false);

/// Takes the Python function that puts the view of native tasks in place. A native loop calls it itself.
pub fn call_before_first_stray_task(show: &Ref) {
    SHOW.set(show.clone());
}

/// A native task of a loop that is not native is about to be registered.
#[cold]
pub fn before_stray_task() -> Result<()> {
    if SHOWN.get() {
        return Ok(());
    }
    SHOW.get().call([])?;
    SHOWN.set(true);
    Ok(())
}
