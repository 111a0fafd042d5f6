//! In which order things happen.

use roundelay::{Config, Order, run_with, sleep, spawn, yield_now};

use crate::support::{Log, run_virtual, seconds, virtual_config, watchdog};

#[test]
fn a_spawned_task_begins_when_its_parent_first_pauses() {
    let log = Log::default();
    run_virtual(async {
        let task = spawn({
            let log = log.clone();
            async move { log.add("child") }
        });
        log.add("parent goes on");
        task.await.unwrap();
        log.add("parent after child");
    });
    assert_eq!(
        log.take(),
        ["parent goes on", "child", "parent after child"]
    );
}

#[test]
fn yielding_tasks_take_turns() {
    let log = Log::default();
    run_virtual(async {
        let tasks = ["a", "b", "c"].map(|name| {
            let log = log.clone();
            spawn(async move {
                for step in 1..=2 {
                    log.add(format!("{name}{step}"));
                    yield_now().await;
                }
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["a1", "b1", "c1", "a2", "b2", "c2"]);
}

#[test]
fn what_becomes_ready_during_a_turn_waits_for_the_next() {
    let log = Log::default();
    run_virtual(async {
        let spawner = {
            let log = log.clone();
            spawn(async move {
                let inner = log.clone();
                spawn(async move { inner.add("spawned in turn 2") });
                log.add("turn 2, first");
            })
        };
        let second = {
            let log = log.clone();
            spawn(async move { log.add("turn 2, second") })
        };
        second.await.unwrap();
        spawner.await.unwrap();
        yield_now().await;
    });
    assert_eq!(
        log.take(),
        ["turn 2, first", "turn 2, second", "spawned in turn 2"]
    );
}

#[test]
fn equal_sleeps_end_in_the_order_in_which_they_began() {
    let log = Log::default();
    run_virtual(async {
        let tasks = [(1, "one"), (0, "zero"), (1, "one too")].map(|(delay, name)| {
            let log = log.clone();
            spawn(async move {
                sleep(seconds(delay)).await;
                log.add(name);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["zero", "one", "one too"]);
}

/// The order in which eight tasks run that are all ready at once.
fn order_of(order: Order) -> Vec<String> {
    watchdog();
    let log = Log::default();
    let config = Config {
        order,
        ..virtual_config()
    };
    run_with(config, async {
        for number in 0..8 {
            let log = log.clone();
            spawn(async move { log.add(number.to_string()) });
        }
        yield_now().await;
        yield_now().await;
    })
    .unwrap();
    log.take()
}

#[test]
fn a_seed_chooses_an_order_and_always_the_same() {
    let fifo = order_of(Order::Fifo);
    assert_eq!(fifo, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let orders: Vec<_> = (0..4).map(|seed| order_of(Order::seeded(seed))).collect();
    for (seed, order) in (0..4).zip(&orders) {
        assert_eq!(*order, order_of(Order::seeded(seed)), "seed {seed}");
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, fifo, "seed {seed}");
    }
    assert!(orders.iter().any(|order| *order != fifo), "{orders:?}");
}
