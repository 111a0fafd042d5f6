"""Datagram endpoints for tests: one of the loop's, and the bare socket of its peer.

What the peer does has its effect at once, so a program says itself in which turn something happens.
"""

import asyncio
import itertools
import os
import socket
from collections.abc import Callable
from typing import Any

from support.both import Witness


class ToldOfDatagrams(asyncio.DatagramProtocol):
    """A protocol that tells the witness of every call, and then does what the test wants it to do."""

    def __init__(self, see: Witness, **reactions: Callable[..., Any]) -> None:
        self.see = see
        self.reactions = reactions
        self.transport: Any = None

    def react(self, name: str, *args: Any) -> Any:
        reaction = self.reactions.get(name)
        return reaction(self, *args) if reaction else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.see("made", repr(transport))
        self.react("connection_made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.see("datagram", type(data), data if len(data) < 100 else len(data), type(addr))
        self.react("datagram_received", data, addr)

    def error_received(self, exc: Exception) -> None:
        self.see("error", exc)
        self.react("error_received", exc)

    def pause_writing(self) -> None:
        self.see("pause writing")
        self.react("pause_writing")

    def resume_writing(self) -> None:
        self.see("resume writing")
        self.react("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.see("lost", exc)
        self.react("connection_lost", exc)


_numbers = itertools.count()


def abstract_name() -> str:
    """A name for a Unix socket that no file stands for, and nobody else has."""
    return f"\0roundelay-test-{os.getpid()}-{next(_numbers)}"


def bound(family: int) -> socket.socket:
    """A datagram socket with an address of its own."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if family == socket.AF_UNIX:
        sock.bind(abstract_name())
    else:
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    return sock


class Endpoint:
    """A transport, its protocol, and a socket that is its peer."""

    def __init__(self, transport: Any, protocol: Any, peer: socket.socket) -> None:
        self.transport, self.protocol, self.peer = transport, protocol, peer

    def received(self) -> list[bytes]:
        """What the peer can receive now."""
        data = []
        while True:
            try:
                data.append(self.peer.recv(1 << 20))
            except BlockingIOError:
                return data

    def close(self) -> None:
        self.transport.close()
        self.peer.close()


async def endpoint(protocol: Any, *, family: int = socket.AF_INET, connected: bool = True) -> Endpoint:
    """An endpoint on the running loop. One that is connected hears from its peer alone."""
    loop = asyncio.get_running_loop()
    near, peer = bound(family), bound(family)
    if connected:
        near.connect(peer.getsockname())
    peer.connect(near.getsockname())
    transport, protocol = await loop.create_datagram_endpoint(lambda: protocol, sock=near)
    return Endpoint(transport, protocol, peer)


async def fill(near: Endpoint, see: Witness, data: bytes = b"filling") -> None:
    """Send until a datagram has to wait. Unix sockets only: their queue is short."""
    count = 0
    while not near.transport._buffer:
        near.transport.sendto(data)
        count += 1
    see("full", count)
