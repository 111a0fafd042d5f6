//! Who awaits a future, for call graphs (3.14 and newer; nothing to do before).

#[cfg(Py_3_14)]
pub use newer::*;
#[cfg(not(Py_3_14))]
pub use older::*;

#[cfg(not(Py_3_14))]
mod older {
    use std::ffi::{c_int, c_void};

    use pyo3::ffi;

    use crate::native::{Ref, Result};

    /// Nothing to find in this version.
    pub fn probe() -> Result<()> {
        Ok(())
    }

    /// Nothing to find in this version.
    pub fn probe_words(_class: &Ref) -> Result<()> {
        Ok(())
    }

    /// Records that `waiter` awaits `future`.
    #[inline]
    pub fn add(_future: &Ref, _waiter: &Ref) -> Result<()> {
        Ok(())
    }

    /// Takes that back.
    #[inline]
    pub fn discard(_future: &Ref, _waiter: &Ref) -> Result<()> {
        Ok(())
    }

    /// Nothing to visit.
    ///
    /// # Safety
    /// None needed.
    pub unsafe fn traverse(_: *mut ffi::PyObject, _: ffi::visitproc, _: *mut c_void) -> c_int {
        0
    }

    /// Nobody records callers in these versions.
    pub fn caller(_event_loop: &Ref) -> Result<Option<Ref>> {
        Ok(None)
    }

    /// No attributes.
    pub fn attributes() -> Vec<ffi::PyGetSetDef> {
        vec![]
    }

    /// Nothing to clear.
    ///
    /// # Safety
    /// None needed.
    pub unsafe fn clear(_: *mut ffi::PyObject) {}
}

#[cfg(Py_3_14)]
mod newer {
    use std::ffi::{c_int, c_void};

    use pyo3::ffi;

    use crate::compat::current;
    use crate::compat::layout::{base_word, find_word};
    use crate::imports::imports;
    use crate::native::types::type_of_class;
    use crate::native::{Ref, Result, import, string};
    use crate::statics::{GilCell, Once};

    /// Names of the functions, in `_asyncio` and in `asyncio.futures`.
    const ADDER: &str = "future_add_to_awaited_by";
    const DISCARDER: &str = "future_discard_from_awaited_by";

    /// The functions of `_asyncio`.
    static ADD: Once<Ref> = Once::new();
    static DISCARD: Once<Ref> = Once::new();
    /// `asyncio.futures`
    static FUTURES: Once<Ref> = Once::new();

    /// Offset of the base object's word for who awaits it, zero if it was not found.
    static WORD: GilCell<usize> = GilCell::new(0);
    /// Offset of the byte that says whether the word is a set.
    static IS_SET: GilCell<usize> = GilCell::new(0);

    /// Finds the functions.
    pub fn probe() -> Result<()> {
        let module = import(c"_asyncio")?;
        ADD.set(module.getattr(&string(ADDER)?)?);
        DISCARD.set(module.getattr(&string(DISCARDER)?)?);
        FUTURES.set(import(c"asyncio.futures")?);
        Ok(())
    }

    /// Finds the words, by what the functions do to three blank native futures.
    pub fn probe_words(class: &Ref) -> Result<()> {
        let blank = || class.call_method(&string("__new__")?, [class]);
        let (awaited, first, second) = (blank()?, blank()?, blank()?);
        ADD.get().call([&awaited, &first])?;
        let word = find_word(&awaited, first.as_ptr());
        // SAFETY: reads bytes within the base of a live native object.
        let bytes = |object: &Ref| unsafe {
            std::slice::from_raw_parts(
                object.as_ptr().cast::<u8>(),
                crate::compat::layout::FUTURE_BASE,
            )
            .to_vec()
        };
        let before = bytes(&awaited);
        ADD.get().call([&awaited, &second])?;
        let after = bytes(&awaited);
        let changed: Vec<usize> = (size_of::<ffi::PyObject>()..before.len())
            .filter(|at| {
                before[*at] != after[*at] && !(word..word + size_of::<usize>()).contains(at)
            })
            .collect();
        if let [flag] = changed[..]
            && word != 0
        {
            WORD.set(word);
            IS_SET.set(flag);
        }
        DISCARD.get().call([&awaited, &first])?;
        DISCARD.get().call([&awaited, &second]).map(drop)
    }

    /// Records that `waiter` awaits `future`.
    #[inline]
    pub fn add(future: &Ref, waiter: &Ref) -> Result<()> {
        if WORD.get() != 0 && crate::future::native(future).is_some() && is_compiled(waiter) {
            // SAFETY: a native future; the word owns its reference.
            let word = unsafe { base_word(future.as_ptr(), WORD.get()) };
            // SAFETY: as above.
            unsafe {
                if (*word).is_null() {
                    *word = waiter.clone().into_ptr();
                    return Ok(());
                }
            }
        }
        function_for(waiter, &ADD, ADDER)?
            .call([future, waiter])
            .map(drop)
    }

    /// Takes that back.
    #[inline]
    pub fn discard(future: &Ref, waiter: &Ref) -> Result<()> {
        if WORD.get() != 0 && crate::future::native(future).is_some() {
            // SAFETY: a native future; the word owns its reference unless it is null. The reference is
            // dropped after the word is empty.
            unsafe {
                let word = base_word(future.as_ptr(), WORD.get());
                if (*word).is_null() {
                    return Ok(());
                }
                if *word == waiter.as_ptr() {
                    drop(Ref::owned(std::mem::replace(
                        &mut *word,
                        std::ptr::null_mut(),
                    )));
                    return Ok(());
                }
            }
        }
        function_for(waiter, &DISCARD, DISCARDER)?
            .call([future, waiter])
            .map(drop)
    }

    /// Whether its base is that of asyncio's compiled futures and tasks, which alone such a word may name.
    #[inline]
    fn is_compiled(waiter: &Ref) -> bool {
        crate::future::native(waiter).is_some()
            || [&imports().future_class, &imports().task_class]
                .iter()
                .any(|class| waiter.is_instance(type_of_class(class)))
    }

    /// The function of `_asyncio`, which ignores what is not compiled; or, for a pure-Python task, whatever
    /// stands in `asyncio.futures` now, since programs that run such tasks put their function there.
    fn function_for(waiter: &Ref, compiled: &Once<Ref>, name: &str) -> Result<Ref> {
        if is_compiled(waiter) {
            return Ok(compiled.get().clone());
        }
        FUTURES.get().getattr(&string(name)?)
    }

    /// The task that calls, if its loop runs here: a gather's children are awaited by it.
    pub fn caller(event_loop: &Ref) -> Result<Option<Ref>> {
        match crate::eventloop::running()? {
            Some(running) if running.is(event_loop) => current::current_task(&running),
            _ => Ok(None),
        }
    }

    /// Visits who awaits.
    ///
    /// # Safety
    /// Called from `tp_traverse` of a native future.
    pub unsafe fn traverse(
        object: *mut ffi::PyObject,
        visit: ffi::visitproc,
        arg: *mut c_void,
    ) -> c_int {
        if WORD.get() == 0 {
            return 0;
        }
        // SAFETY: by the caller's contract; the word owns its reference unless it is null.
        unsafe {
            let word = *base_word(object, WORD.get());
            if word.is_null() { 0 } else { visit(word, arg) }
        }
    }

    /// Forgets who awaits.
    ///
    /// # Safety
    /// `object` is a native future, being cleared or destroyed.
    pub unsafe fn clear(object: *mut ffi::PyObject) {
        if WORD.get() == 0 {
            return;
        }
        // SAFETY: by the caller's contract; word and flag change together, before the reference is dropped.
        unsafe {
            let word = std::mem::replace(&mut *base_word(object, WORD.get()), std::ptr::null_mut());
            *object.cast::<u8>().add(IS_SET.get()) = 0;
            ffi::Py_XDECREF(word);
        }
    }

    /// The base class has the attribute, and its word is in use.
    pub fn attributes() -> Vec<ffi::PyGetSetDef> {
        vec![]
    }
}
