//! The tasks of a loop that have not ended.

#![forbid(unsafe_code)]

use std::rc::Rc;

/// What a loop needs of a task, whatever its result.
pub(crate) trait AnyTask {
    /// Asks the task to end. `false` if it has ended already.
    fn cancel(&self) -> bool;
    /// The number of the task, by order of creation.
    fn number(&self) -> u64;
    /// Name and origin of the task, for messages.
    fn name(&self) -> String;
}

/// A slab of tasks: each one knows its place, so that adding and removing take no search.
pub(crate) struct Registry {
    places: Vec<Option<Rc<dyn AnyTask>>>,
    /// Empty places.
    free: Vec<usize>,
    /// The number of the youngest task.
    youngest: u64,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            youngest: 0,
        }
    }

    /// The number of a new task. The first is 1.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.youngest += 1;
        self.youngest
    }

    /// Adds a task and returns its place.
    pub(crate) fn insert(&mut self, task: Rc<dyn AnyTask>) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(task);
                place
            }
            None => {
                self.places.push(Some(task));
                self.places.len() - 1
            }
        }
    }

    /// Removes the task at `place` and hands it to the caller, who drops it outside of any borrow.
    pub(crate) fn remove(&mut self, place: usize) -> Option<Rc<dyn AnyTask>> {
        let task = self.places[place].take();
        self.free.push(place);
        if self.is_empty() {
            // Give back what a burst of tasks took.
            self.places.clear();
            self.places.shrink_to(64);
            self.free.clear();
            self.free.shrink_to(64);
        }
        task
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// The tasks, oldest first.
    pub(crate) fn in_order(&self) -> Vec<Rc<dyn AnyTask>> {
        let mut tasks: Vec<_> = self.places.iter().flatten().cloned().collect();
        tasks.sort_unstable_by_key(|task| task.number());
        tasks
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.in_order().iter().map(|task| task.name()).collect()
    }
}
