"""Connections that begin as plain ones: `start_tls()` on both sides, with bytes already on their way."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Told, turns
from support.connections import connect as connect_plainly
from support.tls import Peer, client_context, connect, reset, server_context, tcp_pair, tell_facts

pytestmark = pytest.mark.usefixtures("each_engine")

SIDES = [True, False]


def far_end(sock: socket.socket, *, server_side: bool) -> Peer:
    """The peer of one that is a server, or a client."""
    context = client_context() if server_side else server_context()
    return Peer(sock, context, server_side=not server_side)


class TellsNoEnd(Told):
    """asyncio does not tell a protocol of an end during the handshake of `start_tls()`; see below."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.react("connection_lost", exc)


def options(server_side: bool) -> tuple[ssl.SSLContext, dict[str, Any]]:
    if server_side:
        return server_context(), {"server_side": True}
    return client_context(), {"server_hostname": "localhost"}


@pytest.mark.parametrize("server_side", SIDES)
@same_on_both
def test_a_protocol_goes_on_over_tls(aio: ModuleType, see: Witness, server_side: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        plain = await connect_plainly(Told(see))
        plain.peer.send(b"plain")
        await turns(aio)
        context, named = options(server_side)
        task = aio.ensure_future(loop.start_tls(plain.transport, plain.protocol, context, **named))
        peer = far_end(plain.peer, server_side=server_side)
        for _ in range(20):
            await aio.sleep(0)
            see("turn", task.done())
            peer.step(peer.object.do_handshake)
            if task.done():
                break
        transport = await task
        see(repr(transport), transport.get_protocol() is plain.protocol)
        tell_facts(see, transport)
        peer.write(b"secret")
        await turns(aio)
        transport.write(b"answer")
        see(peer.read())
        transport.close()
        await turns(aio)
        peer.step(peer.object.unwrap)
        await turns(aio, 5)
        peer.close()

    see.run(main())


@pytest.mark.parametrize("server_side", SIDES)
@same_on_both
def test_what_comes_before_tls_stays_plain(aio: ModuleType, see: Witness, server_side: bool) -> None:
    """In the socket when TLS starts: it is read by whoever speaks TLS, and is no TLS."""

    async def main() -> None:
        loop = aio.get_running_loop()
        plain = await connect_plainly(Told(see))
        context, named = options(server_side)
        plain.peer.send(b"too late to be plain")
        await see.attempt_await(loop.start_tls(plain.transport, plain.protocol, context, **named))
        await turns(aio)
        plain.peer.close()

    see.run(main())


@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize("server_side", SIDES)
@same_on_both
def test_the_start_is_cancelled(aio: ModuleType, see: Witness, server_side: bool, after: int) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        plain = await connect_plainly(TellsNoEnd(see))
        context, named = options(server_side)
        task = aio.ensure_future(loop.start_tls(plain.transport, plain.protocol, context, **named))
        peer = far_end(plain.peer, server_side=server_side)
        for _ in range(after):
            await aio.sleep(0)
            peer.step(peer.object.do_handshake)
        see("cancel", task.done(), plain.transport.is_closing())
        task.cancel()
        outcome = await see.attempt_await(outcome_of(task))
        for _ in range(4):
            await aio.sleep(0)
            see("turn", plain.transport.is_closing())
        if outcome is True:
            task.result().abort()
        peer.close()
        await turns(aio)

    async def outcome_of(task: Any) -> bool:
        await task
        return True

    see.run(main())


@same_on_both
def test_a_start_takes_too_long(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        plain = await connect_plainly(TellsNoEnd(see))
        starting = loop.start_tls(
            plain.transport, plain.protocol, server_context(), server_side=True, ssl_handshake_timeout=0.01
        )
        await see.attempt_await(starting)
        await turns(aio)
        plain.peer.close()

    see.run(main())


ENDS = ["reset", "end", "garbage", "timeout", "cancelled", "aborted"]


class Counting(asyncio.Protocol):
    """A protocol that knows how often its connection was lost, and why."""

    def __init__(self) -> None:
        self.lost: list[Exception | None] = []

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


async def end_a_start(task: Any, transport: Any, peer: socket.socket, how: str) -> BaseException | None:
    """End a connection in the middle of the handshake of `start_tls()`; what that raised."""
    await turns(roundelay)
    match how:
        case "reset":
            reset(peer)
        case "end":
            peer.close()
        case "garbage":
            peer.send(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        case "cancelled":
            task.cancel()
        case "aborted":
            transport.abort()
    try:
        await asyncio.wait_for(task, 5)
    except (OSError, asyncio.CancelledError) as error:
        return error
    finally:
        peer.close()
        await turns(roundelay)
    return None


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("server_side", SIDES)
def test_a_protocol_hears_once_of_an_end_during_the_start(server_side: bool, how: str) -> None:
    async def main() -> None:
        near, far = tcp_pair()
        near.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_accepted_socket(Counting, near)
        context, named = options(server_side)
        timeout = 0.01 if how == "timeout" else 60
        starting = loop.start_tls(transport, protocol, context, ssl_handshake_timeout=timeout, **named)
        task = asyncio.ensure_future(starting)
        error = await end_a_start(task, transport, far, how)
        assert transport.is_closing()
        # An end that somebody wanted has no error.
        wanted = how in ("cancelled", "aborted")
        assert [type(exc) for exc in protocol.lost] == [type(None) if wanted else type(error)]

    roundelay.run(main())


@pytest.mark.parametrize("how", [how for how in ENDS if how != "aborted"])
def test_a_stream_can_be_waited_for_whose_start_failed(how: str) -> None:
    async def main() -> None:
        near, far = tcp_pair()
        reader, writer = await roundelay.open_connection(sock=near)
        timeout = 0.01 if how == "timeout" else 60
        starting = writer.start_tls(
            client_context(), server_hostname="localhost", ssl_handshake_timeout=timeout
        )
        error = await end_a_start(asyncio.ensure_future(starting), writer.transport, far, how)
        assert error is not None
        writer.close()
        if how == "cancelled":
            await asyncio.wait_for(writer.wait_closed(), 5)
            assert await reader.read() == b""
        else:
            with pytest.raises(type(error)):
                await asyncio.wait_for(writer.wait_closed(), 5)

    roundelay.run(main())


@same_on_both
def test_arguments_that_are_none(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        plain = await connect_plainly(Told(see))
        context = client_context()
        for args, kwargs in (
            ((plain.transport, plain.protocol, None), {}),
            ((plain.transport, plain.protocol, True), {}),
            ((plain.transport, plain.protocol, "context"), {}),
            ((object(), plain.protocol, context), {}),
            ((plain.transport, plain.protocol, context), {"ssl_handshake_timeout": 0}),
            ((plain.transport, plain.protocol, context), {"ssl_shutdown_timeout": -1}),
            ((plain.transport, plain.protocol, context), {"server_side": True, "server_hostname": "x"}),
        ):
            error = await see.attempt_await(aio.wait_for(loop.start_tls(*args, **kwargs), 0.01))
            see(type(error))
        plain.transport.abort()
        plain.peer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_tls_inside_of_tls(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        outer = await connect(aio, Told(see))
        task = aio.ensure_future(
            loop.start_tls(outer.transport, outer.protocol, server_context(), server_side=True)
        )
        far = outer.peer
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")

        def step(operation: Callable[..., Any], *args: Any) -> Any:
            incoming.write(far.read())
            try:
                return operation(*args)
            except ssl.SSLWantReadError:
                return None
            finally:
                if data := outgoing.read():
                    far.write(data)

        for _ in range(20):
            await turns(aio)
            step(inner.do_handshake)
            if task.done():
                break
        transport = await task
        tell_facts(see, transport)
        for size in (10, 50_000):
            for start in range(0, size, 10_000):
                step(inner.write, b"x" * min(10_000, size - start))
            await turns(aio, 8)
            transport.write(b"y" * size)
            got = b""
            while len(got) < size:
                got += step(inner.read, 1 << 20) or b""
                await aio.sleep(0)
            see(len(got))
        transport.close()
        await turns(aio)
        see.attempt(step, inner.unwrap)
        await turns(aio, 8)
        far.close()
        await turns(aio, 4)

    see.run(main())


@pytest.mark.parametrize("clear", [b"", b"more that is plain\n"])
@same_on_both
def test_streams_start_tls(aio: ModuleType, see: Witness, clear: bytes) -> None:
    """What a client's reader has when it starts TLS is plain text, and stays to be read."""
    secure = server_context()

    async def serve(reader: Any, writer: Any) -> None:
        see("asked", await reader.readline())
        writer.write(b"go\n" + clear)
        await writer.drain()
        await writer.start_tls(secure)
        see("secret", await reader.readline())
        writer.write(b"got it\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await aio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"starttls\n")
        see(await reader.readline())
        await writer.start_tls(client_context(), server_hostname="localhost")
        writer.write(b"password\n")
        if clear:
            see("from before", await reader.readline())
        see(await reader.readline())
        see("the end", await reader.read())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    see.run(main())


@pytest.mark.parametrize("kept", [1, 10, 100, 10_000])
@pytest.mark.parametrize("limit", [2**16, 2])
def test_a_servers_reader_has_read_the_handshake(kept: int, limit: int) -> None:
    """A client that does not wait for an answer: its first message comes together with the words before.

    asyncio loses what the reader has read of it (fixed in 3.14 and in later releases of others).
    """
    seen = []

    async def serve(reader: Any, writer: Any) -> None:
        # Only now, so that what is sent meanwhile is in the reader.
        await asyncio.sleep(0.01)
        seen.append(await reader.readexactly(9))
        await writer.start_tls(server_context(), ssl_handshake_timeout=5)
        seen.append(await reader.readexactly(8))
        writer.write(b"answer")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=limit)
        loop = asyncio.get_running_loop()
        sock = socket.create_connection(server.sockets[0].getsockname())
        peer = Peer(sock, client_context(), server_side=False)
        sock.send(b"starttls\n")
        with pytest.raises(ssl.SSLWantReadError):
            peer.object.do_handshake()
        hello = peer.outgoing.read()
        sock.send(hello[:kept])
        await asyncio.sleep(0.03)
        if hello[kept:]:
            sock.send(hello[kept:])
        got = b""
        deadline = loop.time() + 10
        written = False
        while got != b"answer" and loop.time() < deadline:
            if not written:
                peer.step(peer.object.do_handshake)
                if peer.object.version() and peer.object.cipher():
                    try:
                        peer.write(b"password")
                        written = True
                    except (AssertionError, ssl.SSLError):
                        pass
            else:
                got += peer.read()
            await asyncio.sleep(0.001)
        peer.step(peer.object.unwrap)
        await asyncio.sleep(0.01)
        peer.close()
        server.close()
        await server.wait_closed()
        return got

    assert roundelay.run(main()) == b"answer"
    assert seen == [b"starttls\n", b"password"]


def test_both_sides_write_at_once() -> None:
    """Both write plain text and start TLS without waiting for each other, a hundred times."""
    secure = server_context()

    async def serve(reader: Any, writer: Any) -> None:
        writer.write(b"plain from the server\n")
        assert await reader.readline() == b"plain from the client\n"
        await writer.start_tls(secure)
        writer.write(b"secret from the server\n")
        assert await reader.readline() == b"secret from the client\n"
        writer.close()
        await writer.wait_closed()
        ended.append(True)

    async def one(address: Any) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"plain from the client\n")
        assert await reader.readline() == b"plain from the server\n"
        await writer.start_tls(client_context(), server_hostname="localhost")
        writer.write(b"secret from the client\n")
        assert await reader.readline() == b"secret from the server\n"
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(10):
            await asyncio.gather(*(one(address) for _ in range(10)))
        while len(ended) < 100:
            await asyncio.sleep(0)
        server.close()
        await server.wait_closed()

    ended: list[bool] = []
    roundelay.run(main())
    assert len(ended) == 100
