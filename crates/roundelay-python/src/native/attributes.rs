//! Attributes that asyncio keeps in the instance dict or in `__slots__`, and native objects in their fields.

/// An attribute kept in a slot of the fields; an empty slot is `None`.
#[macro_export]
macro_rules! optional_attribute {
    ($name:literal, $fields:path, $($field:ident).+) => {{
        fn get(object: &$crate::native::Ref) -> $crate::native::Result<$crate::native::Ref> {
            Ok($fields(object).$($field).+.get().unwrap_or_else($crate::native::none))
        }
        fn set(
            object: &$crate::native::Ref,
            value: Option<&$crate::native::Ref>,
        ) -> $crate::native::Result<()> {
            let value = value.filter(|value| !value.is_none());
            $fields(object).$($field).+.put(value.cloned());
            Ok(())
        }
        $crate::attribute!($name, get, set)
    }};
}

/// An attribute kept in a slot of the fields; an empty slot is no attribute.
#[macro_export]
macro_rules! slot_attribute {
    ($name:literal, $fields:path, $($field:ident).+) => {{
        fn get(object: &$crate::native::Ref) -> $crate::native::Result<$crate::native::Ref> {
            match $fields(object).$($field).+.get() {
                Some(value) => Ok(value),
                None => $crate::native::attributes::missing(object, $name),
            }
        }
        fn set(
            object: &$crate::native::Ref,
            value: Option<&$crate::native::Ref>,
        ) -> $crate::native::Result<()> {
            if value.is_none() && !$fields(object).$($field).+.is_some() {
                return $crate::native::attributes::missing(object, $name);
            }
            $fields(object).$($field).+.put(value.cloned());
            Ok(())
        }
        $crate::attribute!($name, get, set)
    }};
}

/// An attribute that is `True` or `False`.
#[macro_export]
macro_rules! flag_attribute {
    ($name:literal, $fields:path, $($field:ident).+) => {{
        fn get(object: &$crate::native::Ref) -> $crate::native::Result<$crate::native::Ref> {
            Ok($crate::native::boolean($fields(object).$($field).+.get()))
        }
        fn set(
            object: &$crate::native::Ref,
            value: Option<&$crate::native::Ref>,
        ) -> $crate::native::Result<()> {
            let value = value.map_or(Ok(false), $crate::native::Ref::truthy)?;
            $fields(object).$($field).+.set(value);
            Ok(())
        }
        $crate::attribute!($name, get, set)
    }};
}

use std::ffi::CStr;

use crate::native::{Ref, Result};

/// Raises what an object of a Python class raises for an attribute that was never set.
#[cold]
pub fn missing<T>(object: &Ref, name: &CStr) -> Result<T> {
    crate::sync::derived::missing(object, &name.to_string_lossy())
}
