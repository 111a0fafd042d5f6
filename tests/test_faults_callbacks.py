"""Protocols whose every callback raises: the exception handler hears what it hears from asyncio, and nobody
else has to suffer."""

import asyncio
import os
import socket
import ssl
import subprocess
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import connect, turns
from support.tls import client_context, server_context

ERRORS = [ValueError, OSError, ConnectionResetError, BrokenPipeError, asyncio.CancelledError, TimeoutError]

each_error = pytest.mark.parametrize("error", ERRORS)


class Raises:
    """Whatever is called raises, but for what is asked not to."""

    def __init__(
        self, see: Callable[..., None], error: type[BaseException], *, but: tuple[str, ...] = ()
    ) -> None:
        self.see, self.error, self.but = see, error, but
        self.transport: Any = None
        self.buffer = bytearray(4)

    def failing(self, name: str, *args: Any) -> None:
        self.see(name, *args)
        if name not in self.but:
            raise self.error(f"from {name}")

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.failing("connection_made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.failing("connection_lost", exc)

    def pause_writing(self) -> None:
        self.failing("pause_writing")

    def resume_writing(self) -> None:
        self.failing("resume_writing")


class RaisesOfStream(Raises, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.failing("data_received", data if len(data) < 100 else len(data))

    def eof_received(self) -> None:
        self.failing("eof_received")


class RaisesOfBuffer(Raises, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint: int) -> bytearray:
        self.failing("get_buffer")
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.failing("buffer_updated", nbytes)

    def eof_received(self) -> None:
        self.failing("eof_received")


class RaisesOfDatagrams(Raises, asyncio.DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.failing("datagram_received", data)

    def error_received(self, exc: Exception) -> None:
        self.failing("error_received", exc)


class RaisesOfProcess(Raises, asyncio.SubprocessProtocol):
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.failing("pipe_data_received", fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.failing("pipe_connection_lost", fd, exc)

    def process_exited(self) -> None:
        self.failing("process_exited")


STREAMS = [RaisesOfStream, RaisesOfBuffer]
NAMES = {
    RaisesOfStream: ("connection_made", "data_received", "eof_received"),
    RaisesOfBuffer: ("connection_made", "get_buffer", "buffer_updated", "eof_received"),
}


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
@pytest.mark.parametrize("kind", STREAMS)
@each_error
@same_on_both
def test_every_callback_of_a_connection(
    aio: ModuleType, see: Witness, error: Any, kind: Any, family: int
) -> None:
    # Each life has one callback more that does not raise, so that the next one has its turn.
    async def main() -> None:
        for count in range(len(NAMES[kind]) + 1):
            see("all but", NAMES[kind][:count])
            connection = await connect(kind(see, error, but=NAMES[kind][:count]), family=family)
            transport = connection.transport
            await turns(aio)
            connection.peer.send(b"data")
            await aio.sleep(0.002)
            await turns(aio)
            connection.peer.close()
            await aio.sleep(0.002)
            await turns(aio, 5)
            see("the end", transport.is_closing(), repr(transport))
            transport.abort()
            await turns(aio)

    see.run(main())


@pytest.mark.parametrize("kind", STREAMS)
@each_error
@same_on_both
def test_flow_control(aio: ModuleType, see: Witness, error: Any, kind: Any) -> None:
    async def main() -> None:
        connection = await connect(kind(see, error, but=("connection_made",)))
        transport = connection.transport
        transport.set_write_buffer_limits(100)
        await connection.fill(see)
        size = transport.get_write_buffer_size()
        transport.write(b"more")
        see("kept", transport.get_write_buffer_size() - size)
        for _ in range(20):
            connection.read_all()
            await turns(aio)
        see("drained", transport.get_write_buffer_size())
        transport.close()
        await turns(aio)
        connection.peer.close()
        see("the end", repr(transport))

    see.run(main())


@pytest.mark.parametrize("kind", STREAMS)
@each_error
@same_on_both
def test_a_neighbour_does_not_suffer(aio: ModuleType, see: Witness, error: Any, kind: Any) -> None:
    # All at once: two that raise, with one between them that does not.
    async def main() -> None:
        bad = [await connect(kind(see, error, but=("connection_made",))) for _ in range(2)]
        near, far = socket.socketpair()
        reader, writer = await aio.open_connection(sock=near)
        await turns(aio)
        for peer in (bad[0].peer, far, bad[1].peer):
            peer.send(b"data")
        see("heard", await reader.read(100))
        await turns(aio)
        writer.write(b"answer")
        see("answered", far.recv(100))
        writer.close()
        await writer.wait_closed()
        far.close()
        for connection in bad:
            connection.transport.abort()
            connection.peer.close()
        await turns(aio)

    see.run(main())


@each_error
@same_on_both
def test_a_server_goes_on(aio: ModuleType, see: Witness, error: Any) -> None:
    count = 0
    # A socket for which there is no protocol is left by asyncio to its last reference.
    warnings.simplefilter("ignore", ResourceWarning)

    def factory() -> Any:
        nonlocal count
        count += 1
        see("factory", count)
        if count == 1:
            raise error("from the factory")
        return RaisesOfStream(see, error)

    async def main() -> None:
        loop = aio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", 0)
        for _ in range(3):
            with socket.create_connection(server.sockets[0].getsockname()) as client:
                client.settimeout(5)
                client.send(b"data")
                await aio.sleep(0.005)
                await turns(aio, 5)
                try:
                    see("client", await aio.to_thread(client.recv, 100))
                except ConnectionResetError:
                    see("client", b"")
        server.close()
        await server.wait_closed()

    see.run(main())


@pytest.mark.parametrize("when", ["at once", "later"])
@each_error
@same_on_both
def test_the_callback_of_a_stream_server(aio: ModuleType, see: Witness, error: Any, when: str) -> None:
    def at_once(reader: Any, writer: Any) -> None:
        see("called")
        writer.close()
        raise error("at once")

    async def later(reader: Any, writer: Any) -> None:
        see("read", await reader.read(100))
        writer.close()
        raise error("later")

    async def main() -> None:
        server = await aio.start_server(at_once if when == "at once" else later, "127.0.0.1", 0)
        for _ in range(2):
            with socket.create_connection(server.sockets[0].getsockname()) as client:
                client.send(b"data")
                await aio.sleep(0.005)
                await turns(aio, 5)
        server.close()
        await server.wait_closed()

    see.run(main())


@each_error
@same_on_both
def test_every_callback_under_tls(aio: ModuleType, see: Witness, error: Any) -> None:
    server_side, client_side = server_context(), client_context()

    async def main() -> None:
        loop = aio.get_running_loop()
        names = ("connection_made", "data_received", "eof_received")
        for count in range(len(names) + 1):
            see("all but", names[:count])
            protocol = RaisesOfStream(see, error, but=names[:count])
            server = await loop.create_server(lambda given=protocol: given, "127.0.0.1", 0, ssl=server_side)
            address = server.sockets[0].getsockname()
            reader, writer = await aio.open_connection(*address, ssl=client_side, server_hostname="localhost")
            writer.write(b"data")
            try:
                # Only whether it ends: by a reset or in order is a matter of timing.
                async with aio.timeout(0.02):
                    await reader.read()
                see("ended")
            except (OSError, ssl.SSLError) as raised:
                see("timeout" if isinstance(raised, TimeoutError) else "ended")
            writer.transport.abort()
            try:
                await writer.wait_closed()
            except OSError:
                pass
            await aio.sleep(0.005)
            await turns(aio, 5)
            if protocol.transport is not None:
                protocol.transport.abort()
            server.close()
            await turns(aio, 5)

    see.run(main())


@each_error
@same_on_both
def test_every_callback_of_datagrams(aio: ModuleType, see: Witness, error: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        protocol = RaisesOfDatagrams(see, error)
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            address = peer.getsockname()
            transport, _ = await loop.create_datagram_endpoint(lambda: protocol, remote_addr=address)
            await turns(aio)
            peer.sendto(b"data", transport.get_extra_info("sockname"))
            await aio.sleep(0.002)
            await turns(aio)
            see("open", not transport.is_closing())
        # Nobody is there any more, which the next call is told.
        transport.sendto(b"to nobody")
        await aio.sleep(0.002)
        await turns(aio)
        if not transport.is_closing():
            transport.sendto(b"again")
        await turns(aio)
        transport.close()
        await turns(aio)
        see("the end", repr(transport))

    see.run(main())


@each_error
@same_on_both
def test_every_callback_of_pipes(aio: ModuleType, see: Witness, error: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        names = NAMES[RaisesOfStream]
        for count in range(len(names) + 1):
            see("all but", names[:count])
            out, into = os.pipe()
            protocol = RaisesOfStream(see, error, but=names[:count])
            with open(out, "rb", 0) as source, open(into, "wb", 0) as target:
                reading, _ = await loop.connect_read_pipe(lambda given=protocol: given, source)
                await turns(aio)
                target.write(b"data")
                await turns(aio)
                target.close()
                await turns(aio, 5)
                see("reading", reading.is_closing())
                reading.close()
                await turns(aio)
            out, into = os.pipe()
            protocol = RaisesOfStream(see, error, but=names[:count])
            with open(out, "rb", 0) as source, open(into, "wb", 0) as target:
                writing, _ = await loop.connect_write_pipe(lambda given=protocol: given, target)
                await turns(aio)
                writing.set_write_buffer_limits(10)
                while not writing.get_write_buffer_size():
                    writing.write(bytes(1 << 16))
                source.close()
                await turns(aio, 5)
                see("writing", writing.is_closing())
                writing.close()
                await turns(aio)

    see.run(main())


@each_error
@same_on_both
def test_every_callback_of_a_process(aio: ModuleType, see: Witness, error: Any) -> None:
    # Whether the end of a process or that of its output comes first is a matter of timing, so it is sorted.
    heard: list[str] = []

    async def main() -> None:
        loop = aio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: heard.append(
                f"{context['message'].partition('(')[0]}: {context['exception']!r}"
            )
        )
        protocol = RaisesOfProcess(lambda *what: heard.append(repr(what)), error)
        transport, _ = await loop.subprocess_exec(
            lambda: protocol, "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
        )
        await turns(aio, 5)
        transport.get_pipe_transport(0).write(b"data")
        while not any("pipe_data_received" in what for what in heard):
            await aio.sleep(0.001)
        transport.get_pipe_transport(0).close()
        await see.attempt_await(transport._wait())
        # What follows the end needs turns, and cat's last words.
        await aio.sleep(0.02)
        transport.close()
        await turns(aio, 5)
        see(sorted(heard))

    see.run(main())
