"""TLS connections as programs use them: the calls in the same turns, and the answers, as asyncio's."""

import asyncio
import hashlib
import socket
import ssl
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, turns
from support.tls import (
    CERTIFICATES,
    Peer,
    begin,
    client_context,
    connect,
    server_context,
    tell_facts,
    update_keys,
    version_1_2,
)

pytestmark = pytest.mark.usefixtures("each_engine")

PROTOCOLS = [Told, ToldByBuffer]
SIDES = [True, False]


@pytest.mark.parametrize("server_side", SIDES)
@pytest.mark.parametrize("kind", PROTOCOLS)
@same_on_both
def test_a_whole_life(aio: ModuleType, see: Witness, kind: Any, server_side: bool) -> None:
    async def main() -> None:
        secure = await connect(aio, kind(see), server_side=server_side)
        see("connected", repr(secure.transport), secure.transport.get_protocol() is secure.protocol)
        tell_facts(see, secure.transport)
        for piece in (b"one", b"two", b"three and more than eight", b"x" * 20_000):
            secure.peer.write(piece)
            for _ in range(12):
                await aio.sleep(0)
                see("turn")
        secure.transport.write(b"answer")
        see("the peer got", secure.peer.read())
        see(secure.transport.get_write_buffer_size(), secure.transport.is_reading())
        secure.transport.close()
        see("closing", secure.transport.is_closing())
        await turns(aio)
        see("the peer's turn", secure.peer.step(secure.peer.object.unwrap) is not None)
        for _ in range(6):
            await aio.sleep(0)
            see("turn")
        secure.peer.close()

    see.run(main())


@pytest.mark.parametrize("server_side", SIDES)
@same_on_both
def test_each_callback_has_its_turn(aio: ModuleType, see: Witness, server_side: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        peer: Any = None

        def tick(number: int) -> None:
            see("tick", number)
            if peer is not None:
                # What comes of it is seen in the next turns.
                peer.step(peer.object.do_handshake)
            if number < 25:
                loop.call_soon(tick, number + 1)

        near, far = socket.socketpair()
        making, peer = begin(near, far, Told(see), server_side=server_side)
        task = loop.create_task(making)
        tick(0)
        task.add_done_callback(lambda _: see("connected"))
        await turns(aio, 26)
        peer.write(b"hello")
        peer.step(peer.object.unwrap)
        for _ in range(8):
            await aio.sleep(0)
            see("turn")
        peer.close()

    see.run(main())


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 100_000, 1_000_000])
@pytest.mark.parametrize("buffer", [None, 1, 1000, 70_000])
@same_on_both
def test_data_of_every_size_arrives(aio: ModuleType, see: Witness, size: int, buffer: int | None) -> None:
    """A buffer of one byte is only tried with little."""
    if buffer is not None and size // buffer > 20_000:
        size = 20_000
    sent = bytes(range(256)) * (size // 256 + 1)
    received = bytearray()

    class Collect(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.extend(data)

    class CollectByBuffer(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            # asyncio loses what it reads into a copy, which a part of a bytearray is.
            self.buffer = memoryview(bytearray(buffer or 0))

        def get_buffer(self, sizehint: int) -> Any:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            received.extend(self.buffer[:nbytes])

    async def main() -> None:
        secure = await connect(aio, Collect() if buffer is None else CollectByBuffer())
        left = memoryview(sent)[:size]
        while left:
            secure.peer.write(bytes(left[:50_000]))
            left = left[50_000:]
            await turns(aio, 2)
        while len(received) < size:
            await aio.sleep(0)
        see(len(received), received == sent[:size])
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_everything_bytes_like_is_written(aio: ModuleType, see: Witness) -> None:
    class Derived(bytes):
        pass

    class DerivedArray(bytearray):
        pass

    async def main() -> None:
        secure = await connect(aio, Told(see))
        transport, peer = secure.transport, secure.peer
        for data in (
            b"bytes",
            bytearray(b"bytearray"),
            memoryview(b"memoryview"),
            memoryview(bytearray(b"abcdef"))[1:3],
            Derived(b"derived"),
            DerivedArray(b"derived array"),
            b"",
            memoryview(b""),
            b"x" * 50_000,
            memoryview(bytes(70_000)),
        ):
            see("write", see.attempt(transport.write, data))
            got = peer.read()
            see(len(got), got == bytes(data))
        see("by name", see.attempt(transport.write, data=b"named"), peer.read())
        for wrong in ("text", 5, None, [b"list"]):
            see.attempt(transport.write, wrong)
        see.attempt(transport.write)
        see.attempt(transport.write, b"one", b"two")
        see.attempt(transport.writelines)
        small, large = [b"s" * 5000] * 7, [b"l" * 40_000, memoryview(b"m" * 16_384)]
        for lines in (
            [b"one", b"two"],
            (b"three", b"", bytearray(b"four")),
            iter([b"five"]),
            [],
            b"",
            [b"", b""],
            small,
            [*small, *large, b"t", *small, *large, b"", b"end"],
        ):
            see("lines", see.attempt(transport.writelines, lines))
            got = peer.read()
            see(len(got), hashlib.sha256(got).hexdigest())
        see.attempt(transport.writelines, [b"good", "bad", b"good"])
        see.attempt(transport.writelines, 5)
        see("left", transport.get_write_buffer_size(), peer.read())
        transport.abort()
        peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_view_is_written_by_its_length(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for view in (
            memoryview(bytes(range(24))).cast("I"),
            memoryview(bytes(range(24))).cast("B", (4, 6)),
            memoryview(bytes(range(24)))[::2],
        ):
            secure = await connect(aio, Told(see))
            see.attempt(secure.transport.write, view)
            see(secure.transport.get_write_buffer_size(), secure.peer.read())
            secure.transport.abort()
            secure.peer.close()
            await turns(aio)

    see.run(main())


@same_on_both
def test_writing_begins_when_the_connection_is_made(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        protocol = Told(see, connection_made=lambda protocol: protocol.transport.write(b"welcome"))
        secure = await connect(aio, protocol)
        see("the peer got", secure.peer.read())
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_reading_pauses_and_resumes(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        transport, peer = secure.transport, secure.peer
        transport.pause_reading()
        transport.pause_reading()
        see(transport.is_reading())
        peer.write(b"while it is paused")
        await turns(aio)
        see("waits", transport.get_read_buffer_size() > 0)
        transport.resume_reading()
        transport.resume_reading()
        see("resumed", transport.is_reading())
        for _ in range(4):
            await aio.sleep(0)
            see("turn")
        see(transport.get_read_buffer_size(), transport.get_read_buffer_limits())
        # More than the limit makes the transport below pause as well.
        transport.set_read_buffer_limits(high=1000, low=10)
        transport.pause_reading()
        peer.write(b"x" * 5000)
        await turns(aio)
        peer.write(b"y" * 5000)
        await turns(aio)
        below = transport._ssl_protocol._transport
        see("below", below.is_reading())
        transport.resume_reading()
        await turns(aio, 6)
        see("below", below.is_reading())
        see.attempt(transport.set_read_buffer_limits, high=1, low=2)
        transport.abort()
        peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_full_socket_pauses_the_protocol(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see), buffer_size=4096)
        transport, peer = secure.transport, secure.peer
        see(transport.get_write_buffer_limits())
        sent = 0
        while not transport._ssl_protocol._app_writing_paused:
            transport.write(b"x" * 100_000)
            sent += 100_000
            see(sent, transport.get_write_buffer_size())
        see.attempt(transport.set_write_buffer_limits, high=10, low=20)
        transport.set_write_buffer_limits(high=200_000)
        see(transport.get_write_buffer_limits())
        received = 0
        while received < sent:
            received += len(peer.read())
            await aio.sleep(0)
        see("received", received == sent, transport.get_write_buffer_size())
        transport.abort()
        peer.close()
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("high", [0, 1, 1000, None])
@same_on_both
def test_limits_of_every_size(aio: ModuleType, see: Witness, high: int | None) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see), buffer_size=4096)
        transport = secure.transport
        transport.set_write_buffer_limits(high=high)
        see(transport.get_write_buffer_limits())
        for _ in range(4):
            transport.write(b"x" * 300)
            see(transport.get_write_buffer_size())
        transport.writelines([b"y" * 20_000] * 4)
        see(transport.get_write_buffer_size() > 0)
        received = 0
        for _ in range(60):
            received += len(secure.peer.read())
            await aio.sleep(0)
        see(received)
        transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_application_protocols_are_agreed_on(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for theirs in (["h2", "http/1.1"], ["http/1.1"], ["other"]):
            server, client = server_context(), client_context()
            server.set_alpn_protocols(["h2", "http/1.1"])
            client.set_alpn_protocols(theirs)
            secure = await connect(aio, Told(see), contexts=(server, client))
            tell_facts(see, secure.transport)
            secure.transport.abort()
            secure.peer.close()
            await turns(aio)

    see.run(main())


@pytest.mark.parametrize("old", [False, True])
@same_on_both
def test_a_server_name_chooses_the_certificate(aio: ModuleType, see: Witness, old: bool) -> None:
    async def main() -> None:
        other = server_context("localhost")
        server = server_context("example")

        def choose(ssl_object: Any, name: str | None, context: ssl.SSLContext) -> Any:
            see("asked for", name, type(ssl_object), context is server)
            ssl_object.context = other
            return None

        server.sni_callback = choose
        client = client_context()
        contexts = (version_1_2(server), client) if old else (server, client)
        secure = await connect(aio, Told(see), contexts=contexts)
        chosen = secure.transport.get_extra_info("ssl_object").context is other
        see(chosen, secure.peer.object.getpeercert()["subject"])
        tell_facts(see, secure.transport)
        secure.peer.write(b"hello")
        await turns(aio)
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("ask", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
@pytest.mark.parametrize("server_side", SIDES)
@same_on_both
def test_a_client_shows_its_certificate(
    aio: ModuleType, see: Witness, ask: ssl.VerifyMode, server_side: bool
) -> None:
    async def main() -> None:
        contexts = (server_context(ask=ask), client_context("client"))
        secure = await connect(aio, Told(see), server_side=server_side, contexts=contexts)
        tell_facts(see, secure.transport)
        see(secure.peer.object.getpeercert())
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("old", [False, True])
@same_on_both
def test_a_session_is_taken_up_again(aio: ModuleType, see: Witness, old: bool) -> None:
    async def main() -> None:
        server, client = server_context(), client_context()
        if old:
            version_1_2(server)
        session = None
        for _ in range(2):
            near, far = socket.socketpair()
            peer = Peer(far, client, server_side=False)
            if session is not None:
                peer.object.session = session
            loop = aio.get_running_loop()
            task = aio.ensure_future(loop.connect_accepted_socket(lambda: Told(see), near, ssl=server))
            while not task.done():
                await turns(aio)
                peer.step(peer.object.do_handshake)
            transport, _ = await task
            transport.write(b"the ticket comes before this")
            see(peer.read(), peer.object.session_reused)
            see(transport.get_extra_info("ssl_object").session_reused)
            session = peer.object.session
            transport.abort()
            peer.close()
            await turns(aio)

    see.run(main())


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize("kind", PROTOCOLS)
@same_on_both
def test_keys_are_changed_on_the_way(aio: ModuleType, see: Witness, kind: Any, ask: bool) -> None:
    async def main() -> None:
        secure = await connect(aio, kind(see))
        transport, peer = secure.transport, secure.peer
        for number in range(4):
            if not update_keys(peer, ask=ask):
                pytest.skip("OpenSSL's own function cannot be found")
            peer.write(b"with new keys %d" % number)
            await turns(aio, 8)
            transport.write(b"answer %d" % number)
            see(peer.read())
        # The message alone, without data behind it.
        update_keys(peer, ask=ask)
        peer.step(peer.object.do_handshake)
        await turns(aio, 2)
        transport.write(b"x" * 40_000)
        see(len(peer.read()))
        transport.abort()
        peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_certificate_is_asked_for_later(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        server, client = server_context(), client_context("client")
        client.post_handshake_auth = True
        server.verify_mode = ssl.CERT_REQUIRED
        server.post_handshake_auth = True
        server.verify_mode = ssl.CERT_OPTIONAL
        secure = await connect(aio, Told(see), server_side=False, contexts=(server, client))
        peer = secure.peer
        peer.object.verify_client_post_handshake()
        peer.write(b"who are you?")
        await turns(aio)
        see("asked")
        see(peer.read(), peer.object.getpeercert()["subject"])
        secure.transport.write(b"that's me")
        see(peer.read())
        secure.transport.abort()
        peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_the_default_context_needs_a_client(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        near, far = socket.socketpair()
        with near, far:
            making = loop.connect_accepted_socket(asyncio.Protocol, near, ssl=True)
            await see.attempt_await(making)

    see.run(main())


@same_on_both
def test_a_protocol_is_exchanged(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        for protocol in (ToldByBuffer(see), Told(see), ToldByBuffer(see, size=3)):
            protocol.transport = secure.transport
            see.attempt(secure.transport.set_protocol, protocol)
            see(secure.transport.get_protocol() is protocol)
            secure.peer.write(b"for the new one")
            await turns(aio, 10)
        see.attempt(secure.transport.set_protocol)
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


def test_certificates_can_be_made_anew() -> None:
    made = (CERTIFICATES / "make").read_text(encoding="utf-8")
    for file in CERTIFICATES.glob("*.pem"):
        assert file.name in made, "say in the script what the file is"
