"""Bare sockets for tests of `sock_recv` and its kin."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def pair(buffer_size: int | None = None, kind: int = socket.SOCK_STREAM) -> Iterator[tuple[Any, Any]]:
    """Two connected sockets that do not block, and take `buffer_size` bytes or somewhat more."""
    near, far = socket.socketpair(type=kind)
    with near, far:
        for sock in (near, far):
            sock.setblocking(False)
            if buffer_size is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
        yield near, far


@contextmanager
def listening(
    family: int = socket.AF_INET, backlog: int = 100, address: Any = None
) -> Iterator[socket.socket]:
    """A listening socket that does not block."""
    if address is None:
        address = ("127.0.0.1", 0) if family == socket.AF_INET else ("::1", 0)
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
        yield listener


@contextmanager
def unconnected(family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """A socket that does not block."""
    with socket.socket(family, kind) as sock:
        sock.setblocking(False)
        yield sock


def fill(sock: socket.socket) -> int:
    """Sends until the socket takes no more; returns how much that was."""
    count = 0
    while True:
        try:
            count += sock.send(bytes(1 << 16))
        except BlockingIOError:
            return count


def drain(sock: socket.socket) -> int:
    """Reads what is there; returns how much that was."""
    count = 0
    while True:
        try:
            data = sock.recv(1 << 20)
        except BlockingIOError:
            return count
        if not data:
            return count
        count += len(data)


async def turns(aio: ModuleType, count: int = 3) -> None:
    """Let the loop turn; it polls in each."""
    for _ in range(count):
        await aio.sleep(0)
