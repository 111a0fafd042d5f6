//! The lesson's program prints what the lesson says, to the letter.

#![cfg(not(loom))]

#[path = "../examples/async_basics/lesson.rs"]
mod lesson;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use roundelay::{Clock, Config, VirtualClock, now, run_with};

/// What the lesson lists as expected output.
const EXPECTED: &str = "\
--- Sequential execution ---
  Task A starting...
  Task A done after 2 seconds
  Task B starting...
  Task B done after 1 second
  Task C starting...
  Task C done after 3 seconds
Sequential total: ~6 seconds

--- Concurrent execution ---
  Task A starting...
  Task B starting...
  Task C starting...
  Task B done after 1 second
  Task A done after 2 seconds
  Task C done after 3 seconds
Concurrent total: ~3 seconds
";

/// What the lesson's code prints after that.
const REST: &str = "\
Results: ['A result', 'B result', 'C result']

--- Using create_task() ---
  Task A starting...
  Task B starting...
  Task C starting...
  Task B done after 1 second
  Task A done after 2 seconds
  Task C done after 3 seconds
create_task total: ~3 seconds
";

#[test]
fn the_lesson_prints_its_expected_output_and_takes_twelve_seconds() {
    let config = Config {
        clock: Clock::Virtual(VirtualClock::new()),
        ..Config::default()
    };
    let out = Rc::new(RefCell::new(Vec::new()));
    let took = run_with(config, async {
        lesson::main(out.clone()).await;
        now()
    });
    let printed = String::from_utf8(out.take()).unwrap();
    assert_eq!(printed, format!("{EXPECTED}{REST}"));
    assert_eq!(took.unwrap(), Duration::from_secs(12));
}
