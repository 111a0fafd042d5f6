"""Programs that run under injected faults: connections, over protocols, streams and TLS."""

import functools
import socket
import ssl
from typing import Any

from support.fault_registry import program
from support.fault_scene import (
    DATA,
    EchoInPieces,
    Scene,
    Told,
    ToldByBuffer,
    echo_client,
    echo_server,
    error_name,
    hurry,
    receive_all,
    verdict,
)
from support.tls import client_context, server_context


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and one for its clients, who know it by number."""
    server, client = server_context(), client_context()
    server.num_tickets = 1  # two may come together or one after the other
    client.check_hostname = False
    return server, client


# Protocols


async def connect(scene: Scene, family: int, protocol: Any, address: Any, **options: Any) -> Any:
    if family == socket.AF_UNIX:
        transport, _ = await scene.loop.create_unix_connection(lambda: protocol, address, **options)
    else:
        transport, _ = await scene.loop.create_connection(lambda: protocol, *address[:2], **options)
    return transport


async def serve(scene: Scene, family: int, factory: Any, **options: Any) -> tuple[Any, Any]:
    """A server, and its address."""
    if family == socket.AF_UNIX:
        address = str(scene.folder / "server")
        return await scene.loop.create_unix_server(factory, address, **options), address
    server = await scene.loop.create_server(factory, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()


@program("client", Told)
@program("client over unix", Told, socket.AF_UNIX)
@program("client with a buffer", ToldByBuffer)
async def client(scene: Scene, kind: Any, family: int = socket.AF_INET) -> None:
    listener = scene.listener(family)
    scene.peer(echo_server, listener)
    protocol = kind(scene, "protocol")
    try:
        transport = await connect(scene, family, protocol, listener.getsockname())
        transport.set_write_buffer_limits(2000)
        transport.write(DATA[:1])
        transport.writelines([DATA[1:1000], bytearray(DATA[1000:2000]), memoryview(DATA[2000:3000])])
        transport.write(memoryview(DATA)[3000:])
        await protocol.until(lambda: len(protocol.received) >= len(DATA))
        if not protocol.ended:
            transport.write_eof()
        await protocol.end()
    finally:
        scene.tell("protocol", f"received {verdict(bytes(protocol.received))}")
        scene.release(listener)


@program("server", Told)
@program("server over unix", Told, socket.AF_UNIX)
@program("server with a buffer", ToldByBuffer)
async def server(scene: Scene, kind: Any, family: int = socket.AF_INET) -> None:
    protocols: list[Any] = []

    def factory() -> Any:
        protocols.append(kind(scene, "protocol", echo=True))
        return protocols[-1]

    server, address = await serve(scene, family, factory)
    scene.peer(echo_client, address, family)
    try:
        await scene.peers_are_done()
        for protocol in protocols:
            if protocol.transport is not None:
                await protocol.end()
    finally:
        server.close()
    await server.wait_closed()


@program("client over TLS")
async def client_over_tls(scene: Scene) -> None:
    listener = scene.listener()
    server_side, client_side = contexts()
    echo = EchoInPieces(scene, listener, server_side)
    protocol = Told(scene, "protocol")
    try:
        transport = await connect(scene, socket.AF_INET, protocol, listener.getsockname(), ssl=client_side)
        transport.write(DATA)
        await echo.taken()
        for end in range(10_000, len(DATA) + 1, 10_000):
            echo.send(DATA[end - 10_000 : end])
            await protocol.until(lambda end=end: len(protocol.received) >= end)
        echo.end()
        transport.close()
        await protocol.end()
    finally:
        echo.end()
        scene.tell("protocol", f"received {verdict(bytes(protocol.received))}")
        scene.release(listener)


@program("server over TLS")
async def server_over_tls(scene: Scene) -> None:
    server_side, client_side = contexts()
    protocols: list[Told] = []

    def factory() -> Told:
        protocols.append(Told(scene, "protocol", echo=True))
        return protocols[-1]

    server, address = await serve(scene, socket.AF_INET, factory, ssl=server_side)
    scene.peer(echo_client, address, socket.AF_INET, client_side)
    try:
        await scene.peers_are_done()
        for protocol in protocols:
            if protocol.transport is not None:
                await protocol.end()
    finally:
        server.close()
    await server.wait_closed()


# Streams


@program("stream client")
async def stream_client(scene: Scene) -> None:
    listener = scene.listener()
    scene.peer(echo_server, listener)
    received = bytearray()
    writer = None
    try:
        reader, writer = await scene.aio.open_connection(*listener.getsockname())
        await write_in_parts(writer)
        received += await reader.readuntil(b".")
        received += await reader.readexactly(992)
        writer.write_eof()
        while data := await reader.read(10_000):
            received += data
        scene.tell("reader", f"at its end {await reader.read(1)!r}")
    finally:
        await leave(scene, writer, listener, received)


@program("stream client over TLS")
async def stream_client_over_tls(scene: Scene) -> None:
    listener = scene.listener()
    server_side, client_side = contexts()
    echo = EchoInPieces(scene, listener, server_side)
    received = bytearray()
    writer = None
    try:
        reader, writer = await scene.aio.open_connection(*listener.getsockname(), ssl=client_side)
        await write_in_parts(writer)
        await echo.taken()
        echo.send(DATA[:8])
        received += await reader.readuntil(b".")
        echo.send(DATA[8:1000])
        received += await reader.readexactly(992)
        echo.send(DATA[1000:15_000])
        while len(received) < 15_000 and (data := await reader.read(10_000)):
            received += data
        echo.send(DATA[15_000:25_000])
        echo.send(DATA[25_000:])
        while len(received) < len(DATA) and (data := await reader.read(10_000)):
            received += data
        scene.tell("reader", "done")
    finally:
        echo.end()
        await leave(scene, writer, listener, received)


async def write_in_parts(writer: Any) -> None:
    for piece in (DATA[:1], DATA[1:8], DATA[8:]):
        writer.write(piece)
        await writer.drain()


async def leave(scene: Scene, writer: Any, listener: socket.socket, received: bytes) -> None:
    scene.tell("reader", f"received {verdict(bytes(received))}")
    scene.release(listener)
    if writer is not None:
        writer.close()
        await writer.wait_closed()


@program("stream server")
@program("stream server over TLS", True)
async def stream_server(scene: Scene, tls: bool = False) -> None:
    server_side, client_side = contexts() if tls else (None, None)

    talking = set()  # each to one client

    async def talk(reader: Any, writer: Any) -> None:
        talking.add(writer)
        try:
            while data := await reader.read(10_000):
                writer.write(data)
                await writer.drain()
        except OSError as error:
            scene.tell("server", error_name(error))
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError as error:
                scene.tell("server", f"closed: {error_name(error)}")
            talking.discard(writer)

    server = await scene.aio.start_server(talk, "127.0.0.1", 0, ssl=server_side)
    scene.peer(echo_client, server.sockets[0].getsockname(), socket.AF_INET, client_side)
    try:
        await scene.peers_are_done()
        while talking:
            await scene.aio.sleep(0.0005)
    finally:
        server.close()
    await server.wait_closed()


@program("start_tls")
async def start_tls(scene: Scene) -> None:
    server_side, client_side = contexts()
    listener = scene.listener()

    def peer(scene: Scene) -> None:
        with listener:
            connection, _ = listener.accept()
        with connection:
            hurry(connection)
            with connection.makefile("rb", buffering=0) as plain:
                question = b""
                while len(question) < 6 and (data := plain.read(6 - len(question))):
                    question += data
            if question != b"secure":
                return
            connection.sendall(b"go")
            with server_side.wrap_socket(connection, server_side=True) as secured:
                scene.tell("peer", f"received {secured.recv(100)!r}")
                secured.sendall(b"heard")
                receive_all(secured)

    scene.peer(peer)
    writer = None
    try:
        reader, writer = await scene.aio.open_connection(*listener.getsockname())
        writer.write(b"secure")
        scene.tell("reader", repr(await reader.readexactly(2)))
        await writer.start_tls(client_side)
        writer.write(b"password")
        scene.tell("reader", repr(await reader.readexactly(5)))
    finally:
        scene.release(listener)
        if writer is not None:
            writer.close()
            await writer.wait_closed()
