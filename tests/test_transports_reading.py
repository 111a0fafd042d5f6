"""What transports receive: whole, whatever it is kept in, and somebody's own for as long as he has it.

A transport fills the memory of what nobody kept again, so each way of keeping something is tried.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest
import roundelay

SIZES = [1, 2, 511, 512, 513, 1000, 1024, 1025, 3000, 8191, 8192, 8193, 12_000, 65_536, 100_000, 262_144]
"""Around those at which a transport does something else."""


class Collector(asyncio.Protocol):
    """Hands everything that comes to `keep`."""

    def __init__(self, keep: Callable[[bytes], Any]) -> None:
        self.keep = keep
        self.count = 0
        self.chunks: list[int] = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.count += len(data)
        self.chunks.append(len(data))
        self.keep(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def feed(messages: list[bytes], keep: Callable[[bytes], Any]) -> list[int]:
    """Sends each message when the one before has arrived; returns the sizes in which they came."""
    near, far = socket.socketpair()
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        near.setsockopt(socket.SOL_SOCKET, option, 2**20)
        far.setsockopt(socket.SOL_SOCKET, option, 2**20)
    far.setblocking(False)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(lambda: Collector(keep), near)
    expected = 0
    with far:
        for message in messages:
            expected += len(message)
            left = memoryview(message)
            while left:
                with contextlib.suppress(BlockingIOError):
                    left = left[far.send(left) :]
                await asyncio.sleep(0)
            while protocol.count < expected:
                await asyncio.sleep(0)
    assert await protocol.lost is None
    return protocol.chunks


def made_of(seed: int, sizes: list[int]) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(size) for size in sizes]


KEPT: dict[str, Callable[[list[Any], bytes], Any]] = {
    "itself": lambda kept, data: kept.append(data),
    "a view": lambda kept, data: kept.append(memoryview(data)),
    "a part of a view": lambda kept, data: kept.append(memoryview(data)[:]),
    "a key": lambda kept, data: kept.append(next(iter({data: None}))),
    "an iterator": lambda kept, data: kept.append((iter(data), len(data))),
    "a copy": lambda kept, data: kept.append(data[:-1] + data[-1:]),
}


def content(kept: Any) -> bytes:
    return bytes(kept[0]) if isinstance(kept, tuple) else bytes(kept)


@pytest.mark.parametrize("how", KEPT)
def test_what_is_kept_stays_as_it_is(how: str) -> None:
    sizes = [size for size in SIZES for _ in range(4)]
    messages = made_of(1, sizes)
    kept: list[Any] = []
    roundelay.run(feed(messages, lambda data: KEPT[how](kept, data)))
    assert b"".join(map(content, kept)) == b"".join(messages)


@pytest.mark.parametrize("seed", range(5))
def test_some_is_kept_and_some_is_not(seed: int) -> None:
    source = random.Random(seed)
    messages = made_of(seed, [source.choice(SIZES) for _ in range(200)])
    seen = bytearray()
    kept: list[tuple[bytes, bytes, int]] = []

    def keep(data: bytes) -> None:
        seen.extend(data)
        # Hashes are kept with the object; an old one must not be.
        assert hash(data) == hash(bytes(memoryview(data)))
        if source.random() < 0.3:
            kept.append((data, bytes(memoryview(data)), hash(data)))
        while len(kept) > 10:
            kept.pop(source.randrange(len(kept)))

    roundelay.run(feed(messages, keep))
    assert seen == b"".join(messages)
    for data, copy, number in kept:
        assert data == copy
        assert hash(data) == number


def test_chunks_are_as_large_as_those_of_asyncio() -> None:
    sizes = [3000, 65_536, 65_536, 10, 65_536, 100_000, 40_000, 262_144, 262_144, 300, 20_000, 20_000]
    messages = made_of(3, sizes)

    async def main() -> list[int]:
        return await feed(messages, lambda data: None)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        expected = runner.run(main())
    assert roundelay.run(main()) == expected


def test_memory_is_used_again() -> None:
    identities = set()

    def look(data: bytes) -> None:
        identities.add(id(data))

    roundelay.run(feed(made_of(4, [50_000] * 100), look))
    assert len(identities) == 1
    kept: list[bytes] = []
    roundelay.run(feed(made_of(5, [50_000] * 100), kept.append))
    assert len({id(data) for data in kept}) == 100


def test_the_largest_read_is_what_the_transport_says() -> None:
    async def main() -> list[int]:
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        _, protocol = await loop.connect_accepted_socket(lambda: Collector(lambda data: None), near)
        chunks = []
        with far:
            for most in (10_000, 20_000, 100, 9_000):
                protocol.transport.max_size = most
                far.sendall(bytes(30_000))
                protocol.chunks.clear()
                protocol.count = 0
                while protocol.count < 30_000:
                    await asyncio.sleep(0)
                chunks.append(max(protocol.chunks))
        await protocol.lost
        return chunks

    assert roundelay.run(main()) == [10_000, 20_000, 100, 9_000]
