//! `asyncio.Barrier`: the class and its states. How one waits at it is in `barrier_wait`.

use std::cell::Cell;
use std::mem::offset_of;

use pyo3::ffi;

use crate::coroutine::function;
use crate::imports::imports;
use crate::native::types::type_of_class;
use crate::native::{Args, Ref, Result, Slot, raise, raise_text, string};
use crate::statics::{Once, TypeCell, unset};
use crate::{attribute, init_slot, method0};

use super::count::{self, Count};
use super::{barrier_wait, condition, derived, stock_call};

/// The type `roundelay.Barrier`.
pub static BARRIER: TypeCell = unset();

/// asyncio's names for the states, in the order of [`State`].
static STATES: Once<[Ref; 4]> = Once::new();

/// What the barrier does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It waits until all parties are there.
    Filling = 0,
    /// All were there and leave; who comes now waits until they are gone.
    Draining = 1,
    /// Whoever is inside leaves with an error; who comes now waits until they are gone.
    Resetting = 2,
    /// Everyone gets an error.
    Broken = 3,
}

const ALL_STATES: [State; 4] = [
    State::Filling,
    State::Draining,
    State::Resetting,
    State::Broken,
];

#[repr(C)]
pub struct BarrierFields {
    /// Told whenever `state` changes or the last one leaves. Empty until `__init__` has run.
    condition: Slot,
    /// How many it takes to open the barrier.
    pub parties: Count,
    /// How many are inside: they wait to be let through, or are on their way out.
    pub count: Cell<i64>,
    /// See [`State`].
    pub state: Cell<State>,
}

/// The fields of a barrier.
pub fn fields(barrier: &Ref) -> &BarrierFields {
    // SAFETY: only called for instances of `BARRIER` and its subclasses.
    unsafe { derived::fields(barrier) }
}

/// Makes the type. What is not here (`parties`, `n_waiting`, `broken`) is asyncio's, over our attributes.
pub fn make_type() -> Result<Ref> {
    let base = derived::base(c"asyncio.locks", "Barrier")?;
    let state = |name| imports().barrier_state.getattr(&string(name)?);
    STATES.set([
        state("FILLING")?,
        state("DRAINING")?,
        state("RESETTING")?,
        state("BROKEN")?,
    ]);
    let class = derived::builder::<BarrierFields>(
        c"asyncio.locks.Barrier",
        &base,
        &[
            (c"_native_condition", offset_of!(BarrierFields, condition)),
            (
                c"_native_parties",
                offset_of!(BarrierFields, parties) + offset_of!(Count, other),
            ),
        ],
    )?
    .slot(init_slot!(init))
    .methods([method0!(
        c"__getstate__",
        get_state,
        c"__getstate__($self, /)\n--\n\n"
    )])
    .attributes([
        attribute!(c"_cond", get_condition, set_condition),
        attribute!(c"_parties", get_parties, set_parties),
        attribute!(c"_state", get_barrier_state, set_barrier_state),
        attribute!(c"_count", get_count, set_count),
    ])
    .build(Some(&base))?;
    BARRIER.set(type_of_class(&class));
    for definition in barrier_wait::METHODS {
        function::add_method(&class, definition)?;
    }
    Ok(class)
}

fn init(barrier: &Ref, args: Args<'_>) -> Result<()> {
    let one = count::integer(1)?;
    let parties = match stock_call::one_optional(&args, "parties").flatten() {
        Some(parties) if !count::compare(parties, &one, ffi::Py_LT)? => parties.clone(),
        // asyncio's own error, which says it differently from version to version.
        _ => return stock_call::init(barrier, &args),
    };
    let own = fields(barrier);
    own.condition.set(condition::make()?);
    own.parties.set(parties);
    own.state.set(State::Filling);
    own.count.set(0);
    Ok(())
}

/// The barrier's condition.
pub fn condition_of(barrier: &Ref) -> Result<Ref> {
    match fields(barrier).condition.get() {
        Some(condition) => Ok(condition),
        // SAFETY: a static exception class.
        None => raise_text(
            unsafe { ffi::PyExc_AttributeError },
            "'Barrier' object has no attribute '_cond'",
        ),
    }
}

fn get_condition(barrier: &Ref) -> Result<Ref> {
    condition_of(barrier)
}

fn set_condition(barrier: &Ref, value: Option<&Ref>) -> Result<()> {
    fields(barrier).condition.put(value.cloned());
    Ok(())
}

fn get_parties(barrier: &Ref) -> Result<Ref> {
    fields(barrier).parties.get()
}

fn set_parties(barrier: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value else {
        return count::cannot_delete();
    };
    fields(barrier).parties.set(value.clone());
    Ok(())
}

fn get_barrier_state(barrier: &Ref) -> Result<Ref> {
    Ok(STATES.get()[fields(barrier).state.get() as usize].clone())
}

fn set_barrier_state(barrier: &Ref, value: Option<&Ref>) -> Result<()> {
    let known = value.and_then(|value| STATES.get().iter().position(|state| state.is(value)));
    let Some(place) = known else {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_TypeError },
            c"the state of a barrier is a member of asyncio.locks._BarrierState",
        );
    };
    fields(barrier).state.set(ALL_STATES[place]);
    Ok(())
}

fn get_count(barrier: &Ref) -> Result<Ref> {
    count::integer(fields(barrier).count.get())
}

fn set_count(barrier: &Ref, value: Option<&Ref>) -> Result<()> {
    let Some(value) = value.and_then(count::small) else {
        // SAFETY: a static exception class.
        return raise(
            unsafe { ffi::PyExc_TypeError },
            c"the count of a barrier is an int",
        );
    };
    fields(barrier).count.set(value);
    Ok(())
}

fn get_state(barrier: &Ref) -> Result<Ref> {
    derived::state(barrier, &[c"_cond", c"_parties", c"_state", c"_count"])
}
