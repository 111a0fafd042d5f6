"""Connections for tests: a transport on one end of a socket pair, and the bare socket of its peer.

What the peer does has its effect at once, so a program says itself in which turn something happens.
"""

import asyncio
import socket
from collections.abc import Callable
from types import ModuleType
from typing import Any

from support.both import Witness


class Told(asyncio.Protocol):
    """A protocol that tells the witness of every call, and then does what the test wants it to do."""

    def __init__(self, see: Witness, **reactions: Callable[..., Any]) -> None:
        self.see = see
        self.reactions = reactions
        self.transport: Any = None
        # How many bytes have come.
        self.received = 0

    def react(self, name: str, *args: Any) -> Any:
        reaction = self.reactions.get(name)
        return reaction(self, *args) if reaction else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.see("made", repr(transport))
        self.react("connection_made")

    def data_received(self, data: bytes) -> None:
        self.see("data", type(data), data if len(data) < 100 else len(data))
        self.received += len(data)
        self.react("data_received", data)

    def eof_received(self) -> Any:
        self.see("eof")
        return self.react("eof_received")

    def pause_writing(self) -> None:
        self.see("pause writing")
        self.react("pause_writing")

    def resume_writing(self) -> None:
        self.see("resume writing")
        self.react("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.see("lost", exc)
        self.react("connection_lost", exc)


class ToldByBuffer(asyncio.BufferedProtocol):
    """The same for a protocol that brings its own buffer."""

    connection_made = Told.connection_made
    eof_received = Told.eof_received
    pause_writing = Told.pause_writing
    resume_writing = Told.resume_writing
    connection_lost = Told.connection_lost
    react = Told.react

    def __init__(self, see: Witness, size: int = 8, **reactions: Callable[..., Any]) -> None:
        self.see = see
        self.reactions = reactions
        self.transport: Any = None
        self.buffer = bytearray(size)

    def get_buffer(self, sizehint: int) -> Any:
        self.see("get buffer", sizehint)
        given = self.react("get_buffer", sizehint)
        return self.buffer if given is None else given

    def buffer_updated(self, nbytes: int) -> None:
        self.see("updated", nbytes, bytes(self.buffer[:nbytes]))
        self.react("buffer_updated", nbytes)


class Connection:
    """A transport, its protocol, and the socket at the other end."""

    def __init__(self, transport: Any, protocol: Any, peer: socket.socket) -> None:
        self.transport, self.protocol, self.peer = transport, protocol, peer

    def read_all(self) -> int:
        """How many bytes the peer can read now."""
        count = 0
        while True:
            try:
                data = self.peer.recv(1 << 20)
            except BlockingIOError:
                return count
            if not data:
                return count
            count += len(data)

    async def fill(self, see: Witness) -> None:
        """Write until the socket takes no more."""
        while not self.transport.get_write_buffer_size():
            self.transport.write(bytes(1 << 16))
        see("full")


async def connect(
    protocol: Any, *, family: int = socket.AF_UNIX, buffer_size: int | None = None
) -> Connection:
    """A connection on the running loop; both ends take `buffer_size` bytes or somewhat more."""
    loop = asyncio.get_running_loop()
    if family == socket.AF_UNIX:
        near, far = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
    if buffer_size is not None:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
    far.setblocking(False)
    transport, protocol = await loop.connect_accepted_socket(lambda: protocol, near)
    return Connection(transport, protocol, far)


async def turns(aio: ModuleType, count: int = 3) -> None:
    """Let the loop turn; it polls in each."""
    for _ in range(count):
        await aio.sleep(0)
