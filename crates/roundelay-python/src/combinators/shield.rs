//! `shield`: a future that can be cancelled without cancelling what it stands for.
//!
//! Two links tie the outer future to the inner one. Each is a collector (see `future::collector`) of the
//! future that it is told of, so on a native loop neither a callback nor a handle is made.

use crate::compat::{awaited_by, behaviour};
use crate::future::{self, State, any, collector, members, outcome};
use crate::imports::names;
use crate::native::function::{self, all_required};
use crate::native::{Args, Ref, Result};
use crate::sync::derived::base;

use super::create::ensure_future;
use super::shield_link::{self, Role, fields};

/// Makes the function. asyncio's own stays where it does what we do not know.
pub fn make() -> Result<Ref> {
    shield_link::make_type()?;
    let stock = base(c"asyncio.tasks", "shield")?;
    if behaviour::shield_is_known() {
        function::make(shield, stock)
    } else {
        Ok(stock)
    }
}

/// `shield(arg)`
fn shield(args: &Args<'_>) -> Result<Option<Ref>> {
    let Some([argument]) = all_required(args, ["arg"]) else {
        return Ok(None);
    };
    let inner = ensure_future(argument, None)?;
    if any::is_done(&inner)? {
        return Ok(Some(inner));
    }
    let event_loop = members::loop_of(&inner)?;
    let outer = any::create(&event_loop)?;
    let caller = awaited_by::caller(&event_loop)?;
    let clear_link = match &caller {
        Some(caller) => {
            awaited_by::add(&inner, caller)?;
            let link = shield_link::make(Role::Edge, None, Some(caller.clone()))?;
            tell(&inner, &link)?;
            Some(link)
        }
        None => None,
    };
    let inner_link = shield_link::make(Role::Inner, Some(outer.clone()), None)?;
    tell(&inner, &inner_link)?;
    let outer_link = shield_link::make(Role::Outer, Some(inner), caller)?;
    fields(&outer_link).inner_link.set(inner_link);
    fields(&outer_link).edge_link.put(clear_link);
    tell(&outer, &outer_link)?;
    Ok(Some(outer))
}

/// Has `future` tell the link when it is done.
fn tell(future: &Ref, link: &Ref) -> Result<()> {
    collector::add(future, link, &mut None)
}

/// A link is told of its future.
pub fn child_done(link: &Ref, child: &Ref) -> Result<()> {
    let own = fields(link);
    match own.role.get() {
        Role::Edge => match own.caller.get() {
            Some(caller) => awaited_by::discard(child, &caller),
            None => Ok(()),
        },
        Role::Inner => match own.other.get() {
            Some(outer) => inner_done(child, &outer),
            None => Ok(()),
        },
        Role::Outer => match own.other.get() {
            Some(inner) => outer_done(link, &inner),
            None => Ok(()),
        },
    }
}

/// Hands the outcome on, unless the outer future was cancelled.
fn inner_done(inner: &Ref, outer: &Ref) -> Result<()> {
    if any::is_cancelled(outer)? {
        if behaviour::shield_retrieves_what_comes_late() && !any::is_cancelled(inner)? {
            drop(exception_of(inner)?);
        }
        return Ok(());
    }
    if any::is_cancelled(inner)? {
        return match future::native(outer) {
            Some(_) => outcome::cancel(outer, None).map(drop),
            None => outer.call_method(&names().cancel, []).map(drop),
        };
    }
    match exception_of(inner)? {
        Some(exception) => match future::native(outer) {
            Some(_) => outcome::set_exception(outer, &exception),
            None => outer
                .call_method(&names().set_exception, [&exception])
                .map(drop),
        },
        None => any::set_result(outer, any::result(inner)?),
    }
}

/// `inner.exception()` of one that is not cancelled, which counts as retrieved.
fn exception_of(inner: &Ref) -> Result<Option<Ref>> {
    match future::native(inner) {
        Some(fut) if fut.state.get() == State::Failed => outcome::exception(inner),
        Some(_) => Ok(None),
        None => {
            let exception = inner.call_method(&names().exception, [])?;
            Ok((!exception.is_none()).then_some(exception))
        }
    }
}

/// The outer future is done. If the inner one is not, it has nobody to tell any more.
fn outer_done(outer_link: &Ref, inner: &Ref) -> Result<()> {
    if any::is_done(inner)? {
        return Ok(());
    }
    let own = fields(outer_link);
    if let Some(link) = own.inner_link.take() {
        collector::remove(inner, &link, &mut None)?;
    }
    if let (Some(link), Some(caller)) = (own.edge_link.take(), own.caller.take()) {
        collector::remove(inner, &link, &mut None)?;
        awaited_by::discard(inner, &caller)?;
    }
    Ok(())
}

/// What the callback that a link stands for is called in asyncio: `__name__` and `__qualname__`.
pub fn callback_name(link: &Ref) -> (&'static str, &'static str) {
    match fields(link).role.get() {
        Role::Inner => (
            "_inner_done_callback",
            "shield.<locals>._inner_done_callback",
        ),
        Role::Outer => (
            "_outer_done_callback",
            "shield.<locals>._outer_done_callback",
        ),
        Role::Edge => (
            "_clear_awaited_by_callback",
            "shield.<locals>._clear_awaited_by_callback",
        ),
    }
}
