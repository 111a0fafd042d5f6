//! Which loop runs on this thread, and how a waker finds its way back to it.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use async_task::Runnable;

use crate::event_loop::EventLoop;
use crate::{Inbox, Wakeup};

thread_local! {
    /// The loop that runs on this thread, from the beginning of `run` until all its tasks have ended.
    static CURRENT: RefCell<Option<Rc<EventLoop>>> = const { RefCell::new(None) };
}

/// Whether a loop runs on this thread.
pub(crate) fn is_running() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Makes `event_loop` the loop of this thread, which has none.
pub(crate) fn enter(event_loop: &Rc<EventLoop>) {
    let before = CURRENT.replace(Some(Rc::clone(event_loop)));
    debug_assert!(before.is_none(), "one loop at a time");
}

/// Ends what [`enter`] began.
pub(crate) fn leave() {
    // Taken out first and dropped after: its destructors may look for the current loop.
    drop(CURRENT.take());
}

/// The loop that runs on this thread.
///
/// # Panics
///
/// If there is none.
#[track_caller]
pub(crate) fn get() -> Rc<EventLoop> {
    match CURRENT.with_borrow(Clone::clone) {
        Some(event_loop) => event_loop,
        None => panic!("no running event loop"),
    }
}

/// What is ready to run.
pub(crate) enum Entry {
    /// The future that was given to `run` has been woken.
    Main,
    /// A task has been woken.
    Task(Runnable),
    /// The main future has finished: the turn that meets this entry is the last one.
    ///
    /// It goes through the ring like everything else, so that what was ready before it still runs, as in asyncio.
    Stop,
}

/// What wakers know of their loop. Wakers go everywhere, so this is all that other threads see.
pub(crate) struct Remote {
    pub(crate) inbox: Inbox<Entry>,
    /// `None` under a virtual clock, where the loop never sleeps.
    pub(crate) wakeup: Option<Wakeup>,
}

impl Remote {
    /// Puts an entry into the loop's ready ring, directly on the loop's own thread and through the inbox from elsewhere.
    pub(crate) fn schedule(self: &Arc<Self>, entry: Entry) {
        let mut entry = Some(entry);
        // The thread's own storage may be gone already, when a waker is used in another thread-local's destructor.
        let _ = CURRENT.try_with(|current| {
            if let Some(event_loop) = &*current.borrow() {
                if event_loop.is_at(self) {
                    entry
                        .take()
                        .into_iter()
                        .for_each(|entry| event_loop.push(entry));
                }
            }
        });
        let Some(entry) = entry else { return };
        match self.inbox.push(entry) {
            Ok(()) => self.wakeup.iter().for_each(Wakeup::wake),
            // The loop has gone, and with it all its tasks, so there is nothing to run.
            // A runnable may be dropped on its own thread alone; this may be another.
            Err(entry) => mem::forget(entry),
        }
    }
}
