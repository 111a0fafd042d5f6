//! Which tasks exist, for `asyncio.all_tasks()`.
//!
//! Up to 3.13 asyncio keeps a `WeakSet`, which costs about half a microsecond a task. Native tasks are
//! linked into a list of our own instead, and [`view`] presents that list and the `WeakSet` as one;
//! the package puts it where `all_tasks` looks. From 3.14 on the interpreter has such a list itself.

use crate::native::{Ref, Result};
use crate::task::body;

#[cfg(not(Py_3_14))]
pub use linked::*;

#[cfg(not(Py_3_14))]
mod linked {
    use super::*;
    use crate::statics::GilCell;
    use pyo3::ffi;
    use std::ptr::null_mut;

    /// Newest task of the list.
    static NEWEST: GilCell<*mut ffi::PyObject> = GilCell::new(null_mut());

    /// Nothing to find in this version.
    pub fn probe() -> Result<()> {
        Ok(())
    }

    /// Links a new task.
    #[inline]
    pub fn register(task: &Ref) -> Result<()> {
        let links = &body(task).links;
        if links.linked.get() {
            return Ok(());
        }
        let older = NEWEST.get();
        links.older.set(older);
        links.newer.set(null_mut());
        links.linked.set(true);
        if !older.is_null() {
            // SAFETY: a linked task is alive: it is unlinked before it dies.
            body(unsafe { Ref::view(&older) }).links.newer.set(task.as_ptr());
        }
        NEWEST.set(task.as_ptr());
        Ok(())
    }

    /// Unlinks a task that is done or dying.
    #[inline]
    pub fn unregister(task: &Ref) {
        let links = &body(task).links;
        if !links.linked.replace(false) {
            return;
        }
        let (older, newer) = (links.older.get(), links.newer.get());
        if !older.is_null() {
            // SAFETY: as in `register`.
            body(unsafe { Ref::view(&older) }).links.newer.set(newer);
        }
        if newer.is_null() {
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
