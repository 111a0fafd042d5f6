//! What a native `async def` is made of.

use std::cell::Cell;

use crate::native::{Ref, Result, Slot, raise_object};

use super::object::{self, SLOTS};

/// An `async def` of asyncio's, native. One static for each function.
pub struct AsyncDef {
    /// `__name__`
    pub name: &'static str,
    /// `__qualname__`, which warnings and representations show.
    pub qualname: &'static str,
    /// Names of the parameters; `self` is not among them. An argument is found in the frame's slot of the
    /// same place, behind `self` if there is one. What was not given leaves its slot empty.
    pub parameters: &'static [&'static str],
    /// How many of them may be given by position.
    pub positional: usize,
    /// How many of them have no default.
    pub required: usize,
    /// Runs the body from where it stands (see [`Frame::stage`]) to its next `await` or its end.
    pub resume: fn(Frame<'_>, Sent) -> Result<Flow>,
}

impl AsyncDef {
    /// Whether it belongs to a class, so that slot 0 is `self`.
    pub fn is_method(&self) -> bool {
        self.qualname.contains('.')
    }
}

/// What a body is resumed with.
pub enum Sent {
    /// The first resumption.
    Start,
    /// What the awaited object gave.
    Value(Ref),
    /// What the awaited object raised, or what was thrown into the coroutine (a cancellation, for one).
    Raised(Ref),
}

impl Sent {
    /// The value, or the exception raised.
    #[inline]
    pub fn value(self) -> Result<Ref> {
        match self {
            Sent::Value(value) => Ok(value),
            Sent::Raised(exception) => raise_object(exception),
            Sent::Start => Ok(crate::native::none()),
        }
    }
}

/// What a body does next. An error is an exception that leaves the coroutine.
pub enum Flow {
    /// `await` this, then resume.
    Await(Ref),
    /// Suspend for one turn, as `asyncio.sleep(0)` does, then resume with `None`.
    #[allow(dead_code)] // Part of the vocabulary.
    Pause,
    /// End the `except` block that handles what was raised, then resume with `None`: what is raised from
    /// then on does not have it as its context.
    Handled,
    /// `return` this.
    Return(Ref),
}

/// The local variables of a coroutine.
#[derive(Clone, Copy)]
pub struct Frame<'a>(pub &'a Ref);

impl<'a> Frame<'a> {
    /// A slot: arguments come first, the rest is the body's own.
    #[inline]
    pub fn slot(self, place: usize) -> &'a Slot {
        debug_assert!(place < SLOTS);
        &object::fields(self.0).slots(place + 1)[place]
    }

    /// The argument in a slot that is known to be filled.
    #[inline]
    pub fn argument(self, place: usize) -> Ref {
        self.slot(place)
            .get()
            .expect("an argument that is required")
    }

    /// Where the body stands; zero at its start. The meaning of other numbers is the body's.
    #[inline]
    #[allow(dead_code)] // Part of the vocabulary.
    pub fn stage(self) -> &'a Cell<u8> {
        &object::fields(self.0).stage
    }

    /// A number that the body may use as it likes.
    #[inline]
    #[allow(dead_code)] // Part of the vocabulary.
    pub fn number(self) -> &'a Cell<i64> {
        &object::fields(self.0).number
    }
}
