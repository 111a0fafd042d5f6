//! The ready ring against a naive model, over random programs. A failure prints the program, shrunk.

#![cfg(not(loom))]

use proptest::prelude::*;
use roundelay::{Order, Ready, SplitMix};

#[derive(Clone, Debug)]
enum Step {
    Push,
    Take { batch_left: usize },
    Trim,
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Push),
        6 => (1..12_usize).prop_map(|batch_left| Step::Take { batch_left }),
        1 => Just(Step::Trim),
        1 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 0..200)
}

/// What a ring is: a list, from which an index chosen by the order is removed.
struct Model {
    entries: Vec<u32>,
    choose: Box<dyn FnMut(usize) -> usize>,
}

impl Model {
    fn take(&mut self, batch_left: usize) -> Option<u32> {
        let choices = batch_left.min(self.entries.len());
        let index = (self.choose)(choices);
        (choices > 0).then(|| self.entries.remove(index))
    }
}

fn compare(mut ring: Ready<u32>, mut model: Model, steps: Vec<Step>) {
    for (number, step) in (0..).zip(steps) {
        match step {
            Step::Push => {
                ring.push(number);
                model.entries.push(number);
            }
            Step::Take { batch_left } => {
                assert_eq!(ring.take(batch_left), model.take(batch_left));
            }
            Step::Trim => ring.trim(),
            Step::Drain => assert_eq!(ring.drain(), std::mem::take(&mut model.entries)),
        }
        assert_eq!(ring.len(), model.entries.len());
        assert_eq!(ring.is_empty(), model.entries.is_empty());
        assert!(ring.iter().eq(&model.entries));
        for others in 0..=ring.len() {
            assert_eq!(ring.ahead(others), model.entries.get(others));
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_fifo_ring_is_a_queue(steps in steps()) {
        let model = Model { entries: Vec::new(), choose: Box::new(|_| 0) };
        compare(Ready::new(), model, steps);
    }

    #[test]
    fn a_seeded_ring_removes_what_its_generator_chooses(seed: u64, steps in steps()) {
        let mut generator = SplitMix::new(seed);
        let choose = Box::new(move |choices| generator.below(choices));
        let model = Model { entries: Vec::new(), choose };
        compare(Ready::with_order(Order::seeded(seed)), model, steps);
    }
}
