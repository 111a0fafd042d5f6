"""What clients do in the soak, over connections of every kind.

A scenario takes a `Client`, ends by itself, returns how many bytes went there and back, and raises if
anything is not as it should be.
"""

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


class Wrong(Exception):
    """An answer that is not what was sent."""


@dataclass
class Client:
    """What a scenario has to work with."""

    addresses: dict[str, Any]
    random: random.Random
    context: ssl.SSLContext

    def data(self, most: int = 200_000) -> bytes:
        """Bytes of a random number: mostly few, now and then many."""
        size = self.random.randint(1, most if self.random.random() < 0.1 else 2_000)
        return self.random.randbytes(min(size, 1_000)) * (size // 1_000 + 1)

    async def open(self, name: str, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self.addresses[name]
        if name == "unix":
            return await asyncio.open_unix_connection(address)
        return await asyncio.open_connection(*address, **options)


Scenario = Callable[[Client], Awaitable[int]]


async def exchange(
    client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rounds: int
) -> int:
    """Send and read back."""
    total = 0
    for _ in range(rounds):
        data = client.data()
        writer.write(data)
        # Reading goes on meanwhile, or both sides would wait for the other one to read.
        _, answer = await asyncio.gather(writer.drain(), reader.readexactly(len(data)))
        if answer != data:
            raise Wrong(f"{len(data)} bytes came back changed")
        total += len(data)
    return total


async def finish(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def streams(client: Client) -> int:
    reader, writer = await client.open(client.random.choice(["streams", "unix", "protocol", "buffered"]))
    total = await exchange(client, reader, writer, client.random.randint(1, 5))
    await finish(writer)
    return total


async def half_close(client: Client) -> int:
    reader, writer = await client.open("streams")
    data = client.data()
    writer.write(data)
    writer.write_eof()
    if await reader.read() != data:
        raise Wrong("what came until the end is not what was sent until the end")
    await finish(writer)
    return len(data)


async def lines(client: Client) -> int:
    reader, writer = await client.open("streams")
    sent = [b"%d\n" % client.random.getrandbits(200) for _ in range(client.random.randint(1, 100))]
    writer.writelines(sent)
    writer.write_eof()
    if [line async for line in reader] != sent:
        raise Wrong("the lines are not those that were sent")
    await finish(writer)
    return sum(map(len, sent))


async def tls(client: Client) -> int:
    reader, writer = await client.open(client.random.choice(["tls", "tls_protocol"]), ssl=client.context)
    total = await exchange(client, reader, writer, client.random.randint(1, 3))
    await finish(writer)
    return total


async def upgrade(client: Client) -> int:
    reader, writer = await client.open("streams")
    writer.write(b"TLS\n")
    if await reader.readline() != b"go\n":
        raise Wrong("the server does not upgrade")
    await writer.start_tls(client.context)
    total = await exchange(client, reader, writer, 1)
    await finish(writer)
    return total


class Collect(asyncio.Protocol):
    """Sends what it is given and takes back as much."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.got = bytearray()
        self.done = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.data)

    def data_received(self, data: bytes) -> None:
        self.got += data
        if len(self.got) == len(self.data):
            self.done.set_result(bytes(self.got) == self.data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(False)
        self.lost.set_result(exc)


async def protocol(client: Client) -> int:
    data = client.data()
    where = client.random.choice(["protocol", "buffered", "streams"])
    _, made = await asyncio.get_running_loop().create_connection(
        lambda: Collect(data), *client.addresses[where]
    )
    if not await made.done:
        raise Wrong(f"{len(data)} bytes came back changed over a protocol")
    made.transport.close()
    await made.lost
    return len(data)


async def by_hand(client: Client) -> int:
    """`sock_*` on a socket of one's own."""
    loop = asyncio.get_running_loop()
    data = client.data(20_000)
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, client.addresses["protocol"])
        await loop.sock_sendall(sock, data)
        got = b""
        while len(got) < len(data):
            got += await loop.sock_recv(sock, 65536)
    if got != data:
        raise Wrong("what came back by hand is changed")
    return len(data)


class Datagram(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.got.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def datagrams(client: Client) -> int:
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagram, remote_addr=client.addresses["udp"]
    )
    total = 0
    for _ in range(client.random.randint(1, 10)):
        data = client.data(20_000)
        transport.sendto(data)
        try:
            # One may be lost, even on the loopback interface: the receiver's buffer may be full.
            answer = await asyncio.wait_for(made.got.get(), 1.0)
        except TimeoutError:
            break
        if answer != data:
            raise Wrong("a datagram came back changed")
        total += len(data)
    transport.close()
    await made.lost
    return total


async def reset_by_client(client: Client) -> int:
    _, writer = await client.open(client.random.choice(["streams", "protocol", "buffered", "silent"]))
    writer.write(client.data())
    if client.random.random() < 0.5:
        await asyncio.sleep(0)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
    try:
        await writer.wait_closed()
    except ConnectionError:
        pass
    return 0


async def reset_by_server(client: Client) -> int:
    reader, writer = await client.open("reset")
    try:
        writer.write(b"go")
        while await reader.read(100_000):
            pass
    except ConnectionError:
        pass
    writer.close()
    try:
        await writer.wait_closed()
    except ConnectionError:
        pass
    return 0


async def abandoned_connect(client: Client) -> int:
    """Cancel somewhere between the first step of a connection and its end."""
    name = client.random.choice(["streams", "tls", "protocol", "tls_protocol"])
    options = {"ssl": client.context} if name.startswith("tls") else {}
    task = asyncio.create_task(client.open(name, **options))
    for _ in range(client.random.randint(0, 8)):
        await asyncio.sleep(0)
    task.cancel()
    try:
        _, writer = await task
    except asyncio.CancelledError:
        return 0
    await finish(writer)
    return 0


async def no_answer(client: Client) -> int:
    reader, writer = await client.open("silent")
    writer.write(b"hello")
    seconds = client.random.random() * 0.02
    try:
        if client.random.random() < 0.5:
            async with asyncio.timeout(seconds):
                await reader.read(1)
        else:
            await asyncio.wait_for(reader.readline(), seconds)
    except TimeoutError:
        await finish(writer)
        return 0
    raise Wrong("an answer from a server that gives none")


async def stuck_writer(client: Client) -> int:
    """A peer that never reads: drain() waits, and is cancelled."""
    _, writer = await client.open("silent")
    writer.transport.set_write_buffer_limits(high=1000)
    try:
        async with asyncio.timeout(0.01):
            while True:
                writer.write(bytes(100_000))
                await writer.drain()
    except TimeoutError:
        pass
    writer.transport.abort()
    await writer.wait_closed()
    return 0


# Of a hundred, how many are of this kind.
NETWORK: dict[Scenario, int] = {
    streams: 15,
    protocol: 12,
    half_close: 6,
    lines: 6,
    tls: 8,
    upgrade: 3,
    by_hand: 6,
    datagrams: 8,
    reset_by_client: 5,
    reset_by_server: 5,
    abandoned_connect: 6,
    no_answer: 4,
    stuck_writer: 2,
}
