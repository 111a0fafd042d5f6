"""TLS on native transports: asyncio's own TLS code drives them as it drives its own."""

import asyncio
import ssl
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both

# A key and a certificate for 127.0.0.1 that CPython's tests bring along.
DATA = pytest.importorskip("test.test_asyncio.utils", reason="this Python comes without its test package")


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(DATA.ONLYCERT, DATA.ONLYKEY)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return server, client


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
@same_on_both
def test_an_echo_over_tls(aio: ModuleType, see: Witness, size: int) -> None:
    server_context, client_context = contexts()

    async def main() -> None:
        server = await aio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
        address = server.sockets[0].getsockname()
        reader, writer = await aio.open_connection(*address, ssl=client_context)
        see(writer.get_extra_info("cipher") is not None, writer.get_extra_info("ssl_object") is not None)

        async def send() -> None:
            writer.writelines([b"x" * size, b"y" * size])
            await writer.drain()

        sending = aio.ensure_future(send())
        see(await reader.readexactly(2 * size) == b"x" * size + b"y" * size)
        await sending
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    see.run(main())


@same_on_both
def test_tls_starts_on_the_way(aio: ModuleType, see: Witness) -> None:
    server_context, client_context = contexts()

    async def serve(reader: Any, writer: Any) -> None:
        see("plain", await reader.readline())
        writer.write(b"go\n")
        await writer.start_tls(server_context)
        see("secret", await reader.readline())
        writer.write(b"got it\n")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await aio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        see(await reader.readline())
        await writer.start_tls(client_context)
        writer.write(b"password\n")
        see(await reader.readline())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    see.run(main())


@same_on_both
def test_garbage_instead_of_a_handshake(aio: ModuleType, see: Witness) -> None:
    server_context, _ = contexts()

    async def main() -> None:
        server = await aio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
        reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        see(bool(await reader.read()))
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    see.run(main())
