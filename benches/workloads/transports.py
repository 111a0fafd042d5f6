"""Connections: echo over protocols, both ends on one loop, through pairs of sockets; making them, over TCP.

What `network` measures from outside, without a second process: for counting instructions.
"""

import asyncio
import socket
from typing import Any

from .registry import clock, timed

SMALL = b"x" * 2**10
LARGE = b"x" * 2**18


class Echo(asyncio.Protocol):
    """Sends back whatever comes."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """The same with a buffer of its own."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = memoryview(bytearray(2**16))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))


class Client(Echo):
    """Sends a message, and the next one when the whole of it has come back, so many times."""

    def __init__(self, message: bytes, rounds: int) -> None:
        self.message, self.rounds, self.left = message, rounds, len(message)
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left == 0:
            self.rounds -= 1
            if self.rounds == 0:
                self.done.set_result(None)
            else:
                self.left = len(self.message)
                self.transport.write(self.message)


async def echo(server: Any, message: bytes, connections: int, messages: int) -> float:
    """Seconds that so many messages take, there and back, over so many connections at a time."""
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        near, far = socket.socketpair()
        await loop.connect_accepted_socket(server, far)
        client = Client(message, messages // connections)
        await loop.connect_accepted_socket(lambda client=client: client, near)
        clients.append(client)
    start = clock()
    for client in clients:
        client.transport.write(message)
    for client in clients:
        await client.done
    elapsed = clock() - start
    for client in clients:
        assert client.rounds == client.left == 0
        client.transport.close()
    await asyncio.sleep(0.01)  # The other ends notice.
    return elapsed


@timed("echo_1", "1 KiB there and back, one connection", 10_000)
async def echo_1(n: int) -> float:
    return await echo(Echo, SMALL, 1, n)


@timed("echo_10", "1 KiB there and back, on each of 10 connections at a time", 20_000)
async def echo_10(n: int) -> float:
    return await echo(Echo, SMALL, 10, n)


@timed("echo_100", "1 KiB there and back, on each of 100 connections at a time", 20_000)
async def echo_100(n: int) -> float:
    return await echo(Echo, SMALL, 100, n)


@timed("echo_buffered", "1 KiB there and back through a BufferedProtocol, 10 connections at a time", 20_000)
async def echo_buffered(n: int) -> float:
    return await echo(BufferedEcho, SMALL, 10, n)


@timed("echo_256k", "256 KiB there and back, one connection", 1_000)
async def echo_256k(n: int) -> float:
    return await echo(Echo, LARGE, 1, n)


class Accepted(asyncio.Protocol):
    """Notes when so many of its kind have lost their connection."""

    left = 0
    done: asyncio.Future[None]

    def connection_lost(self, error: Exception | None) -> None:
        Accepted.left -= 1
        if Accepted.left == 0:
            self.done.set_result(None)


@timed("connect", "a connection over TCP, made, accepted and closed at both ends", 3_000)
async def connect(n: int) -> float:
    loop = asyncio.get_running_loop()
    Accepted.left, Accepted.done = n, loop.create_future()
    server = await loop.create_server(Accepted, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    start = clock()
    for _ in range(n):
        transport, _protocol = await loop.create_connection(asyncio.Protocol, host, port)
        transport.close()
    await Accepted.done
    elapsed = clock() - start
    server.close()
    await server.wait_closed()
    return elapsed
