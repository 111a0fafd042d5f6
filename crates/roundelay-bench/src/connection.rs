//! One connection of the load: a request on its way out, its reply on its way back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use crate::tls::Tls;

/// What is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    Tcp,
    Tls,
    Udp,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            "udp" => Ok(Self::Udp),
            _ => Err(format!("no such kind: {word}")),
        }
    }
}

/// What the bytes go through. None of them waits.
enum Channel {
    Tcp(TcpStream),
    Tls(Box<Tls>),
    Udp(UdpSocket),
}

impl Channel {
    fn open(kind: Kind, port: u16) -> io::Result<Self> {
        let address = (Ipv4Addr::LOCALHOST, port);
        if kind == Kind::Udp {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(address)?;
            socket.set_nonblocking(true)?;
            return Ok(Self::Udp(socket));
        }
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        if kind == Kind::Tls {
            return Ok(Self::Tls(Box::new(Tls::open(stream)?)));
        }
        stream.set_nonblocking(true)?;
        Ok(Self::Tcp(stream))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.send(bytes),
            Self::Udp(socket) => socket.send(bytes),
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(tls) => tls.receive(buffer),
            Self::Udp(socket) => socket.recv(buffer),
        }
    }
}

/// A connection with at most one request under way.
pub struct Connection {
    channel: Channel,
    /// Whether a request is under way.
    busy: bool,
    /// How many bytes of it are sent.
    sent: usize,
    /// How many bytes of the reply have come.
    received: usize,
}

impl Connection {
    pub fn open(kind: Kind, port: u16) -> io::Result<Self> {
        let channel = Channel::open(kind, port)?;
        Ok(Self {
            channel,
            busy: false,
            sent: 0,
            received: 0,
        })
    }

    /// Whether no request is under way. What is heard of such a connection is only that it could be written to.
    pub fn is_resting(&self) -> bool {
        !self.busy
    }

    /// Begins a request.
    pub fn start(&mut self, message: &[u8]) -> io::Result<()> {
        self.busy = true;
        self.sent = 0;
        self.received = 0;
        self.send(message)
    }

    /// Sends what there is room for.
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        while self.sent < message.len() {
            match self.channel.send(&message[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on with the request once the system has something to tell; true if its reply is complete.
    ///
    /// The poller tells of changes only, so everything that can be done is done. But for one thing: a read that
    /// does not fill the buffer found all there was, and needs none behind it.
    pub fn go_on(&mut self, message: &[u8], buffer: &mut [u8], compare: bool) -> io::Result<bool> {
        self.send(message)?;
        while self.received < message.len() {
            let count = match self.channel.receive(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let end = self.received + count;
            if end > self.sent || compare && buffer[..count] != message[self.received..end] {
                return Err(io::Error::other("the reply is not what was sent"));
            }
            self.received = end;
            if count < buffer.len() && end < message.len() && self.is_drained_by_short_reads() {
                return Ok(false);
            }
        }
        self.busy = false;
        Ok(true)
    }

    fn is_drained_by_short_reads(&self) -> bool {
        !matches!(self.channel, Channel::Tls(_))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.channel {
            Channel::Tcp(stream) => stream.as_fd(),
            Channel::Tls(tls) => tls.as_fd(),
            Channel::Udp(socket) => socket.as_fd(),
        }
    }
}
