//! The callable of a native `async def`.
//!
//! It stands where asyncio has a Python function, and is taken for one (see `native::stand_in`); it carries the
//! marks by which `asyncio` and `inspect` know a coroutine function. Calls that it does not understand go to
//! asyncio's own function: another class's `self`, or arguments that do not fit, which then raise the very
//! error that asyncio raises.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use pyo3::ffi;

use crate::compat::frame::Origin;
use crate::native::args::matches;
use crate::native::stand_in::{self, StandIn, call_stock};
use crate::native::trampoline::guard_object;
use crate::native::types::{set_type_attribute, type_of_class};
use crate::native::{Args, Ref, Result, Slot, check, dict, int_value, string, tuple};
use crate::statics::{Once, TypeCell, unset};
use crate::unary_slot;

use super::bound;
use super::definition::AsyncDef;
use super::object::{self, SLOTS};

static FUNCTION: TypeCell = unset();

/// Where the functions are written that definitions stand in the place of. Filled while the module is made.
static ORIGINS: Once<RefCell<Vec<(*const AsyncDef, Origin)>>> = Once::new();

#[repr(C)]
struct Function {
    base: StandIn,
    /// What it is a function for; never null in a finished object.
    definition: Cell<*const AsyncDef>,
    /// The class whose method it is, null for a function.
    owner: Cell<*mut ffi::PyTypeObject>,
    /// See [`make_collecting`].
    collects: Cell<bool>,
    /// Whether `async with` calls it; see [`bound`].
    entered: Cell<bool>,
    /// See [`add_method_with_defaults`]; empty for most.
    defaults: Cell<&'static [(&'static str, Default)]>,
}

/// What a parameter may be given that the definition does not have, so that the call is still one of those that
/// it is for.
#[derive(Clone, Copy)]
pub enum Default {
    /// `None`
    None,
    /// `False`
    False,
    /// `None` or `False`, which say the same.
    NoneOrFalse,
    /// A zero, be it of an enumeration.
    Zero,
}

impl Default {
    fn is(self, value: &Ref) -> bool {
        // SAFETY: a static of the interpreter.
        let is_false = || value.is_ptr(unsafe { ffi::Py_False() });
        match self {
            Self::None => value.is_none(),
            Self::False => is_false(),
            Self::NoneOrFalse => value.is_none() || is_false(),
            Self::Zero => int_value(value) == Some(0),
        }
    }
}

fn fields(function: &Ref) -> &Function {
    // SAFETY: only called for instances of `FUNCTION`, which cannot be subclassed.
    unsafe { &*function.as_ptr().cast() }
}

/// Where asyncio's own function is written, for a definition that stands in the place of one.
pub fn origin_of(definition: &'static AsyncDef) -> Option<Origin> {
    let origins = ORIGINS.get().borrow();
    let found = origins.iter().find(|(of, _)| std::ptr::eq(*of, definition));
    found.map(|(_, origin)| origin.clone())
}

/// Makes the type.
pub fn make_type() -> Result<()> {
    ORIGINS.set(RefCell::default());
    let slots = [
        unary_slot!(Py_tp_repr, repr),
        (ffi::Py_tp_descr_get, bind as *mut c_void),
    ];
    // SAFETY: `Function` is laid out as C does it, and begins with what it builds on.
    FUNCTION.set(unsafe {
        stand_in::make_type::<Function>(c"roundelay.coroutine_function", &slots, mark)?
    });
    Ok(())
}

/// Sets how asyncio (up to 3.15) and inspect (from 3.12) recognise a coroutine function that is not a plain one.
pub fn mark(class: &Ref) -> Result<()> {
    for (module, constant, attribute) in [
        (c"asyncio.coroutines", "_is_coroutine", c"_is_coroutine"),
        // The constant has one name in 3.12 and another from 3.13 on.
        (c"inspect", "_is_coroutine_marker", c"_is_coroutine_marker"),
        (c"inspect", "_is_coroutine_mark", c"_is_coroutine_marker"),
    ] {
        if let Some(mark) = crate::imports::module(module)?.getattr_opt(&string(constant)?)? {
            set_type_attribute(class, attribute, &mark)?;
        }
    }
    Ok(())
}

/// The callable for `definition`, in the place of `stock`, asyncio's own function.
pub fn make(definition: &'static AsyncDef, stock: Ref) -> Result<Ref> {
    make_called_by(call, definition, stock)
}

fn make_called_by(
    entry: ffi::vectorcallfunc,
    definition: &'static AsyncDef,
    stock: Ref,
) -> Result<Ref> {
    debug_assert!(definition.parameters.len() < SLOTS);
    debug_assert!(definition.positional <= definition.parameters.len());
    if let Some(origin) = Origin::of(&stock) {
        ORIGINS.get().borrow_mut().push((definition, origin));
    }
    // SAFETY: the type is made, and the entry is of its instances.
    let function = unsafe { stand_in::allocate(FUNCTION.get(), entry, stock) }?;
    fields(&function).definition.set(definition);
    Ok(function)
}

/// The same for a function that is called as `f(first, /, *args, **kwargs)`: slot 0 of its frame has the first
/// argument, slot 1 a tuple of the others, slot 2 a dict of those given by name if there are any.
pub fn make_collecting(definition: &'static AsyncDef, stock: Ref) -> Result<Ref> {
    let function = make(definition, stock)?;
    fields(&function).collects.set(true);
    Ok(function)
}

/// Puts a method into a class that derives from the class of asyncio's that has `definition.name`.
pub fn add_method(class: &Ref, definition: &'static AsyncDef) -> Result<()> {
    // The class does not have the method yet, so asyncio's is the base's.
    add_method_over(class, definition, class)
}

/// Puts a method into a class, in the place of the one of `stock`, a class of asyncio's that stands behind it in
/// those that programs use.
pub fn add_method_over(class: &Ref, definition: &'static AsyncDef, stock: &Ref) -> Result<()> {
    let name = string(definition.name)?;
    let function = make_called_by(call_method, definition, stock.getattr(&name)?)?;
    put_method(class, &name, definition, &function)
}

/// The same for a method that has more parameters, which are rarely given anything but their defaults. A call that
/// does is asyncio's method's from the beginning.
pub fn add_method_with_defaults(
    class: &Ref,
    definition: &'static AsyncDef,
    stock: &Ref,
    defaults: &[(&'static str, Default)],
) -> Result<()> {
    let name = string(definition.name)?;
    let stock = stock.getattr(&name)?;
    let known = stock.getattr(&string("__kwdefaults__")?)?;
    let mut kept = Vec::new();
    for (name, default) in defaults {
        // Older releases do not have all of them.
        // SAFETY: live objects.
        let there = unsafe { ffi::PySequence_Contains(known.as_ptr(), string(name)?.as_ptr()) };
        check(there)?;
        if there != 0 {
            kept.push((*name, *default));
        }
    }
    let function = make_called_by(call_method, definition, stock)?;
    fields(&function)
        .defaults
        .set(Box::leak(kept.into_boxed_slice()));
    put_method(class, &name, definition, &function)
}

fn put_method(class: &Ref, name: &Ref, definition: &AsyncDef, function: &Ref) -> Result<()> {
    fields(function).owner.set(type_of_class(class));
    let entered = ["__aenter__", "__aexit__"].contains(&definition.name);
    fields(function).entered.set(entered);
    class.setattr(name, function)
}

unsafe extern "C" fn call(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable.
        unsafe {
            let count = ffi::PyVectorcall_NARGS(flags) as usize;
            let args = Args::from_fastcall(args, count, names);
            call_with(Ref::view(&callable), &args)
        }
    })
}

/// A call of a method. Most have all arguments by position.
unsafe extern "C" fn call_method(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    flags: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guard_object(|| {
        // SAFETY: the interpreter passes one vectorcall of a live callable, whose definition is a static.
        unsafe {
            let function = Ref::view(&callable);
            let (own, count) = (fields(function), ffi::PyVectorcall_NARGS(flags) as usize);
            let definition = &*own.definition.get();
            if names.is_null()
                && count > definition.required
                && count <= definition.positional + 1
                && Ref::view(&*args).is_instance(own.owner.get())
            {
                let args = std::slice::from_raw_parts(args.cast::<Ref>(), count);
                return object::make_with(definition, args);
            }
            call_with(function, &Args::from_fastcall(args, count, names))
        }
    })
}

/// A call of `function`.
pub(super) fn call_with(function: &Ref, args: &Args<'_>) -> Result<Ref> {
    let own = fields(function);
    // SAFETY: set by `make` to a static.
    let definition = unsafe { &*own.definition.get() };
    if own.collects.get() {
        return match args.positional {
            [] => call_stock(function, args),
            [first, rest @ ..] => collect(definition, first, rest, args),
        };
    }
    let owner = own.owner.get();
    let own_arguments = if owner.is_null() {
        Some(args.positional)
    } else {
        match args.positional {
            [slf, rest @ ..] if slf.is_instance(owner) => Some(rest),
            _ => None,
        }
    };
    let first = usize::from(!owner.is_null());
    if let Some(positional) = own_arguments
        && positional.len() <= definition.positional
        && (positional.len() >= definition.required || !args.no_keywords())
    {
        let coroutine = object::make(definition)?;
        let slots = object::fields(&coroutine)
            .slots(first + definition.parameters.len().max(definition.positional));
        for (slot, value) in slots.iter().zip(args.positional) {
            slot.set(value.clone());
        }
        if args.no_keywords() || keywords(definition, args, &slots[first..], own.defaults.get()) {
            return Ok(coroutine);
        }
        discard(&coroutine);
    }
    call_stock(function, args)
}

fn collect(
    definition: &'static AsyncDef,
    first: &Ref,
    rest: &[Ref],
    args: &Args<'_>,
) -> Result<Ref> {
    let coroutine = object::make(definition)?;
    let gathered = || -> Result<()> {
        let slots = object::fields(&coroutine).slots(3);
        slots[0].set(first.clone());
        slots[1].set(tuple(&rest.iter().collect::<Vec<_>>())?);
        if !args.no_keywords() {
            let named = dict(&[])?;
            for (name, value) in args.keyword_items() {
                // SAFETY: all live.
                check(unsafe {
                    ffi::PyDict_SetItem(named.as_ptr(), name.as_ptr(), value.as_ptr())
                })?;
            }
            slots[2].set(named);
        }
        Ok(())
    };
    if let Err(raised) = gathered() {
        discard(&coroutine);
        return Err(raised);
    }
    Ok(coroutine)
}

/// Puts keyword arguments into their slots; false if something does not fit.
fn keywords(
    definition: &AsyncDef,
    args: &Args<'_>,
    slots: &[Slot],
    defaults: &[(&str, Default)],
) -> bool {
    for (name, value) in args.keyword_items() {
        let place = definition
            .parameters
            .iter()
            .position(|parameter| matches(&name, parameter));
        match place {
            Some(place) if !slots[place].is_some() => slots[place].set(value.clone()),
            None if defaults
                .iter()
                .any(|(parameter, default)| matches(&name, parameter) && default.is(value)) => {}
            _ => return false,
        }
    }
    slots[..definition.required].iter().all(Slot::is_some)
}

/// A coroutine that nobody will see, and of which nobody is to be told.
fn discard(coroutine: &Ref) {
    object::finish(coroutine);
}

/// `function.__get__(instance, owner)`
unsafe extern "C" fn bind(
    slf: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    owner: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes live objects, null for no instance.
    unsafe {
        let function = Ref::view(&slf);
        if !instance.is_null() && fields(function).entered.get() {
            return guard_object(|| bound::make(function, Ref::view(&instance)));
        }
        stand_in::bind(slf, instance, owner)
    }
}

fn repr(function: &Ref) -> Result<Ref> {
    string(&format!(
        "<coroutine function {} at {:p}>",
        stand_in::qualname(function)?,
        function.as_ptr()
    ))
}
