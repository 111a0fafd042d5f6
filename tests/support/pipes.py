"""Pipes for tests: a transport on one end, and the bare descriptor of the other.

What the other end does has its effect at once, so a program says itself in which turn something happens.
"""

import asyncio
import fcntl
import gc
import os
import pty
import select
import socket
import sys
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from support.both import Witness
from support.connections import turns

# The kinds of files that a transport takes, by the names that the tests have for them.
READABLE = ("pipe", "buffered", "fifo", "socket", "terminal")
WRITABLE = ("pipe", "buffered", "fifo", "socket", "terminal")


def open_pair(kind: str, folder: Path | None = None) -> tuple[Any, Any]:
    """A file object to read from, and one to write to, of such a kind."""
    if kind in ("pipe", "buffered"):
        buffering = -1 if kind == "buffered" else 0
        near, far = os.pipe()
        return open(near, "rb", buffering), open(far, "wb", buffering)
    if kind == "fifo":
        assert folder is not None
        path = folder / "fifo"
        os.mkfifo(path)
        near = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        far = os.open(path, os.O_WRONLY)
        os.unlink(path)
        return open(near, "rb", 0), open(far, "wb", 0)
    if kind == "socket":
        return socket.socketpair()
    if kind == "terminal":
        near, far = pty.openpty()
        tty.setraw(far)
        return open(near, "rb", 0), open(far, "wb", 0)
    raise AssertionError(kind)


async def until(aio: ModuleType, met: Callable[[], bool]) -> None:
    """Wait for something that the system does in its own time."""
    end = time.monotonic() + 10
    while not met():
        assert time.monotonic() < end
        await aio.sleep(0.001)


class Writer:
    """A pipe that the loop writes to, and the end that the test reads from."""

    def __init__(self, transport: Any, protocol: Any, reader: Any) -> None:
        self.transport, self.protocol, self.reader = transport, protocol, reader

    def read(self, most: int = 1 << 20) -> bytes:
        """What is there now."""
        try:
            return os.read(self.reader.fileno(), most)
        except BlockingIOError:
            return b""

    def read_all(self) -> bytes:
        """Everything that is there now."""
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    async def come_through(self, aio: ModuleType) -> None:
        """Wait until there is something to read: a terminal passes it on when the system finds the time."""
        await until(aio, lambda: bool(select.select([self.reader], [], [], 0)[0]))

    async def fill(self, see: Witness) -> None:
        """Write until the pipe takes no more."""
        while not self.transport.get_write_buffer_size():
            self.transport.write(bytes(1 << 12))
        see("full", self.transport.get_write_buffer_size())

    async def close(self, aio: ModuleType) -> None:
        self.transport.abort()
        self.reader.close()
        await turns(aio)


async def writing_to(protocol: Any, kind: str = "pipe", folder: Path | None = None) -> Writer:
    """A transport of the running loop that writes. A pipe holds 4 KiB."""
    loop = asyncio.get_running_loop()
    reader, writer = open_pair(kind, folder)
    os.set_blocking(reader.fileno(), False)
    if kind in ("pipe", "fifo"):
        fcntl.fcntl(writer.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    transport, protocol = await loop.connect_write_pipe(lambda: protocol, writer)
    return Writer(transport, protocol, reader)


class Reader:
    """A pipe that the loop reads from, and the end that the test writes to."""

    def __init__(self, transport: Any, protocol: Any, writer: Any) -> None:
        self.transport, self.protocol, self.writer = transport, protocol, writer
        self.written = 0

    def write(self, data: bytes) -> None:
        assert os.write(self.writer.fileno(), data) == len(data)
        self.written += len(data)

    async def come_through(self, aio: ModuleType) -> None:
        """Wait until all has come: through a terminal, that is when the system finds the time."""
        await until(aio, lambda: self.protocol.received == self.written)

    async def hang_up(self, aio: ModuleType) -> None:
        """Close the other end, and wait until the transport has noticed."""
        self.writer.close()
        await until(aio, self.transport.is_closing)


async def reading_from(protocol: Any, kind: str = "pipe", folder: Path | None = None) -> Reader:
    """A transport of the running loop that reads."""
    loop = asyncio.get_running_loop()
    reader, writer = open_pair(kind, folder)
    transport, protocol = await loop.connect_read_pipe(lambda: protocol, reader)
    return Reader(transport, protocol, writer)


# Kinds of things that no transport takes.
UNFIT = ("file", "folder", "closed", "number", "nothing", "string")


class Folder:
    """An object that has nothing but a descriptor, here of a folder."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        os.close(self._number)


def unfit(kind: str, folder: Path) -> Any:
    """Something of such a kind."""
    if kind == "file":
        return open(folder / "file", "w+b", 0)
    if kind == "folder":
        return Folder(folder)
    if kind == "closed":
        reader, writer = open_pair("pipe")
        reader.close()
        writer.close()
        return reader
    return {"number": 5, "nothing": None, "string": "text"}[kind]


@contextmanager
def not_a_word_from_the_collector() -> Iterator[None]:
    """asyncio's transports have some when they are collected without ever having begun."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = hook
