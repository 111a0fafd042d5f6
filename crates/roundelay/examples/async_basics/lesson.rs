//! The lesson's program. It prints to any writer, so that a test can read what it prints.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use roundelay::{gather, now, sleep, spawn};

/// Where the program prints. Tasks share it; they run on one thread, so nothing needs to be locked.
pub type Output<W> = Rc<RefCell<W>>;

macro_rules! print_to {
    ($out:expr, $($text:tt)*) => {
        writeln!($out.borrow_mut(), $($text)*).expect("the output is open")
    };
}

pub async fn main<W: Write + 'static>(out: Output<W>) {
    run_sequential(&out).await;
    run_concurrent(&out).await;
    run_with_spawn(&out).await;
}

/// Pauses here and lets others go on: that is what `await` says.
async fn do_task<W: Write>(out: Output<W>, name: &str, seconds: u64) -> String {
    print_to!(out, "  Task {name} starting...");
    sleep(Duration::from_secs(seconds)).await;
    let plural = if seconds == 1 { "" } else { "s" };
    print_to!(out, "  Task {name} done after {seconds} second{plural}");
    format!("{name} result")
}

/// One after the other: the times add up.
async fn run_sequential<W: Write>(out: &Output<W>) {
    print_to!(out, "--- Sequential execution ---");
    let start = now();

    do_task(out.clone(), "A", 2).await;
    do_task(out.clone(), "B", 1).await;
    do_task(out.clone(), "C", 3).await;

    let elapsed = (now() - start).as_secs_f64();
    print_to!(out, "Sequential total: ~{elapsed:.0} seconds\n");
}

/// All at once: the longest one counts.
async fn run_concurrent<W: Write + 'static>(out: &Output<W>) {
    print_to!(out, "--- Concurrent execution ---");
    let start = now();

    let results = gather([
        do_task(out.clone(), "A", 2),
        do_task(out.clone(), "B", 1),
        do_task(out.clone(), "C", 3),
    ])
    .await;

    let elapsed = (now() - start).as_secs_f64();
    print_to!(out, "Concurrent total: ~{elapsed:.0} seconds");
    print_to!(out, "Results: ['{}']\n", results.join("', '"));
}

/// All at once as well, with a handle to each.
async fn run_with_spawn<W: Write + 'static>(out: &Output<W>) {
    print_to!(out, "--- Using create_task() ---");
    let start = now();

    let task_a = spawn(do_task(out.clone(), "A", 2));
    let task_b = spawn(do_task(out.clone(), "B", 1));
    let task_c = spawn(do_task(out.clone(), "C", 3));

    for task in [task_a, task_b, task_c] {
        task.await
            .expect("the task neither panics nor is cancelled");
    }

    let elapsed = (now() - start).as_secs_f64();
    print_to!(out, "create_task total: ~{elapsed:.0} seconds");
}
