"""Handshakes that go wrong: the same errors, with the same words, in the same turns as asyncio's."""

import asyncio
import socket
import ssl
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, turns
from support.tls import arrival, begin, client_context, reset, server_context, tcp_pair, version_1_2

PROTOCOLS = [Told, ToldByBuffer]
SIDES = [True, False]
GARBAGE = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


async def quiet(aio: ModuleType, see: Witness) -> None:
    """Wait until nothing happens any more, on either end."""
    unchanged = 0
    while unchanged < 5:
        before = len(see.records)
        await aio.sleep(0.005)
        unchanged = unchanged + 1 if len(see.records) == before else 0


@pytest.mark.parametrize("server_side", SIDES)
@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_garbage_instead_of_a_handshake(
    aio: ModuleType, see: Witness, server_side: bool, debug: bool
) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        making, _peer = begin(near, far, Told(see), server_side=server_side)
        task = aio.ensure_future(making)
        await turns(aio)
        far.send(GARBAGE)
        await turns(aio, 5)
        await see.attempt_await(task)
        far.close()

    see.run(main(), debug=debug)


@pytest.mark.parametrize("server_side", SIDES)
@pytest.mark.parametrize("size", [0, 1, 5, 100])
@same_on_both
def test_a_handshake_is_cut_off(aio: ModuleType, see: Witness, server_side: bool, size: int) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        making, peer = begin(near, far, Told(see), server_side=server_side)
        task = aio.ensure_future(making)
        await turns(aio, 5)
        try:
            peer.receive()
            peer.object.do_handshake()
        except ssl.SSLWantReadError:
            far.send(peer.outgoing.read()[:size])
        await turns(aio, 2)
        far.close()
        await see.attempt_await(task)
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("server_side", SIDES)
@same_on_both
def test_a_handshake_is_reset(aio: ModuleType, see: Witness, server_side: bool) -> None:
    async def main() -> None:
        near, far = tcp_pair()
        making, _ = begin(near, far, Told(see), server_side=server_side)
        task = aio.ensure_future(making)
        await turns(aio, 5)
        reset(far)
        await arrival(aio, near)
        await see.attempt_await(task)
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("server_side", SIDES)
@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_a_handshake_takes_too_long(aio: ModuleType, see: Witness, server_side: bool, debug: bool) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        making, _ = begin(near, far, Told(see), server_side=server_side, ssl_handshake_timeout=0.01)
        await see.attempt_await(making)
        await turns(aio)
        far.close()

    see.run(main(), debug=debug)


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("value", [0, -1, -0.5, "text", float("nan"), True])
@same_on_both
def test_timeouts_that_are_none(aio: ModuleType, see: Witness, name: str, value: Any) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        with near, far:
            making, _ = begin(near, far, Told(see), **{name: value})
            task = aio.ensure_future(making)
            await turns(aio)
            see(task.done())
            if not task.done():
                task.cancel()
            await see.attempt_await(task)
            await turns(aio)

    see.run(main())


@pytest.mark.parametrize("server_side", SIDES)
@pytest.mark.parametrize("after", range(6))
@same_on_both
def test_a_handshake_is_cancelled(aio: ModuleType, see: Witness, server_side: bool, after: int) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        making, peer = begin(near, far, Told(see), server_side=server_side)
        task = aio.ensure_future(making)
        for _ in range(after):
            await aio.sleep(0)
            peer.step(peer.object.do_handshake)
        see(task.done())
        task.cancel()
        await see.attempt_await(task)
        await turns(aio, 5)
        # Signatures have no fixed size.
        see("the peer got", peer.receive() > 0)
        if not task.cancelled():
            task.result()[0].abort()
        peer.close()
        await turns(aio, 5)

    see.run(main())


def certificate_error(aio: ModuleType, see: Witness, server: Any, client: Any) -> None:
    """Both ends are asyncio's; what each sees of a certificate that is not accepted."""

    async def main() -> None:
        loop = aio.get_running_loop()
        accepted: asyncio.Queue[Any] = asyncio.Queue()
        listener = await loop.create_server(lambda: Told(see), "127.0.0.1", 0, ssl=server)
        address = listener.sockets[0].getsockname()
        connecting = loop.create_connection(
            lambda: Told(see), *address, ssl=client, server_hostname="localhost"
        )
        outcome = await see.attempt_await(shortened(connecting))
        await quiet(aio, see)
        if isinstance(outcome, tuple):
            # With TLS 1.3 a client hears of it after its own handshake is over.
            outcome[0].abort()
            await quiet(aio, see)
        see(accepted.qsize())
        listener.close()
        await listener.wait_closed()

    async def shortened(connecting: Any) -> Any:
        transport, _ = await connecting
        return (transport,)

    see.run(main())


@pytest.mark.parametrize("name", ["expired", "stranger", "example"])
@same_on_both
def test_a_client_does_not_accept_the_server(aio: ModuleType, see: Witness, name: str) -> None:
    certificate_error(aio, see, server_context(name), client_context())


@pytest.mark.parametrize("name", [None, "stranger", "expired"])
@pytest.mark.parametrize("old", [False, True])
@same_on_both
def test_a_server_does_not_accept_the_client(
    aio: ModuleType, see: Witness, name: str | None, old: bool
) -> None:
    client = client_context(name)
    if old:
        version_1_2(client)
    certificate_error(aio, see, server_context(ask=ssl.CERT_REQUIRED), client)


@same_on_both
def test_nothing_in_common(aio: ModuleType, see: Witness) -> None:
    server, client = server_context(), client_context()
    server.maximum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    certificate_error(aio, see, server, client)


@same_on_both
def test_versions_that_are_too_old_are_refused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        server = server_context()
        server.minimum_version = ssl.TLSVersion.TLSv1_3
        near, far = socket.socketpair()
        making, peer = begin(near, far, Told(see), contexts=(server, version_1_2(client_context())))
        task = aio.ensure_future(making)
        peer.step(peer.object.do_handshake)
        await turns(aio, 5)
        see.attempt(peer.step, peer.object.do_handshake)
        await see.attempt_await(task)
        peer.close()

    see.run(main())


@pytest.mark.parametrize("error", [ValueError, ssl.SSLError])
@same_on_both
def test_a_name_callback_raises(aio: ModuleType, see: Witness, error: Any) -> None:
    def choose(*args: Any) -> None:
        raise error("no name")

    server = server_context()
    server.sni_callback = choose
    certificate_error(aio, see, server, client_context())
