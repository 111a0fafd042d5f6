"""Streams over TLS: what programs write with `asyncio.open_connection` and `asyncio.start_server`."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.tls import client_context, server_context, tell_facts

pytestmark = pytest.mark.usefixtures("each_engine")

Serve = Callable[[Any, Any], Awaitable[None]]
Use = Callable[[Any, Any], Awaitable[None]]


async def meet(aio: ModuleType, serve: Serve, use: Use, limit: int = 2**16) -> None:
    """A server and a client on the running loop, until both are done."""
    served = asyncio.get_running_loop().create_future()

    async def whole(reader: Any, writer: Any) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            served.set_result(None)

    server = await aio.start_server(whole, "127.0.0.1", 0, ssl=server_context(), limit=limit)
    address = server.sockets[0].getsockname()
    reader, writer = await aio.open_connection(
        *address, ssl=client_context(), server_hostname="localhost", limit=limit
    )
    try:
        await use(reader, writer)
        writer.close()
        await writer.wait_closed()
        await served
    finally:
        server.close()
        await server.wait_closed()


async def echo(reader: Any, writer: Any) -> None:
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
@same_on_both
def test_streams_over_tls(aio: ModuleType, see: Witness, size: int) -> None:
    async def use(reader: Any, writer: Any) -> None:
        tell_facts(see, writer)

        async def send() -> None:
            writer.writelines([b"x" * size, b"y" * size])
            await writer.drain()

        sending = aio.ensure_future(send())
        see(await reader.readexactly(2 * size) == b"x" * size + b"y" * size)
        await sending

    see.run(meet(aio, echo, use))


@same_on_both
def test_every_way_to_read(aio: ModuleType, see: Witness) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        for piece in (b"a line\n", b"12345", b"until;", b"one\ntwo\n", b"x" * 40_000 + b"\n", b"the rest"):
            writer.write(piece)
            await writer.drain()
            see("answer", await reader.readline())

    async def use(reader: Any, writer: Any) -> None:
        def answer(what: Any) -> None:
            see("got", what if len(what) < 100 else len(what))
            writer.write(b"go on\n")

        answer(await reader.readline())
        answer(await reader.readexactly(5))
        answer(await reader.readuntil(b";"))
        see(await anext(aiter(reader)))
        answer(await reader.readline())
        answer(await reader.readline())
        await aio.sleep(0.01)
        answer(await reader.read(100))
        see("end", await reader.read(), reader.at_eof())
        await see.attempt_await(reader.readexactly(1))

    see.run(meet(aio, serve, use))


@same_on_both
def test_a_reader_with_a_small_limit(aio: ModuleType, see: Witness) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        for _ in range(20):
            writer.write(b"z" * 10_000)
            await writer.drain()
        see("sent", await reader.readline())

    async def use(reader: Any, writer: Any) -> None:
        count = 0
        while count < 200_000:
            count += len(await reader.read(777))
        see(count)
        await see.attempt_await(aio.wait_for(reader.readline(), 0.01))
        writer.write(b"thanks\n")

    see.run(meet(aio, serve, use, limit=100))


@same_on_both
def test_a_line_that_is_too_long(aio: ModuleType, see: Witness) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        await see.attempt_await(reader.readline())

    async def use(reader: Any, writer: Any) -> None:
        writer.write(b"z" * 1000 + b"\n")
        see(await reader.read())

    see.run(meet(aio, serve, use, limit=100))


@same_on_both
def test_the_peer_goes_away_while_the_other_drains(aio: ModuleType, see: Witness) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        await reader.readexactly(10)
        writer.transport.abort()

    async def use(reader: Any, writer: Any) -> None:
        error = None
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            try:
                await writer.drain()
            except ConnectionError as raised:
                error = raised
                break
        see("the connection is lost", isinstance(error, ConnectionError))
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass

    async def main() -> None:
        try:
            await meet(aio, serve, use)
        except (ConnectionError, ssl.SSLError):
            # Which of them depends on what the kernel had sent by then.
            see("and says so")

    loop = see.new_loop()
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(main())


@same_on_both
def test_many_connections_at_once(aio: ModuleType, see: Witness) -> None:
    async def one(number: int) -> bytes:
        got = []

        async def use(reader: Any, writer: Any) -> None:
            for size in (1, 1000, 30_000):
                writer.write(bytes([number]) * size)
                got.append(await reader.readexactly(size))

        await meet(aio, echo, use)
        return b"".join(got)

    async def main() -> None:
        answers = await aio.gather(*(one(number) for number in range(20)))
        for number, answer in enumerate(answers):
            see(number, answer == bytes([number]) * 31_001)

    see.run(main())


@same_on_both
def test_a_server_name_is_wanted(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        server = await aio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        address = server.sockets[0].getsockname()
        context = client_context()
        # The address is in the certificate.
        reader, writer = await aio.open_connection(*address, ssl=context)
        writer.write(b"hello")
        see(await reader.readexactly(5))
        writer.close()
        await writer.wait_closed()
        await see.attempt_await(aio.open_connection(*address, ssl=context, server_hostname="example.test"))
        await see.attempt_await(aio.open_connection(*address, server_hostname="localhost"))
        await see.attempt_await(aio.open_connection(*address, ssl_handshake_timeout=1))
        await see.attempt_await(aio.open_connection(*address, ssl=True))
        await aio.sleep(0.05)  # The other end notices.
        server.close()
        await server.wait_closed()

    loop = see.new_loop()
    # The server's end tells of each handshake that fails, when the client's last word arrives.
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(main())
