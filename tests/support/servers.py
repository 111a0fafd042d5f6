"""Servers and their clients for tests, on the loop under test."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

from support.both import Witness

LOCAL = "127.0.0.1"


class Heard(asyncio.Protocol):
    """Tells the witness what happens to it, under a name, and then does what the test wants it to do."""

    def __init__(self, see: Witness, name: str = "server", **reactions: Callable[..., Any]) -> None:
        self.see, self.name, self.reactions = see, name, reactions
        self.transport: Any = None

    def tell(self, *what: Any) -> None:
        self.see(self.name, *what)
        reaction = self.reactions.get(str(what[0]))
        if reaction is not None:
            reaction(self, *what[1:])

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tell("made")

    def data_received(self, data: bytes) -> None:
        self.tell("data", data)

    def eof_received(self) -> None:
        self.tell("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.tell("lost", error)


@contextlib.asynccontextmanager
async def serving(factory: Callable[[], Any], **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A server on the running loop, and where it can be reached."""
    options = {"host": LOCAL, "port": 0} | options
    server = await asyncio.get_running_loop().create_server(factory, **options)
    try:
        yield server, server.sockets[0].getsockname()
    finally:
        server.close()


def dial(address: Any) -> socket.socket:
    """A connected socket that does not block."""
    family = (
        socket.AF_UNIX
        if not isinstance(address, tuple)
        else (socket.AF_INET if len(address) == 2 else socket.AF_INET6)
    )
    sock = socket.socket(family)
    sock.settimeout(10)
    sock.connect(address)
    sock.setblocking(False)
    return sock


async def settle(aio: ModuleType, count: int = 8) -> None:
    """Let the loop turn until what was begun is over."""
    for _ in range(count):
        await aio.sleep(0)


@contextlib.contextmanager
def unix_path() -> Iterator[str]:
    """Where a Unix socket can be."""
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, "socket")


async def finish(aio: ModuleType, pair: tuple[Any, Any]) -> None:
    """Closes a connection."""
    pair[0].close()
    await settle(aio)


async def attempt(aio: ModuleType, see: Witness, connecting: Any, *hidden: int) -> Any:
    """Takes down what an attempt to connect gives, without the numbers of ports, and closes it."""
    try:
        transport, protocol = await connecting
    except BaseException as error:
        text = str(error)
        for number in hidden:
            text = text.replace(str(number), "PORT")
        see(type(error).__name__, text, type(error.__context__), type(error.__cause__))
        if isinstance(error, BaseExceptionGroup):
            see([type(inner).__name__ for inner in error.exceptions])
    else:
        see("connected", type(protocol).__name__)
        await finish(aio, (transport, protocol))
