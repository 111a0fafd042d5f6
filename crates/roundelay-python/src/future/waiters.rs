//! Who is told when a future is done: one waiter inline, a boxed list beyond it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::native::Ref;

/// One party to be told.
pub enum Waiter {
    /// A native task on the same native loop, parked on the future.
    Task(Ref),
    /// A native object that collects many futures, this one among them; see `collector`.
    Collector(Ref),
    /// A callback and the context to run it in.
    Call(Ref, Ref),
}

impl Waiter {
    /// The same party, counted anew.
    pub fn copied(&self) -> Self {
        match self {
            Self::Task(task) => Self::Task(task.clone()),
            Self::Collector(collector) => Self::Collector(collector.clone()),
            Self::Call(callback, context) => Self::Call(callback.clone(), context.clone()),
        }
    }

    /// Whether both are the same party, by identity.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task(a), Self::Task(b)) | (Self::Collector(a), Self::Collector(b)) => a.is(b),
            (Self::Call(a, in_a), Self::Call(b, in_b)) => a.is(b) && in_a.is(in_b),
            _ => false,
        }
    }
}

/// What a slot held.
pub enum Waiters {
    /// Nobody.
    None,
    /// One task.
    Task(Ref),
    /// One collector.
    Collector(Ref),
    /// Any number, in the order they were added.
    #[allow(clippy::box_collection)] // One word in the slot, not three.
    List(Box<Vec<Waiter>>),
}

const TASK: usize = 1;
const COLLECTOR: usize = 2;
const LIST: usize = 3;
const TAG: usize = 7;

/// A tagged word: zero for nobody, else the tag above with a pointer that the slot owns.
#[repr(transparent)]
pub struct WaiterSlot(Cell<usize>);

impl WaiterSlot {
    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.get() == 0
    }

    /// Whether exactly a collector waits.
    #[inline]
    pub fn is_collector(&self) -> bool {
        self.0.get() & TAG == COLLECTOR
    }

    /// Takes everyone out.
    #[inline]
    pub fn take(&self) -> Waiters {
        let word = self.0.replace(0);
        let pointer = word & !TAG;
        // SAFETY: the slot owned what its tag says, and no longer does.
        unsafe {
            match word & TAG {
                TASK => Waiters::Task(Ref::owned(pointer as *mut ffi::PyObject)),
                COLLECTOR => Waiters::Collector(Ref::owned(pointer as *mut ffi::PyObject)),
                LIST => Waiters::List(Box::from_raw(pointer as *mut Vec<Waiter>)),
                _ => Waiters::None,
            }
        }
    }

    /// Puts back what [`WaiterSlot::take`] returned; the slot must be empty.
    #[inline]
    pub fn restore(&self, waiters: Waiters) {
        debug_assert!(self.is_empty());
        self.0.set(match waiters {
            Waiters::None => 0,
            Waiters::Task(task) => task.into_ptr() as usize | TASK,
            Waiters::Collector(collector) => collector.into_ptr() as usize | COLLECTOR,
            Waiters::List(list) => Box::into_raw(list) as usize | LIST,
        });
    }

    /// Adds one behind all others.
    #[inline]
    pub fn add(&self, waiter: Waiter) {
        let all = match (self.take(), waiter) {
            (Waiters::None, Waiter::Task(task)) => Waiters::Task(task),
            (Waiters::None, Waiter::Collector(collector)) => Waiters::Collector(collector),
            (Waiters::None, call) => Waiters::List(Box::new(vec![call])),
            (Waiters::Task(task), added) => {
                Waiters::List(Box::new(vec![Waiter::Task(task), added]))
            }
            (Waiters::Collector(collector), added) => {
                Waiters::List(Box::new(vec![Waiter::Collector(collector), added]))
            }
            (Waiters::List(mut list), added) => {
                list.push(added);
                Waiters::List(list)
            }
        };
        self.restore(all);
    }

    /// Takes out the collector that was added first, if there is one.
    #[inline]
    pub fn take_collector(&self) -> Option<Ref> {
        match self.take() {
            Waiters::Collector(collector) => Some(collector),
            Waiters::List(list) => {
                let mut list = *list;
                let place = list
                    .iter()
                    .position(|waiter| matches!(waiter, Waiter::Collector(_)));
                let first = place.map(|place| list.remove(place));
                self.restore(Waiters::from_vec(list));
                match first {
                    Some(Waiter::Collector(collector)) => Some(collector),
                    _ => None,
                }
            }
            other => {
                self.restore(other);
                None
            }
        }
    }

    /// The collector that was added first, if there is one.
    pub fn first_collector(&self) -> Option<Ref> {
        let first = self.take_collector()?;
        let mut rest = self.take().into_vec();
        rest.insert(0, Waiter::Collector(first.clone()));
        self.restore(Waiters::from_vec(rest));
        Some(first)
    }

    /// Takes out this collector, however often it is there. What comes back is to be dropped when
    /// everything is in order again.
    #[inline]
    pub fn remove_collector(&self, collector: &Ref) -> Waiters {
        if self.0.get() == collector.as_ptr() as usize | COLLECTOR {
            return self.take();
        }
        if self.0.get() & TAG != LIST {
            return Waiters::None;
        }
        let (gone, kept) =
            self.take().into_vec().into_iter().partition(
                |waiter| matches!(waiter, Waiter::Collector(other) if other.is(collector)),
            );
        self.restore(Waiters::from_vec(kept));
        Waiters::from_vec(gone)
    }

    /// Visits every reference.
    ///
    /// # Safety
    /// Called from `tp_traverse` with the collector's arguments.
    pub unsafe fn traverse(&self, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
        let word = self.0.get();
        let pointer = word & !TAG;
        match word & TAG {
            // SAFETY: the slot owns the object.
            TASK | COLLECTOR => unsafe { visit(pointer as *mut ffi::PyObject, arg) },
            LIST => {
                // SAFETY: the slot owns the list, and the collector runs no other code meanwhile.
                let list = unsafe { &*(pointer as *const Vec<Waiter>) };
                for waiter in list {
                    let (first, second) = match waiter {
                        Waiter::Task(object) | Waiter::Collector(object) => (object, None),
                        Waiter::Call(callback, context) => (callback, Some(context)),
                    };
                    for object in std::iter::once(first).chain(second) {
                        // SAFETY: the list owns the object.
                        let status = unsafe { visit(object.as_ptr(), arg) };
                        if status != 0 {
                            return status;
                        }
                    }
                }
                0
            }
            _ => 0,
        }
    }
}

impl Waiters {
    /// As a vector, oldest first.
    pub fn into_vec(self) -> Vec<Waiter> {
        match self {
            Waiters::None => vec![],
            Waiters::Task(task) => vec![Waiter::Task(task)],
            Waiters::Collector(collector) => vec![Waiter::Collector(collector)],
            Waiters::List(list) => *list,
        }
    }

    /// From a vector, oldest first.
    pub fn from_vec(mut list: Vec<Waiter>) -> Self {
        match (list.len(), list.pop()) {
            (_, None) => Waiters::None,
            (1, Some(Waiter::Task(task))) => Waiters::Task(task),
            (1, Some(Waiter::Collector(collector))) => Waiters::Collector(collector),
            (_, Some(last)) => {
                list.push(last);
                Waiters::List(Box::new(list))
            }
        }
    }
}
