"""How TLS connections end, and what goes wrong until then: as asyncio's do, in the same turns."""

import asyncio
import socket
import ssl
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, turns
from support.tls import (
    Peer,
    arrival,
    begin,
    client_context,
    connect,
    reset,
    server_context,
    tcp_pair,
    version_1_2,
)

pytestmark = pytest.mark.usefixtures("each_engine")

PROTOCOLS = [Told, ToldByBuffer]
SIDES = [True, False]
GARBAGE = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("early", [b"", b"some data"])
@same_on_both
def test_the_end_comes_without_notice(aio: ModuleType, see: Witness, kind: Any, early: bytes) -> None:
    async def main() -> None:
        secure = await connect(aio, kind(see))
        if early:
            secure.peer.write(early)
        secure.peer.close()
        for _ in range(8):
            await aio.sleep(0)
            see("turn", secure.transport.is_closing())
        secure.transport.write(b"into the void")

    see.run(main())


@same_on_both
def test_the_end_comes_while_reading_is_paused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        secure.transport.pause_reading()
        secure.peer.write(b"x" * 100_000)
        secure.peer.close()
        await turns(aio, 5)
        see("paused", secure.transport.is_closing())
        secure.transport.resume_reading()
        for _ in range(8):
            await aio.sleep(0)
            see("turn")

    see.run(main())


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("part", [1, 4, 5, 6, 500])
@same_on_both
def test_a_record_is_cut_off(aio: ModuleType, see: Witness, kind: Any, part: int) -> None:
    async def main() -> None:
        near, far = tcp_pair()
        making, peer = begin(near, far, kind(see))
        task = aio.ensure_future(making)
        while not task.done():
            await aio.sleep(0.001)
            peer.step(peer.object.do_handshake)
        peer.write(b"whole")
        await arrival(aio, near)
        peer.object.write(b"x" * 1000)
        far.send(peer.outgoing.read()[:part])
        await arrival(aio, near)
        reset(far)
        await arrival(aio, near)

    see.run(main())


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 5, 10, -1])
@same_on_both
def test_a_record_is_damaged(aio: ModuleType, see: Witness, kind: Any, old: bool, place: int) -> None:
    async def main() -> None:
        client = version_1_2(client_context()) if old else client_context()
        secure = await connect(aio, kind(see), contexts=(server_context(), client))
        peer = secure.peer
        peer.object.write(b"good")
        good = peer.outgoing.read()
        peer.object.write(b"bad" * 20)
        bad = bytearray(peer.outgoing.read())
        bad[place] ^= 0x55
        peer.sock.send(good + bad)
        await turns(aio, 6)
        peer.receive()
        see.attempt(peer.object.read, 100)
        peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_garbage_comes_later(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        secure.peer.sock.send(GARBAGE)
        await turns(aio, 6)
        see(secure.transport.is_closing())
        secure.peer.close()

    see.run(main())


@pytest.mark.parametrize("writing", [False, True])
@same_on_both
def test_a_shutdown_takes_too_long(aio: ModuleType, see: Witness, writing: bool) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see), buffer_size=4096, ssl_shutdown_timeout=0.02)
        if writing:
            secure.transport.write(b"x" * 1_000_000)
        secure.transport.close()
        see("closing", secure.transport.is_closing())
        await aio.sleep(0.06)
        await turns(aio)
        see.attempt(secure.peer.receive)
        secure.peer.close()

    see.run(main())


@same_on_both
def test_a_peer_never_reads(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see), buffer_size=4096)
        transport = secure.transport
        for _ in range(10):
            transport.write(b"x" * 200_000)
            await aio.sleep(0)
            see(transport.get_write_buffer_size())
        transport.abort()
        see("aborted", transport.get_write_buffer_size())
        await turns(aio, 5)
        for _ in range(8):
            transport.write(b"more")
        secure.peer.close()

    see.run(main())


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize(
    "name",
    [
        "connection_made",
        "data_received",
        "get_buffer",
        "buffer_updated",
        "eof_received",
        "connection_lost",
        "pause_writing",
        "resume_writing",
    ],
)
@pytest.mark.parametrize("error", [ValueError, ssl.SSLError, asyncio.CancelledError, SystemExit])
@same_on_both
def test_a_callback_raises(aio: ModuleType, see: Witness, kind: Any, name: str, error: Any) -> None:
    def fail(*args: Any) -> None:
        raise error("from " + name)

    loop = see.new_loop()

    def complete(coro: Any) -> Any:
        # What ends the run comes out of it.
        try:
            return loop.run_until_complete(coro)
        except BaseException as raised:
            see("out of the loop", raised)
            return None

    async def start() -> None:
        nonlocal task, peer
        making, peer = begin(near, far, protocol)
        task = aio.ensure_future(making)

    async def fill() -> None:
        for _ in range(4):
            transport.write(b"x" * 400_000)

    task: Any = None
    peer: Any = None
    protocol = kind(see, **{name: fail})
    near, far = socket.socketpair()
    complete(start())
    for _ in range(4):
        complete(turns(aio))
        see.attempt(peer.step, peer.object.do_handshake)
    complete(turns(aio))
    see("done", task.done())
    transport = protocol.transport
    if task.done() and not task.cancelled() and task.exception() is None:
        see.attempt(peer.write, b"data")
        complete(turns(aio))
        complete(fill())
        received = 0
        for _ in range(30):
            try:
                # How much comes at a time is the kernel's affair.
                received += len(peer.read())
            except Exception as error:
                see("the peer", error)
                break
            complete(turns(aio))
        see("the peer got", received)
        see.attempt(peer.step, peer.object.unwrap)
        complete(turns(aio, 6))
    peer.close()
    complete(turns(aio, 6))
    if not task.done():
        task.cancel()
        complete(turns(aio))
    if transport is not None:
        transport.abort()
    complete(turns(aio, 5))


@pytest.mark.parametrize("buffer", [b"", bytearray(), b"constant", memoryview(b"constant"), 5, "text"])
@same_on_both
def test_a_buffer_that_cannot_be_filled(aio: ModuleType, see: Witness, buffer: Any) -> None:
    async def main() -> None:
        secure = await connect(aio, ToldByBuffer(see, get_buffer=lambda protocol, hint: buffer))
        secure.peer.write(b"data")
        await turns(aio, 6)
        see(secure.transport.is_closing())
        secure.peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_connection_ends_twice(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        transport = secure.transport
        transport.close()
        transport.close()
        see(transport.is_closing())
        for call in (
            lambda: transport.write(b"late"),
            lambda: transport.writelines([b"late"]),
            lambda: transport.write(b""),
            transport.get_write_buffer_size,
            transport.get_protocol,
            transport.is_reading,
            lambda: transport.get_extra_info("cipher"),
            transport.abort,
            transport.close,
        ):
            see.attempt(call)
        await turns(aio)
        secure.peer.close()
        await turns(aio, 5)

    see.run(main())


@same_on_both
def test_writing_goes_on_after_the_end(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        secure.transport.close()
        for _ in range(8):
            see.attempt(secure.transport.write, b"late")
        secure.peer.step(secure.peer.object.unwrap)
        await turns(aio, 5)
        see.attempt(secure.transport.write, b"later")
        secure.peer.close()

    see.run(main())


@same_on_both
def test_what_a_tls_transport_cannot_do(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        see(secure.transport.can_write_eof())
        see.attempt(secure.transport.write_eof)
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_transport_is_forgotten(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, asyncio.Protocol())
        peer = secure.peer
        below = secure.transport._ssl_protocol._transport
        del secure
        below.abort()
        del below
        peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_loop_stops_under_connections(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    kept = []

    async def main() -> None:
        for server_side in SIDES:
            secure = await connect(aio, asyncio.Protocol(), server_side=server_side)
            kept.append(secure)
        near, far = socket.socketpair()
        making, peer = begin(near, far, asyncio.Protocol())
        task = aio.ensure_future(making)
        await turns(aio)
        task.cancel()
        kept.append((task, peer))

    loop.run_until_complete(main())
    for secure in kept[:2]:
        secure.transport.abort()
        secure.peer.close()
    kept[2][1].close()
    loop.run_until_complete(turns(aio))
    kept.clear()
    see("nothing is said of connections that were aborted")


def test_a_peer_of_the_tests_is_a_peer() -> None:
    near, far = socket.socketpair()
    server = Peer(near, server_context(), server_side=True)
    client = Peer(far, client_context(), server_side=False)
    for _ in range(3):
        for peer in (client, server):
            peer.step(peer.object.do_handshake)
    client.write(b"x" * 50_000)
    assert server.read() == b"x" * 50_000
    client.close()
    server.close()
