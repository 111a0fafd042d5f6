//! The other end of the servers that `make bench` measures, and the fastest of them.
//!
//! ```text
//! roundelay-bench load PORT [OPTIONS]    sends requests to an echo server on 127.0.0.1 and counts the replies
//! roundelay-bench serve [OPTIONS]        is an echo server with nothing around it
//! ```
//!
//! A server is measured on one core while the load comes from another, and the load must cost less than any
//! server does; hence Rust, one thread, and no system call but one `send` and one `recv` for a request.
//!
//! Only 127.0.0.1 is spoken to, every run is bounded in count, and a server that does not answer ends it.

#![forbid(unsafe_code)]

mod connection;
mod load;
mod serve;
mod tls;

use std::error::Error;
use std::process::ExitCode;

use lexopt::prelude::*;
use rustix::process::{Resource, getrlimit, setrlimit};

const USAGE: &str =
    "usage: roundelay-bench load PORT [--kind tcp|tls|udp] [--size BYTES] [--connections N]
                            [--in-flight BYTES] [--spin]
       roundelay-bench serve [--udp]";

/// What the command line asks for.
struct Options {
    command: String,
    port: u16,
    udp: bool,
    load: load::Options,
}

fn main() -> ExitCode {
    let outcome = parse().map_err(Box::from).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roundelay-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Options, lexopt::Error> {
    let mut options = Options {
        command: String::new(),
        port: 0,
        udp: false,
        load: load::Options::default(),
    };
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) => words.push(word.string()?),
            Long("udp") => options.udp = true,
            Long("kind") => options.load.kind = parser.value()?.parse()?,
            Long("size") => options.load.size = parser.value()?.parse()?,
            Long("connections") => options.load.connections = parser.value()?.parse()?,
            Long("in-flight") => options.load.in_flight = parser.value()?.parse()?,
            Long("spin") => options.load.spin = true,
            _ => return Err(argument.unexpected()),
        }
    }
    match &words[..] {
        [command] if command == "serve" => {}
        [command, port] if command == "load" => options.port = port.parse().map_err(|_| USAGE)?,
        _ => return Err(USAGE.into()),
    }
    if options.load.size == 0 || options.load.connections == 0 {
        return Err("a request has at least one byte, and there is at least one connection".into());
    }
    options.command = words.swap_remove(0);
    Ok(options)
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    // As many descriptors as may be had without asking.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files)?;
    match &*options.command {
        "serve" if options.udp => Ok(serve::datagrams()?),
        "serve" => Ok(serve::connections()?),
        _ => load::run(options.port, &options.load),
    }
}
