"""Peers of a loop's connections that are no loops: bare sockets, in threads of their own where they block."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

# How long a peer waits for anything, in seconds; many times what it needs.
PATIENCE = 20.0


def reset_on_close(sock: socket.socket) -> None:
    """Have close() reset the connection instead of ending it in order."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(sock: socket.socket) -> None:
    reset_on_close(sock)
    sock.close()


@contextlib.contextmanager
def in_thread(function: Callable[..., Any], *args: Any) -> Iterator[list[Any]]:
    """Have a thread call the function meanwhile. The list has what it returned; what it raised is raised."""
    outcome: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function(*args))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(PATIENCE)
    assert not thread.is_alive(), f"{function.__name__} hangs"
    if raised:
        raise raised[0]


async def joined(outcome: list[Any]) -> Any:
    """What a thread has come to, which the loop waits for without stopping."""
    while not outcome:
        await asyncio.sleep(0.001)
    return outcome[0]


def connected(address: Any, *, receive_buffer: int | None = None) -> socket.socket:
    """A blocking socket that is connected to the address."""
    sock = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(address)
    return sock
