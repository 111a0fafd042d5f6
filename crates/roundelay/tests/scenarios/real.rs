//! With real time and other threads.

#![cfg(not(miri))]

use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use roundelay::{gather, now, run, sleep, spawn, timeout, yield_now};

use crate::support::watchdog;

#[test]
fn sleeping_takes_as_long_as_it_says_and_little_longer() {
    watchdog();
    let start = Instant::now();
    run(async {
        let before = now();
        gather([3, 20, 10].map(|millis| sleep(Duration::from_millis(millis)))).await;
        assert!(now() - before >= Duration::from_millis(20));
    });
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(20), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_sleeping_loop_is_woken_by_another_thread() {
    watchdog();
    let (to_thread, wakers) = mpsc::channel::<Waker>();
    let helper = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    run(async {
        for _ in 0..1000 {
            let mut asked = false;
            std::future::poll_fn(|context| {
                if asked {
                    return Poll::Ready(());
                }
                asked = true;
                to_thread.send(context.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
        }
        drop(to_thread);
    });
    helper.join().unwrap();
}

#[test]
fn many_threads_wake_many_tasks() {
    watchdog();
    const TASKS: u32 = 200;
    let (to_threads, wakers) = mpsc::channel::<Waker>();
    let wakers = std::sync::Arc::new(std::sync::Mutex::new(wakers));
    let helpers: Vec<_> = (0..4)
        .map(|_| {
            let wakers = wakers.clone();
            thread::spawn(move || {
                loop {
                    let next = wakers.lock().unwrap().recv();
                    match next {
                        Ok(waker) => waker.wake(),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    let sum: u32 = run(async {
        let results = gather((0..TASKS).map(|number| {
            let to_threads = to_threads.clone();
            let mut rounds = 10;
            std::future::poll_fn(move |context| {
                if rounds == 0 {
                    return Poll::Ready(number);
                }
                rounds -= 1;
                to_threads.send(context.waker().clone()).unwrap();
                Poll::Pending
            })
        }));
        results.await.into_iter().sum()
    });
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    drop(to_threads);
    helpers
        .into_iter()
        .for_each(|helper| helper.join().unwrap());
}

#[test]
fn a_spinning_task_starves_neither_timers_nor_other_threads() {
    watchdog();
    let elapsed = run(async {
        let spinner = spawn(async {
            loop {
                yield_now().await;
            }
        });
        let start = Instant::now();
        sleep(Duration::from_millis(2)).await;
        let (send, receive) = mpsc::channel::<Waker>();
        let helper = thread::spawn(move || receive.into_iter().for_each(Waker::wake));
        let mut asked = false;
        std::future::poll_fn(|context| {
            if asked {
                return Poll::Ready(());
            }
            asked = true;
            send.send(context.waker().clone()).unwrap();
            Poll::Pending
        })
        .await;
        drop(send);
        helper.join().unwrap();
        spinner.cancel();
        start.elapsed()
    });
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}

#[test]
fn a_loop_per_thread() {
    watchdog();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            thread::spawn(move || {
                run(async {
                    timeout(Duration::from_secs(60), spawn(async move { number }))
                        .await
                        .unwrap()
                        .unwrap()
                })
            })
        })
        .collect();
    let results: Vec<i32> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(results, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[cfg(target_os = "linux")]
#[test]
fn thousands_of_loops_leave_no_descriptor_open() {
    watchdog();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    run(yield_now());
    let before = open();
    for _ in 0..2000 {
        run(yield_now());
    }
    // Other tests of this process open and close descriptors meanwhile.
    let after = open();
    assert!(
        after < before + 500,
        "{before} descriptors before, {after} after"
    );
}
