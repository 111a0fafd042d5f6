//! `asyncio.BoundedSemaphore`: a semaphore that cannot be released more often than it was acquired.

use std::mem::offset_of;

use pyo3::ffi;

use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, none, raise, tuple};
use crate::statics::{TypeCell, unset};
use crate::{attribute, init_slot, method0};

use super::count::{self, Count};
use super::semaphore::{self, SemaphoreFields};
use super::{derived, stock_call};

/// The type `roundelay.BoundedSemaphore`.
pub static BOUNDED: TypeCell = unset();

#[repr(C)]
struct BoundedFields {
    /// The semaphore itself; its references are declared by its own type.
    semaphore: SemaphoreFields,
    /// What the value may not go beyond.
    bound: Count,
}

fn fields(semaphore: &Ref) -> &BoundedFields {
    // SAFETY: only called for instances of `BOUNDED` and its subclasses.
    unsafe { derived::fields(semaphore) }
}

/// Makes the type, deriving from the native semaphore and from asyncio's bounded one.
pub fn make_type(native_base: &Ref) -> Result<Ref> {
    let base = derived::base(c"asyncio.locks", "BoundedSemaphore")?;
    let class = derived::builder::<BoundedFields>(
        c"asyncio.locks.BoundedSemaphore",
        &base,
        &[(
            c"_native_bound",
            offset_of!(BoundedFields, bound) + offset_of!(Count, other),
        )],
    )?
    .slot(init_slot!(init))
    .methods([
        method0!(c"release", release_method, c"release($self, /)\n--\n\n"),
        method0!(
            c"__getstate__",
            get_state,
            c"__getstate__($self, /)\n--\n\n"
        ),
    ])
    .attributes([attribute!(c"_bound_value", get_bound, set_bound)])
    .build(Some(&tuple(&[native_base, &base])?))?;
    BOUNDED.set(type_of_class(&class));
    Ok(class)
}

fn init(semaphore: &Ref, args: Args<'_>) -> Result<()> {
    let Some(value) = stock_call::one_optional(&args, "value") else {
        return stock_call::init(semaphore, &args);
    };
    let value = value.map_or_else(|| count::integer(1), |value| Ok(value.clone()))?;
    fields(semaphore).bound.set(value.clone());
    semaphore::start(semaphore, value)
}

/// `BoundedSemaphore.release()`
pub fn release(semaphore: &Ref) -> Result<()> {
    let own = fields(semaphore);
    if own.semaphore.value.is_at_least(&own.bound)? {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_ValueError },
            c"BoundedSemaphore released too many times",
        );
    }
    semaphore::release_method(semaphore).map(drop)
}

fn release_method(semaphore: &Ref) -> Result<Ref> {
    release(semaphore).map(|()| none())
}

fn get_bound(semaphore: &Ref) -> Result<Ref> {
    fields(semaphore).bound.get()
}

fn set_bound(semaphore: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return count::cannot_delete();
    };
    fields(semaphore).bound.set(value.clone());
    Ok(())
}

fn get_state(semaphore: &Ref) -> Result<Ref> {
    derived::state(semaphore, &[c"_waiters", c"_value", c"_bound_value"])
}
