//! The methods that every transport over a socket has.

use crate::native::types::TypeBuilder;
use crate::native::{Ref, Result};
use crate::{method0, pausing_methods};

use super::fields::{SelectorFields, selector};
use super::{closing, reading};

/// A method with one parameter, which may be given by name, over `fn(&Ref, &Ref) -> Result<Ref>`. Other calls
/// go to asyncio's method, which refuses them.
#[macro_export]
macro_rules! named_method {
    ($name:literal, $parameter:literal, $function:path, $doc:literal) => {{
        fn checked(
            slf: &$crate::native::Ref,
            args: $crate::native::Args<'_>,
        ) -> $crate::native::Result<$crate::native::Ref> {
            match $crate::native::function::all_required(&args, [$parameter]) {
                Some([only]) => $function(slf, only),
                None => $crate::sync::stock_call::call(slf, $name, &args),
            }
        }
        $crate::method!($name, checked, $doc)
    }};
}

/// Gives a type the methods; `$kind` is an `OverSocket`.
#[macro_export]
macro_rules! selector_methods {
    ($builder:expr, $kind:ty) => {{
        use $crate::transports::closing;
        $crate::transports::methods::fill($builder).methods([
            $crate::method0!(
                c"close",
                closing::close::<$kind>,
                c"close($self, /)\n--\n\nClose the transport."
            ),
            $crate::method0!(
                c"is_closing",
                closing::is_closing::<$kind>,
                c"is_closing($self, /)\n--\n\nReturn True if the transport is closing or closed."
            ),
            $crate::named_method!(
                c"_force_close",
                "exc",
                closing::force_close::<$kind>,
                c"_force_close($self, exc)\n--\n\n"
            ),
            $crate::named_method!(
                c"_call_connection_lost",
                "exc",
                closing::call_connection_lost::<$kind>,
                c"_call_connection_lost($self, exc)\n--\n\n"
            ),
        ])
    }};
}

/// Gives a type those that are the same for every kind.
pub fn fill(builder: TypeBuilder) -> TypeBuilder {
    builder.methods(pausing_methods!(SelectorFields)).methods([
        method0!(
            c"get_protocol",
            reading::get_protocol,
            c"get_protocol($self, /)\n--\n\nReturn the current protocol."
        ),
        method0!(
            c"abort",
            closing::abort,
            c"abort($self, /)\n--\n\nClose the transport immediately."
        ),
        method0!(
            c"get_write_buffer_limits",
            get_write_buffer_limits,
            c"get_write_buffer_limits($self, /)\n--\n\nGet the low and high watermarks for write flow control."
        ),
    ])
}

fn get_write_buffer_limits(transport: &Ref) -> Result<Ref> {
    selector(transport).flow.both()
}
