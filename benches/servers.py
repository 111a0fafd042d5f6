"""The servers of the network workloads, as users write them: each sends back what it was sent.

Each is a coroutine function that says under which port it is found, and then serves for ever.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Announce = Callable[[int], None]

BACKLOG = 1024
"""The load brings up to a thousand connections at once."""

MOST = 2**18
"""How much is read at a time: what asyncio's transports read."""

LIMIT = 2**21
"""The limit of stream readers: above the longest line."""

CERTIFICATE = Path(__file__).with_name("certificate.pem")
"""Certificate and key of 127.0.0.1, which nobody trusts."""


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """Has its own buffer filled, and gives away copies of what came."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = memoryview(bytearray(MOST))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))


class DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.transport.sendto(data, address)


async def serve_forever(announce: Announce, server: asyncio.Server) -> None:
    announce(server.sockets[0].getsockname()[1])
    # It serves already. (Asked to do so for ever, rloop would close its socket.)
    await asyncio.get_running_loop().create_future()


async def serve_protocol(announce: Announce, factory: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0, backlog=BACKLOG)
    await serve_forever(announce, server)


async def protocol(announce: Announce) -> None:
    await serve_protocol(announce, Echo)


async def buffered(announce: Announce) -> None:
    await serve_protocol(announce, BufferedEcho)


async def echo_blocks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(MOST):
        writer.write(data)
        await writer.drain()
    writer.close()


async def echo_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def serve_streams(announce: Announce, echo: Any, context: ssl.SSLContext | None = None) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=BACKLOG, limit=LIMIT, ssl=context)
    await serve_forever(announce, server)


async def read(announce: Announce) -> None:
    await serve_streams(announce, echo_blocks)


async def readline(announce: Announce) -> None:
    await serve_streams(announce, echo_lines)


async def tls(announce: Announce) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    await serve_streams(announce, echo_blocks, context)


def listen(announce: Announce) -> socket.socket:
    """A socket that connections wait at from now on."""
    # Of this protocol by name, as `create_server` makes them: asyncio sets TCP_NODELAY for no other.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(BACKLOG)
    listening.setblocking(False)
    announce(listening.getsockname()[1])
    return listening


async def sock(announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    listening = listen(announce)

    async def echo(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := await loop.sock_recv(connection, MOST):
                await loop.sock_sendall(connection, data)

    echoes = set()
    while True:
        connection, _ = await loop.sock_accept(listening)
        task = loop.create_task(echo(connection))
        echoes.add(task)
        task.add_done_callback(echoes.discard)


async def udp(announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(DatagramEcho, local_addr=("127.0.0.1", 0))
    announce(transport.get_extra_info("sockname")[1])
    await loop.create_future()


async def uvicorn(announce: Announce) -> None:
    import uvicorn

    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Hello, world!"})

    config = uvicorn.Config(
        application, http="httptools", ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    listening = listen(announce)
    await uvicorn.Server(config).serve(sockets=[listening])


async def aiohttp(announce: Announce) -> None:
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="Hello, world!")

    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listening = listen(announce)
    await web.SockSite(runner, listening, backlog=BACKLOG).start()
    await asyncio.get_running_loop().create_future()


STYLES: dict[str, Callable[[Announce], Awaitable[None]]] = {
    function.__name__: function
    for function in (protocol, buffered, read, readline, tls, sock, udp, uvicorn, aiohttp)
}
"""Every server by its name."""
