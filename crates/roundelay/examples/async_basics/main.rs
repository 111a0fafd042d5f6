//! Sequential and concurrent execution, step by step: the lesson's Python program, in Rust.
//!
//! Run it with `cargo run --example async_basics`. It takes twelve seconds.

mod lesson;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

fn main() {
    roundelay::run(lesson::main(Rc::new(RefCell::new(io::stdout()))));
}
