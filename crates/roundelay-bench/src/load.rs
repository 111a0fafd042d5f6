//! The load: so many connections, on each of which a request waits for its reply before the next one goes out.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::connection::{Connection, Kind};

/// A server from which nothing comes for so long has failed.
const PATIENCE: Duration = Duration::from_secs(4);

/// How much is read at a time.
const MOST: usize = 256 * 1024;

pub struct Options {
    pub kind: Kind,
    /// Bytes of a request, and so of its reply.
    pub size: usize,
    pub connections: usize,
    /// About so many bytes of requests are under way at most; beyond that, connections take turns.
    pub in_flight: usize,
    /// Asks again and again instead of waiting: for a core that has nothing else to do.
    pub spin: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            size: 1024,
            connections: 1,
            in_flight: 64 << 20,
            spin: false,
        }
    }
}

/// Connects, says "ready", and does what each line of the input says, until it ends:
///
/// - `check COUNT`: so many requests, whose replies are compared with them.
/// - `go COUNT`: so many requests. Answered with the nanoseconds that they took, and those among them in which
///   there was nothing to do but to wait for the server.
pub fn run(port: u16, options: &Options) -> Result<(), Box<dyn Error>> {
    let mut load = Load::connect(port, options)?;
    answer("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, count) = line.split_once(' ').ok_or("a command and a count")?;
        let compare = match command {
            "check" => true,
            "go" => false,
            _ => return Err(format!("no such command: {command}").into()),
        };
        let start = Instant::now();
        let idle = load.requests(count.parse()?, compare)?;
        let elapsed = start.elapsed();
        answer(&format!("{} {}", elapsed.as_nanos(), idle.as_nanos()))?;
    }
    Ok(())
}

fn answer(line: &str) -> io::Result<()> {
    println!("{line}");
    io::stdout().flush()
}

struct Load {
    connections: Vec<Connection>,
    /// Those without a request, the one that waits longest first.
    resting: VecDeque<usize>,
    /// How many have a request under way at most.
    window: usize,
    message: Vec<u8>,
    poller: OwnedFd,
    spin: bool,
    /// How long the poller may wait: not at all, or as long as patience lasts.
    timeout: Timespec,
    buffer: Vec<u8>,
}

impl Load {
    fn connect(port: u16, options: &Options) -> io::Result<Self> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(options.connections);
        for key in 0..options.connections {
            let connection = Connection::open(options.kind, port)?;
            // Told of changes only, so that nothing is ever to be asked for anew.
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&poller, &connection, EventData::new_u64(key as u64), flags)?;
            connections.push(connection);
        }
        let patience = if options.spin {
            Duration::ZERO
        } else {
            PATIENCE
        };
        Ok(Self {
            connections,
            resting: (0..options.connections).collect(),
            window: (options.in_flight / options.size).clamp(1, options.connections),
            message: message(options.size),
            poller,
            spin: options.spin,
            timeout: Timespec::try_from(patience).map_err(io::Error::other)?,
            buffer: vec![0; MOST],
        })
    }

    /// Makes so many requests; returns for how long there was nothing to do.
    fn requests(&mut self, count: usize, compare: bool) -> io::Result<Duration> {
        let mut events = Vec::with_capacity(1024);
        let mut idle = Duration::ZERO;
        let (mut started, mut done) = (0, 0);
        while started < count.min(self.window) {
            started += 1;
            self.start_next()?;
        }
        let mut heard = Instant::now();
        while done < count {
            let asked = Instant::now();
            events.clear();
            epoll::wait(
                &self.poller,
                spare_capacity(&mut events),
                Some(&self.timeout),
            )?;
            if events.is_empty() || !self.spin {
                idle += asked.elapsed();
            }
            if !events.is_empty() {
                heard = asked;
            } else if !self.spin || asked - heard > PATIENCE {
                return Err(io::Error::other(format!(
                    "{done} of {count} replies, and no more after {PATIENCE:?}"
                )));
            }
            for event in &events {
                let key = event.data.u64() as usize;
                let connection = &mut self.connections[key];
                if connection.is_resting()
                    || !connection.go_on(&self.message, &mut self.buffer, compare)?
                {
                    continue;
                }
                done += 1;
                self.resting.push_back(key);
                if started < count {
                    started += 1;
                    self.start_next()?;
                }
            }
        }
        Ok(idle)
    }

    /// Begins a request on the connection that has rested longest.
    fn start_next(&mut self) -> io::Result<()> {
        let key = self
            .resting
            .pop_front()
            .expect("fewer requests than connections");
        self.connections[key].start(&self.message)
    }
}

/// A line in which no part looks like another.
fn message(size: usize) -> Vec<u8> {
    let mut message: Vec<u8> = (0..size).map(|place| b'a' + (place % 23) as u8).collect();
    message[size - 1] = b'\n';
    message
}
