//! Hand-made heap types: references, layout, slots, allocation, garbage collection.
//! The raw C API is spoken here; the rest of the crate uses the safe functions of this module.

pub mod args;
pub mod attributes;
pub mod buffer;
pub mod call;
pub mod function;
pub mod gc;
pub mod method;
pub mod prefetch;
pub mod recycled;
pub mod refs;
pub mod resumed;
pub mod stand_in;
pub mod trampoline;
pub mod types;

pub use args::Args;
#[cfg(Py_3_12)]
pub use call::is_handling;
pub use call::{
    aside, check, dict, ends_the_program, float, import, int_value, integer, is_os_error, items,
    leave_context, list, raise, raise_chained, raise_from, raise_object, raise_text, raised, repr,
    string, take_raised, text_of, tuple, while_handling, write_unraisable,
};
pub use refs::{Raised, Ref, Result, Slot, boolean, none};
pub use resumed::Resumed;
