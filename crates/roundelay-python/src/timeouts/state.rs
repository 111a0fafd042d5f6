//! How far a timeout has come, and the enumeration in which asyncio says so.

use crate::imports::imports;
use crate::native::{Ref, Result, string, text_of};

/// How far a timeout has come. The order is that of `asyncio.timeouts._State`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// Nobody has entered it.
    Created = 0,
    /// Its block runs.
    Entered = 1,
    /// Its time has come while the block ran, and the task was cancelled.
    Expiring = 2,
    /// The block ended after that.
    Expired = 3,
    /// The block ended in time.
    Exited = 4,
}

const ALL: [(State, &str, &str); 5] = [
    (State::Created, "CREATED", "created"),
    (State::Entered, "ENTERED", "active"),
    (State::Expiring, "EXPIRING", "expiring"),
    (State::Expired, "EXPIRED", "expired"),
    (State::Exited, "EXITED", "finished"),
];

impl State {
    /// The word for it in messages.
    pub fn text(self) -> &'static str {
        ALL[self as usize].2
    }

    /// The member of asyncio's enumeration.
    pub fn to_member(self) -> Result<Ref> {
        imports()
            .timeout_states
            .getattr(&string(ALL[self as usize].1)?)
    }

    /// The state that a member of asyncio's enumeration stands for; nothing if there is none.
    pub fn from_member(member: &Ref) -> Result<Option<State>> {
        let name = text_of(&member.getattr(&string("name")?)?)?;
        Ok(ALL
            .iter()
            .find(|(_, candidate, _)| *candidate == name)
            .map(|(state, _, _)| *state))
    }
}
