"""Streams: readers that are fed from memory, and echo over a pair of sockets."""

import asyncio
import socket
from typing import Any

from .registry import clock, timed

LINE = b"x" * 79 + b"\n"
LARGE = 2**30
"""A limit that is not to be reached."""


def new_reader(limit: int = 2**16) -> asyncio.StreamReader:
    return asyncio.StreamReader(limit=limit, loop=asyncio.get_running_loop())


@timed("stream_read", "feed_data and read of 80 bytes that are there", 100_000)
async def stream_read(n: int) -> float:
    reader = new_reader()
    total = 0
    start = clock()
    for _ in range(n):
        reader.feed_data(LINE)
        total += len(await reader.read(1000))
    elapsed = clock() - start
    assert total == n * len(LINE)
    return elapsed


@timed("stream_readexactly", "readexactly of 80 bytes among many", 100_000)
async def stream_readexactly(n: int) -> float:
    reader = new_reader(LARGE)
    reader.feed_data(LINE * n)
    total = 0
    start = clock()
    for _ in range(n):
        total += len(await reader.readexactly(80))
    elapsed = clock() - start
    assert total == n * len(LINE)
    return elapsed


@timed("stream_readline", "readline of 80 bytes among many", 100_000)
async def stream_readline(n: int) -> float:
    reader = new_reader(LARGE)
    reader.feed_data(LINE * n)
    count = 0
    start = clock()
    for _ in range(n):
        count += await reader.readline() == LINE
    elapsed = clock() - start
    assert count == n
    return elapsed


@timed("stream_wait", "readline that waits for 80 bytes from another task", 50_000)
async def stream_wait(n: int) -> float:
    reader = new_reader()

    async def feed() -> None:
        for _ in range(n):
            reader.feed_data(LINE)
            await asyncio.sleep(0)
        reader.feed_eof()

    count = 0
    start = clock()
    feeder = asyncio.create_task(feed())
    while await reader.readline():
        count += 1
    elapsed = clock() - start
    await feeder
    assert count == n
    return elapsed


async def connect(end: socket.socket) -> tuple[Any, Any]:
    """Streams over one end of a pair of sockets."""
    loop = asyncio.get_running_loop()
    reader = new_reader(2**20)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=end)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def echo(size: int, rounds: int) -> float:
    """Seconds that so many lines of this size take there and back."""
    ends = socket.socketpair()
    reader, writer = await connect(ends[0])
    peer_reader, peer_writer = await connect(ends[1])
    line = b"x" * (size - 1) + b"\n"

    async def serve() -> None:
        async for received in peer_reader:
            peer_writer.write(received)
            await peer_writer.drain()

    server = asyncio.create_task(serve())
    total = 0
    start = clock()
    for _ in range(rounds):
        writer.write(line)
        await writer.drain()
        total += len(await reader.readexactly(size))
    elapsed = clock() - start
    writer.close()
    await server
    peer_writer.close()
    assert total == rounds * size
    return elapsed


@timed("stream_echo", "a line of 1 KiB there and back over a pair of sockets", 5_000)
async def stream_echo(n: int) -> float:
    return await echo(2**10, n)


@timed("stream_echo_64k", "a line of 64 KiB there and back over a pair of sockets", 1_000)
async def stream_echo_64k(n: int) -> float:
    return await echo(2**16, n)
