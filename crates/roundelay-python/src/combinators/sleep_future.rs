//! Real futures for native sleeps, made when somebody asks for one.

use crate::eventloop::{self, Word, handle};
use crate::future::{self, Waiter, outcome};
use crate::imports::{imports, names};
use crate::native::gc::track;
use crate::native::{Args, Ref, Result, none};
use crate::statics::Once;
use crate::task::{self, Sleeping};

/// `set_result_unless_cancelled(future, result)`, what the timer of a real future calls.
pub static FINISH: Once<Ref> = Once::new();

/// Sets the future's result when the loop's clock shows `when`.
pub fn start_timer(event_loop: &Ref, when: f64, future: &Ref, result: &Ref) -> Result<Ref> {
    let args = handle::Arguments::Many(crate::native::tuple(&[future, result])?);
    let timer = handle::make_timer(event_loop, when, None, FINISH.get(), args, None)?;
    let id = eventloop::data(event_loop).add_timer(when, Word::handle(timer.clone()));
    handle::scheduled(&timer, id);
    Ok(timer)
}

/// `set_result_unless_cancelled(future, result)`
pub fn finish(_module: &Ref, args: Args<'_>) -> Result<Ref> {
    let [future, result] = args.bind("_set_result_unless_cancelled", ["fut", "result"], 2, 2)?;
    let (future, result) = (future.expect("required"), result.expect("required"));
    match future::native(future) {
        Some(fut) if fut.is_pending() => outcome::set_result(future, result.clone())?,
        Some(_) => {}
        None => {
            if !future.call_method(&names().done, [])?.truthy()? {
                let set_result = future.getattr(&crate::native::string("set_result")?)?;
                set_result.call([result])?;
            }
        }
    }
    Ok(none())
}

/// A task whose native sleep was cancelled shows a cancelled future until its next step, as it would if
/// the sleep had had one. Any other task shows nothing here.
pub fn cancelled_stand_in(task: &Ref) -> Result<Ref> {
    let own = task::body(task);
    let Some(thrown) = own.future.rare().and_then(|rare| rare.throw_next.get()) else {
        return Ok(none());
    };
    if !thrown.is_exception_of(imports().cancelled_error.as_ptr()) {
        return Ok(none());
    }
    let event_loop = own
        .future
        .event_loop
        .get()
        .expect("a scheduled task has a loop");
    let future = future::new_pending(&event_loop)?;
    outcome::cancel(&future, own.future.cancel_message())?;
    own.waiting_on.set(future.clone());
    Ok(future)
}

/// Gives a native task that sleeps without a future one that stands for the sleep.
pub fn materialise(task: &Ref) -> Result<Ref> {
    let own = task::body(task);
    let event_loop = own
        .future
        .event_loop
        .get()
        .expect("a sleeping task has a loop");
    let state = eventloop::data(&event_loop);
    let future = future::new_pending(&event_loop)?;
    let args = handle::Arguments::Many(crate::native::tuple(&[&future, &none()])?);
    let timer = handle::make_timer(&event_loop, state.time(), None, FINISH.get(), args, None)?;
    if eventloop::sleeps::look(task) != Sleeping::Timer {
        return Ok(none());
    }
    let id = own.timer.get();
    if let Some(word) = state.replace_timer(id, Word::handle(timer.clone())) {
        handle::scheduled(&timer, id);
        own.flags().sleeping.set(Sleeping::No);
        track(task);
        own.waiting_on.set(future.clone());
        future::body(&future)
            .waiters
            .add(Waiter::Task(word.into_object()));
    }
    Ok(future)
}
