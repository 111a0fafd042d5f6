"""TLS for tests: contexts, and a peer that speaks TLS over a bare socket, a step at a time.

What the peer does has its effect at once, so a program says itself in which turn something happens.
"""

import asyncio
import ctypes
import functools
import select
import socket
import ssl
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

from support.both import Witness
from support.connections import turns

# Whether Python code hears of every message: then native code calls the methods of Python's SSL objects, and
# not OpenSSL's functions.
watched = False

CERTIFICATES = Path(__file__).with_name("certificates")
AUTHORITY = CERTIFICATES / "authority.pem"


def server_context(name: str = "localhost", *, ask: ssl.VerifyMode = ssl.CERT_NONE) -> ssl.SSLContext:
    """The context of a server; `ask` says whether it asks for the client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{name}.pem")
    context.load_verify_locations(AUTHORITY)
    context.verify_mode = ask
    watch(context)
    return context


def client_context(name: str | None = None) -> ssl.SSLContext:
    """The context of a client that trusts the tests' authority, with a certificate if there is a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(AUTHORITY)
    if name is not None:
        context.load_cert_chain(CERTIFICATES / f"{name}.pem")
    watch(context)
    return context


def watch(context: ssl.SSLContext) -> None:
    if watched:
        context._msg_callback = lambda *args: None  # type: ignore[attr-defined]


def version_1_2(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, for TLS 1.2 only."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class Peer:
    """The other end: a socket that does not block, and an SSL object of its own."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, server_side: bool) -> None:
        self.sock = sock
        self.other_end: Any = None
        """The transport that sends to it, once there is one."""
        sock.setblocking(False)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server_side,
            server_hostname=None if server_side else "localhost",
        )

    def receive(self) -> int:
        """Take in all ciphertext that is there; how many bytes. An end counts as none."""
        if self.other_end is not None:
            # A native transport may hold several small writes of a callback back until it is asked.
            self.other_end.get_write_buffer_size()
        count = 0
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return count
            if not data:
                return count
            count += len(data)
            self.incoming.write(data)

    def flush(self) -> None:
        """Send all ciphertext; the socket must have room for it."""
        data = self.outgoing.read()
        if data:
            assert self.sock.send(data) == len(data), "the socket has no room"

    def step(self, operation: Any, *args: Any) -> Any:
        """One operation of the SSL object, with what came in and what it makes; None if it needs more."""
        self.receive()
        try:
            return operation(*args)
        except ssl.SSLWantReadError:
            return None
        finally:
            self.flush()

    def read(self) -> bytes:
        """All that can be read now."""
        pieces = []
        while piece := self.step(self.object.read, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        while data:
            count = self.step(self.object.write, data)
            assert count, "the peer must not have to wait"
            data = data[count:]

    def close(self) -> None:
        self.sock.close()


class Secure:
    """A TLS transport on the running loop, its protocol, and its peer."""

    def __init__(self, transport: Any, protocol: Any, peer: Peer) -> None:
        self.transport, self.protocol, self.peer = transport, protocol, peer


async def connect(
    aio: ModuleType,
    protocol: Any,
    *,
    server_side: bool = True,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    buffer_size: int | None = None,
    **options: Any,
) -> Secure:
    """A connection whose handshake is over. `contexts` are the server's and the client's."""
    near, far = socket.socketpair()
    if buffer_size is not None:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
    connecting, peer = begin(near, far, protocol, server_side=server_side, contexts=contexts, **options)
    task = aio.ensure_future(connecting)
    for _ in range(10):
        await turns(aio)
        peer.step(peer.object.do_handshake)
        if task.done():
            break
    transport, protocol = await task
    peer.other_end = transport._ssl_protocol._transport
    return Secure(transport, protocol, peer)


def begin(
    near: socket.socket,
    far: socket.socket,
    protocol: Any,
    *,
    server_side: bool = True,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    **options: Any,
) -> tuple[Any, Peer]:
    """The coroutine that makes a connection of one end of a pair of sockets, and the peer at the other."""
    loop = asyncio.get_running_loop()
    server, client = contexts or (server_context(), client_context())
    peer = Peer(far, client if server_side else server, server_side=not server_side)
    if server_side:
        return loop.connect_accepted_socket(lambda: protocol, near, ssl=server, **options), peer
    making = loop.create_connection(
        lambda: protocol, sock=near, ssl=client, server_hostname="localhost", **options
    )
    return making, peer


def tell_facts(see: Witness, transport: Any) -> None:
    """What `get_extra_info` knows that is the same in every run."""
    info = transport.get_extra_info
    ssl_object = info("ssl_object")
    see("class", type(ssl_object), "context", ssl_object.context is info("sslcontext"))
    see("cipher", info("cipher"), "compression", info("compression"), "certificate", info("peercert"))
    see("version", ssl_object.version(), "alpn", ssl_object.selected_alpn_protocol())
    see("nothing", info("nothing"), info("nothing", "default"), "socket", info("socket") is not None)


def update_keys(peer: Peer, *, ask: bool) -> bool:
    """Have the peer change its keys with its next message (TLS 1.3), and ask for the same if need be.

    Python has no way to do so; OpenSSL's own function is called. False where it cannot be found.
    """
    change = openssl_function(peer, "SSL_key_update", b"TLSv1.3")
    return change is not None and change(int(ask)) == 1


def renegotiate(peer: Peer) -> bool:
    """Have a client begin another handshake with its next message (TLS 1.2).

    False where OpenSSL's own function cannot be found.
    """
    begin_again = openssl_function(peer, "SSL_renegotiate", b"TLSv1.2")
    return begin_again is not None and begin_again() == 1


def openssl_function(peer: Peer, name: str, version: bytes) -> Any:
    """A function of OpenSSL's, to be called for the connection of a peer; None where it cannot be found."""
    try:
        # The library that the module itself was linked with.
        library = ctypes.CDLL(ssl._ssl.__file__)  # type: ignore[attr-defined]
        function, version_of = library[name], library.SSL_get_version
    except AttributeError:
        return None
    version_of.restype = ctypes.c_char_p
    # Behind the head of the object and the reference to its socket.
    place = id(peer.object._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
    pointer = ctypes.c_void_p.from_address(place)
    assert version_of(pointer) == version
    return functools.partial(function, pointer)


def reset(sock: socket.socket) -> None:
    """Close so that the other end gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Resets need TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    return near, far


async def arrival(aio: ModuleType, sock: socket.socket) -> None:
    """Wait until the socket has what the peer sent, then let it have its effect."""
    assert select.select([sock], [], [], 10)[0], "nothing arrives"
    await turns(aio, 5)
