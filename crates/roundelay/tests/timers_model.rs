//! The timer heap against a naive model, over random programs. A failure prints the program, shrunk.

#![cfg(not(loom))]

use proptest::prelude::*;
use proptest::sample::Index;
use roundelay::{TimerId, Timers};

#[derive(Clone, Debug)]
enum Step {
    Insert { at: u8 },
    Cancel { which: Index },
    Replace { which: Index },
    PopDue { before: u8 },
    NextDeadline,
    Trim,
    Drain,
}

/// `inserts` and `cancels` weigh the two against each other: programs that mostly insert build deep heaps, programs that mostly cancel reach the sweep.
fn steps(inserts: u32, cancels: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        inserts => (0..40_u8).prop_map(|at| Step::Insert { at }),
        cancels => any::<Index>().prop_map(|which| Step::Cancel { which }),
        2 => any::<Index>().prop_map(|which| Step::Replace { which }),
        4 => (0..40_u8).prop_map(|before| Step::PopDue { before }),
        2 => Just(Step::NextDeadline),
        1 => Just(Step::Trim),
    ];
    let rare = prop_oneof![400 => step, 1 => Just(Step::Drain)];
    prop::collection::vec(rare, 0..600)
}

/// What a timer heap is: a list of live timers, searched from end to end.
#[derive(Default)]
struct Model {
    timers: Vec<Timer>,
    next_seq: u64,
}

struct Timer {
    at: u8,
    seq: u64,
    id: TimerId,
    payload: u32,
}

impl Model {
    fn insert(&mut self, at: u8, id: TimerId, payload: u32) {
        let seq = self.next_seq;
        self.next_seq += 1;
        assert!(
            self.timers.iter().all(|timer| timer.id != id),
            "{id:?} is taken"
        );
        self.timers.push(Timer {
            at,
            seq,
            id,
            payload,
        });
    }

    fn first(&self) -> Option<usize> {
        let timers = self.timers.iter().enumerate();
        let first = timers.min_by_key(|(_, timer)| (timer.at, timer.seq));
        first.map(|(index, _)| index)
    }

    fn pop_due(&mut self, before: u8) -> Option<u32> {
        let first = self.first()?;
        (self.timers[first].at < before).then(|| self.timers.remove(first).payload)
    }

    fn payloads(&self) -> Vec<u32> {
        let mut payloads: Vec<u32> = self.timers.iter().map(|timer| timer.payload).collect();
        payloads.sort_unstable();
        payloads
    }
}

fn compare(steps: Vec<Step>) {
    let mut heap = Timers::new();
    let mut model = Model::default();
    for (number, step) in (0..).zip(steps) {
        match step {
            Step::Insert { at } => {
                let id = heap.insert(at, number);
                model.insert(at, id, number);
            }
            Step::Cancel { which } => {
                if !model.timers.is_empty() {
                    let timer = model.timers.remove(which.index(model.timers.len()));
                    assert_eq!(heap.cancel(timer.id), Some(timer.payload));
                }
            }
            Step::Replace { which } => {
                if !model.timers.is_empty() {
                    let which = which.index(model.timers.len());
                    let timer = &mut model.timers[which];
                    assert_eq!(heap.replace(timer.id, number), Some(timer.payload));
                    timer.payload = number;
                }
            }
            Step::PopDue { before } => assert_eq!(heap.pop_due(before), model.pop_due(before)),
            Step::NextDeadline => {
                let first = model.first().map(|first| model.timers[first].at);
                assert_eq!(heap.next_deadline(), first);
            }
            Step::Trim => heap.trim(),
            Step::Drain => {
                let expected: Vec<u32> = std::iter::from_fn(|| model.pop_due(u8::MAX)).collect();
                assert_eq!(heap.drain(), expected);
            }
        }
        assert_eq!(heap.len(), model.timers.len());
        assert_eq!(heap.is_empty(), model.timers.is_empty());
    }
    let mut payloads: Vec<u32> = heap.iter().copied().collect();
    payloads.sort_unstable();
    assert_eq!(payloads, model.payloads());
    while let Some(payload) = model.pop_due(u8::MAX) {
        assert_eq!(heap.pop_due(u8::MAX), Some(payload));
    }
    assert_eq!(heap.pop_due(u8::MAX), None);
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 128 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn timers_that_mostly_fire(steps in steps(12, 3)) {
        compare(steps);
    }

    #[test]
    fn timers_that_are_mostly_cancelled(steps in steps(12, 10)) {
        compare(steps);
    }
}
