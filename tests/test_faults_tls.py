"""A server over TLS with clients that break every rule, beside those that keep them."""

import asyncio
import contextlib
import random
import socket
import ssl
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.peers import PATIENCE, connected, in_thread, joined, reset_on_close
from support.tls import client_context, server_context

ROUNDS = 200


def hello() -> bytes:
    """The first flight of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def secured(sock: socket.socket) -> ssl.SSLSocket:
    return client_context().wrap_socket(sock, server_hostname="localhost")


# What bad clients do with a socket that is connected.


def sends_garbage(sock: socket.socket, random: random.Random) -> None:
    sock.sendall(random.randbytes(random.randrange(1, 3000)))


def sends_another_protocol(sock: socket.socket, random: random.Random) -> None:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def cuts_the_handshake_off(sock: socket.socket, random: random.Random) -> None:
    first = hello()
    sock.sendall(first[: random.randrange(len(first))])


def damages_the_handshake(sock: socket.socket, random: random.Random) -> None:
    first = bytearray(hello())
    first[random.randrange(len(first))] ^= 1 << random.randrange(8)
    sock.sendall(first)


def leaves_after_its_hello(sock: socket.socket, random: random.Random) -> None:
    sock.sendall(hello())


def says_nothing(sock: socket.socket, random: random.Random) -> None:
    pass


def leaves_without_a_notice(sock: socket.socket, random: random.Random) -> None:
    client = secured(sock)
    client.sendall(b"x" * random.randrange(10_000))
    # The descriptor goes back to the plain socket: no close_notify is sent.
    left = socket.socket(fileno=client.detach())
    if random.random() < 0.5:
        reset_on_close(left)
    left.close()


def sends_garbage_later(sock: socket.socket, random: random.Random) -> None:
    client = secured(sock)
    client.sendall(b"hello")
    assert client.recv(5) == b"hello"
    left = socket.socket(fileno=client.detach())
    left.sendall(random.randbytes(random.randrange(6, 1000)))
    left.close()


BAD = [
    sends_garbage,
    sends_another_protocol,
    cuts_the_handshake_off,
    damages_the_handshake,
    leaves_after_its_hello,
    says_nothing,
    leaves_without_a_notice,
    sends_garbage_later,
]


def behave_badly(address: Any, seed: int) -> bool:
    chosen = random.Random(seed)
    for number in range(ROUNDS):
        behaviour = BAD[number % len(BAD)]
        with connected(address) as sock:
            # The server may break off in the middle of it.
            with contextlib.suppress(OSError):
                behaviour(sock, chosen)
                if chosen.random() < 0.3:
                    reset_on_close(sock)
    return True


def behave_well(address: Any, count: int) -> int:
    served = 0
    for number in range(count):
        with secured(connected(address)) as client:
            client.settimeout(PATIENCE)
            data = b"%05d" % number * 1000
            client.sendall(data)
            received = b""
            while len(received) < len(data):
                received += client.recv(1 << 16)
            served += received == data
    return served


@pytest.mark.parametrize("aio", [asyncio, roundelay], ids=lambda aio: aio.__name__)
def test_good_clients_are_served_beside_bad_ones(aio: ModuleType) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    heard: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
        server = await aio.start_server(talk, "127.0.0.1", 0, ssl=server_context(), ssl_handshake_timeout=5.0)
        address = server.sockets[0].getsockname()
        with in_thread(behave_badly, address, seed) as bad, in_thread(behave_well, address, ROUNDS) as good:
            await joined(bad)
            assert await joined(good) == ROUNDS
        server.close()
        await asyncio.wait_for(server.wait_closed(), PATIENCE)
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.001)

    with asyncio.Runner(loop_factory=aio.new_event_loop) as runner:
        runner.run(main())
    # Broken connections are nobody's mistake here; asyncio speaks of them in these words or not at all.
    assert set(heard) <= {
        "SSL handshake failed",
        "Fatal error on SSL transport",
        "SSL error in data received",
        "Error occurred during shutdown",
    }, sys.version


@pytest.mark.parametrize("aio", [asyncio, roundelay], ids=lambda aio: aio.__name__)
def test_clients_that_never_finish_are_shown_the_door(aio: ModuleType) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: None)
        server = await aio.start_server(
            lambda *_: None, "127.0.0.1", 0, ssl=server_context(), ssl_handshake_timeout=0.05
        )
        address = server.sockets[0].getsockname()
        silent = [connected(address) for _ in range(20)]
        for number, sock in enumerate(silent):
            sock.sendall(hello()[: number * 10])
        for sock in silent:
            with sock:
                assert await aio.to_thread(sock.recv, 100) in (b"", b"\x15\x03\x01\x00\x02\x02\x16")
        server.close()
        await asyncio.wait_for(server.wait_closed(), PATIENCE)

    with asyncio.Runner(loop_factory=aio.new_event_loop) as runner:
        runner.run(main())
