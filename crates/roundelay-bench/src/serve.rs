//! An echo server with nothing around it: `epoll_wait`, `recv`, `send`. No server does with less, so it is
//! the limit that the others are held against.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};

/// How much is read at a time, as asyncio's transports do.
const MOST: usize = 256 * 1024;

/// The key of the listening socket; descriptors have smaller ones.
const LISTENER: u64 = u64::MAX;

/// Says under which port the server is found, and ends the process when whoever reads that has gone.
fn announce(port: u16) -> io::Result<()> {
    println!("{port}");
    io::stdout().flush()?;
    thread::spawn(|| {
        // The end of the input, or an error: either way nobody is there.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(())
}

/// Sends every datagram back to where it came from, until the input ends.
pub fn datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    announce(socket.local_addr()?.port())?;
    let mut buffer = vec![0; MOST];
    loop {
        let (count, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..count], from)?;
    }
}

/// A connection, and what could not be sent back yet.
struct Peer {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// Sends back whatever comes, until the input ends.
pub fn connections() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // `bind` listens with a backlog of 128; the load brings a thousand at once.
    rustix::net::listen(&listener, 1024)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?.port())?;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &poller,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    // By descriptor.
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut buffer = vec![0; MOST];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&poller, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                accept(&listener, &poller, &mut peers)?;
            } else if let Some(place) = peers.get_mut(key as usize)
                && let Some(peer) = place
                && !serve(peer, event.flags, &mut buffer, &poller)
            {
                *place = None; // Closing takes it from the poller.
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poller: impl AsFd,
    peers: &mut Vec<Option<Peer>>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let place = stream.as_raw_fd() as usize;
        let key = EventData::new_u64(place as u64);
        epoll::add(&poller, &stream, key, EventFlags::IN)?;
        if peers.len() <= place {
            peers.resize_with(place + 1, || None);
        }
        let rest = Vec::new();
        peers[place] = Some(Peer { stream, rest });
    }
}

/// One turn of a connection; false at its end, whatever that was.
fn serve(peer: &mut Peer, ready: EventFlags, buffer: &mut [u8], poller: impl AsFd) -> bool {
    if !peer.rest.is_empty() {
        return ready.intersects(EventFlags::OUT | EventFlags::ERR) && send_rest(peer, poller);
    }
    let received = match peer.stream.read(buffer) {
        Ok(0) => return false,
        Ok(count) => &buffer[..count],
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    };
    match peer.stream.write(received) {
        Ok(sent) if sent == received.len() => return true,
        Ok(sent) => peer.rest.extend_from_slice(&received[sent..]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            peer.rest.extend_from_slice(received)
        }
        Err(_) => return false,
    }
    watch(peer, EventFlags::OUT, poller)
}

/// Sends what is left; nothing is read meanwhile.
fn send_rest(peer: &mut Peer, poller: impl AsFd) -> bool {
    match peer.stream.write(&peer.rest) {
        Ok(sent) => {
            peer.rest.drain(..sent);
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_) => return false,
    }
    !peer.rest.is_empty() || watch(peer, EventFlags::IN, poller)
}

fn watch(peer: &Peer, flags: EventFlags, poller: impl AsFd) -> bool {
    let key = EventData::new_u64(peer.stream.as_raw_fd() as u64);
    epoll::modify(poller, &peer.stream, key, flags).is_ok()
}
