//! Random programs of sleeps, gatherings, timeouts and cancellations, against arithmetic.
//!
//! What such a program gives and how long it takes can be computed without a loop, and must not depend on the order in which ready tasks run.
//! A failure prints the program, shrunk, and the seed of the order.

#![cfg(not(loom))]

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use roundelay::{
    Clock, Config, Order, TaskError, VirtualClock, gather, now, run_with, sleep, spawn, timeout,
};

#[derive(Clone, Debug)]
enum Program {
    Sleep(Delay),
    /// One after the other.
    Sequence(Vec<Program>),
    /// All at once.
    Gather(Vec<Program>),
    /// In a task that is awaited.
    Task(Box<Program>),
    /// Dropped when it takes too long.
    Timeout(Delay, Box<Program>),
    /// In a task that is watched for a while and then awaited.
    Shield(Delay, Box<Program>),
    /// In a task that is cancelled after a while.
    Cancel(Delay, Box<Program>),
}

/// Milliseconds. Each delay of a program also gets a number of nanoseconds of its own, see [`number`].
#[derive(Clone, Debug)]
struct Delay(u64, u32);

impl Delay {
    fn duration(&self) -> Duration {
        Duration::from_millis(self.0) + Duration::from_nanos(1 << self.1)
    }
}

fn programs() -> impl Strategy<Value = Program> {
    let delay = || (0..50_u64).prop_map(|millis| Delay(millis, 0));
    let leaf = delay().prop_map(Program::Sleep);
    let programs = leaf.prop_recursive(4, 18, 3, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let several = prop::collection::vec(inner, 0..4);
        prop_oneof![
            several.clone().prop_map(Program::Sequence),
            several.prop_map(Program::Gather),
            boxed.clone().prop_map(Program::Task),
            (delay(), boxed.clone()).prop_map(|(delay, inner)| Program::Timeout(delay, inner)),
            (delay(), boxed.clone()).prop_map(|(delay, inner)| Program::Shield(delay, inner)),
            (delay(), boxed).prop_map(|(delay, inner)| Program::Cancel(delay, inner)),
        ]
    });
    programs.prop_map(|mut program| {
        number(&mut program, &mut 0);
        program
    })
}

/// Gives every delay a power of two of nanoseconds, so that no two sums are equal and there are no ties, whose winner would depend on the order.
fn number(program: &mut Program, next: &mut u32) {
    let mut number_delay = |delay: &mut Delay| {
        // Programs of more than eighteen delays are rare, and below a millisecond there is room for these.
        delay.1 = (*next).min(62);
        *next += 1;
    };
    match program {
        Program::Sleep(delay) => number_delay(delay),
        Program::Sequence(several) | Program::Gather(several) => {
            several.iter_mut().for_each(|inner| number(inner, next));
        }
        Program::Task(inner) => number(inner, next),
        Program::Timeout(delay, inner)
        | Program::Shield(delay, inner)
        | Program::Cancel(delay, inner) => {
            number_delay(delay);
            number(inner, next);
        }
    }
}

/// What the program gives and how long it takes.
fn compute(program: &Program) -> (String, Duration) {
    match program {
        Program::Sleep(delay) => ("slept".into(), delay.duration()),
        Program::Sequence(several) => {
            let (results, times): (Vec<_>, Vec<_>) = several.iter().map(compute).unzip();
            (results.join(";"), times.iter().sum())
        }
        Program::Gather(several) => {
            let (results, times): (Vec<_>, Vec<_>) = several.iter().map(compute).unzip();
            let longest = times.into_iter().max().unwrap_or_default();
            (format!("[{}]", results.join(",")), longest)
        }
        Program::Task(inner) => compute(inner),
        Program::Timeout(delay, inner) => {
            let (result, time) = compute(inner);
            match time < delay.duration() {
                true => (result, time),
                false => ("too slow".into(), delay.duration()),
            }
        }
        Program::Shield(delay, inner) => {
            let (result, time) = compute(inner);
            let quick = time < delay.duration();
            (format!("{quick} {result}"), time)
        }
        Program::Cancel(delay, inner) => {
            let (result, time) = compute(inner);
            match time < delay.duration() {
                true => (result, delay.duration()),
                false => ("cancelled".into(), delay.duration()),
            }
        }
    }
}

/// How many futures there are at the moment.
#[derive(Clone, Default)]
struct Alive(Rc<Cell<i32>>);

struct Guard(Alive);

impl Alive {
    fn guard(&self) -> Guard {
        self.0.set(self.0.get() + 1);
        Guard(self.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

fn execute(program: Program, alive: Alive) -> Pin<Box<dyn Future<Output = String>>> {
    let guard = alive.guard();
    Box::pin(async move {
        let _guard = guard;
        let start = |inner: Program| execute(inner, alive.clone());
        match program {
            Program::Sleep(delay) => {
                sleep(delay.duration()).await;
                "slept".into()
            }
            Program::Sequence(several) => {
                let mut results = Vec::new();
                for inner in several {
                    results.push(start(inner).await);
                }
                results.join(";")
            }
            Program::Gather(several) => {
                let results = gather(several.into_iter().map(start)).await;
                format!("[{}]", results.join(","))
            }
            Program::Task(inner) => spawn(start(*inner)).await.unwrap(),
            Program::Timeout(delay, inner) => {
                let limited = timeout(delay.duration(), start(*inner));
                limited.await.unwrap_or_else(|_| "too slow".into())
            }
            Program::Shield(delay, inner) => {
                let mut task = spawn(start(*inner));
                match timeout(delay.duration(), &mut task).await {
                    Ok(result) => format!("true {}", result.unwrap()),
                    Err(_) => format!("false {}", task.await.unwrap()),
                }
            }
            Program::Cancel(delay, inner) => {
                let task = spawn(start(*inner));
                sleep(delay.duration()).await;
                task.cancel();
                match task.await {
                    Ok(result) => result,
                    Err(TaskError::Cancelled) => "cancelled".into(),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 400 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn programs_give_what_arithmetic_says_in_every_order(program in programs(), seed: u64) {
        let expected = compute(&program);
        for order in [Order::Fifo, Order::seeded(seed)] {
            let config = Config {
                clock: Clock::Virtual(VirtualClock::new()),
                order,
            };
            let alive = Alive::default();
            let outcome = run_with(config, async {
                let result = execute(program.clone(), alive.clone()).await;
                (result, now())
            });
            prop_assert_eq!(outcome.unwrap(), expected.clone());
            prop_assert_eq!(alive.0.get(), 0, "every future is dropped once");
        }
    }
}
