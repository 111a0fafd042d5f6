"""Sockets, descriptors, servers, loops and native transports: who owns what, and what the world reads."""

import asyncio
import asyncio.selector_events
import gc
import os
import pickle
import socket
import sys
import tempfile
import weakref
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, connect, turns


def test_connections_are_native_and_of_asyncios_classes() -> None:
    async def main() -> None:
        connection = await connect(asyncio.Protocol())
        transport = connection.transport
        assert type(transport) is _core.SocketTransport
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.transports._FlowControlMixin)
        assert isinstance(transport, asyncio.selector_events._SelectorSocketTransport)
        assert type(transport).__name__ == "_SelectorSocketTransport"
        transport.close()
        connection.peer.close()
        await asyncio.sleep(0)

    roundelay.run(main())


class OwnSocket(socket.socket):
    """A socket that does things of its own."""

    received = 0

    def recv(self, *args: Any) -> bytes:
        OwnSocket.received += 1
        return super().recv(*args)


def test_methods_of_a_socket_of_the_users_are_called() -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        own = OwnSocket(fileno=near.detach())
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_accepted_socket(lambda: asyncio.StreamReaderProtocol(reader), own)
        assert not isinstance(transport, _core.SocketTransport)
        far.send(b"data")
        assert await reader.read(10) == b"data"
        assert OwnSocket.received == 1
        transport.close()
        far.close()
        await asyncio.sleep(0)

    roundelay.run(main())


class Wrapped:
    """What a test puts in the place of a transport's socket."""

    def __init__(self, see: Witness, sock: socket.socket) -> None:
        self.see, self.sock, self.patience = see, sock, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def send(self, data: Any) -> int:
        self.see("send", bytes(data))
        return self.sock.send(data[: len(data) // 2])

    def recv(self, size: int) -> bytes:
        self.see("recv", size)
        self.patience += 1
        if self.patience == 1:
            raise BlockingIOError
        return self.sock.recv(3)

    def recv_into(self, buffer: Any) -> int:
        self.see("recv_into", len(buffer))
        self.patience += 1
        if self.patience == 1:
            raise InterruptedError
        return self.sock.recv_into(buffer, 3)


@pytest.mark.parametrize("kind", [Told, ToldByBuffer])
@same_on_both
def test_a_socket_that_was_replaced(aio: ModuleType, see: Witness, kind: Any) -> None:
    async def main() -> None:
        connection = await connect(kind(see))
        transport = connection.transport
        transport._sock = Wrapped(see, transport._sock)
        connection.peer.send(b"in five pieces")
        await turns(aio, 8)
        transport.write(b"0123456789")
        see(connection.peer.recv(100), transport.get_write_buffer_size())
        if sys.version_info >= (3, 12):  # Older ones use send() again.
            await turns(aio)
            see(connection.peer.recv(100))
        see(transport._read_ready_cb is None)
        transport.abort()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@same_on_both
def test_attributes_that_the_world_reads(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        connection = await connect(Told(see), family=socket.AF_INET)
        transport = connection.transport
        see(transport._sock.fileno() == transport._sock_fd)
        see(transport._loop is aio.get_running_loop(), transport._protocol is connection.protocol)
        for name in (
            "_conn_lost", "_closing", "_eof", "_paused", "_protocol_connected", "_protocol_paused", "_server",
            "_empty_waiter", "_high_water", "_low_water", "max_size", "_start_tls_compatible",
            "_sendfile_compatible", "_buffer",
        ):  # fmt: skip
            see(name, getattr(transport, name))
        sock = transport.get_extra_info("socket")
        see(type(sock), sock.fileno() == transport._sock_fd, sock.family, sock.type)
        see(transport.get_extra_info("sockname") == transport._sock.getsockname())
        see(transport.get_extra_info("peername") == connection.peer.getsockname())
        see(transport.get_extra_info("nothing"), transport.get_extra_info("nothing", 5))
        see(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
        transport.note = "an attribute of the user's"
        see(transport.note, weakref.ref(transport)() is transport)
        see.attempt(pickle.dumps, object())
        see(transport in aio.get_running_loop()._transports.values())
        transport.close()
        await turns(aio)
        see(transport._sock, transport.get_extra_info("sockname") is not None, repr(transport))
        connection.peer.close()

    see.run(main())


def test_the_words_for_a_descriptor_in_use() -> None:
    async def main() -> None:
        connection = await connect(asyncio.Protocol())
        transport = connection.transport
        words = f"File descriptor {transport._sock_fd} is used by transport {transport!r}"
        loop = asyncio.get_running_loop()
        for method, *args in (
            (loop.add_reader, print),
            (loop.add_writer, print),
            (loop.remove_reader,),
            (loop.remove_writer,),
        ):
            with pytest.raises(RuntimeError) as caught:
                method(transport._sock_fd, *args)
            assert str(caught.value) == words
        transport.abort()
        connection.peer.close()
        await asyncio.sleep(0)

    roundelay.run(main())


@pytest.mark.parametrize("kind", [Told, ToldByBuffer])
@pytest.mark.parametrize("action", ["write", "writelines", "read", "close", "abort", "write_eof"])
@same_on_both
def test_a_socket_that_was_detached_is_not_used(
    aio: ModuleType, see: Witness, kind: Any, action: str
) -> None:
    """Its number is somebody else's by then."""

    async def main() -> None:
        connection = await connect(kind(see))
        transport = connection.transport
        number = transport._sock.detach()
        stranger, other = socket.socketpair()
        other.setblocking(False)
        os.dup2(stranger.fileno(), number)
        if action == "read":
            # The loop still watches the number, as asyncio's does.
            other.send(b"not for the protocol")
        elif action.startswith("write") and action != "write_eof":
            getattr(transport, action)(b"x" if action == "write" else [b"x", b"y"])
        else:
            see.attempt(getattr(transport, action))
        await turns(aio)
        try:
            see("the stranger got", other.recv(100))
        except BlockingIOError:
            see("the stranger got nothing")
        transport.abort()
        await turns(aio)
        os.close(number)
        for sock in (stranger, other, connection.peer):
            sock.close()

    see.run(main())


def test_a_transport_that_nobody_closes() -> None:
    """asyncio's own holds on to itself until the collector comes; ours ends with its last reference."""

    async def main() -> None:
        connection = await connect(asyncio.Protocol())
        connection.transport.pause_reading()
        connection.peer.close()
        number = connection.transport._sock_fd
        words = f"unclosed transport {connection.transport!r}"
        with pytest.warns(ResourceWarning) as caught:
            del connection.transport
        assert [str(warning.message) for warning in caught] == [words]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)

    roundelay.run(main())


@same_on_both
def test_a_cycle_through_a_transport_is_found(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        connection = await connect(Told(see))
        connection.transport.me = connection.transport
        connection.transport.close()
        await turns(aio)
        gone = weakref.ref(connection.transport)
        connection.peer.close()
        del connection.transport, connection.protocol
        gc.collect()
        see(gone())

    see.run(main())


@same_on_both
def test_the_loop_is_closed_under_a_transport(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    connection = loop.run_until_complete(connect(Told(see), buffer_size=4096))
    transport = connection.transport
    loop.close()
    see(repr(transport))
    see.attempt(transport.pause_reading)
    see.attempt(transport.resume_reading)
    see.attempt(transport.write, b"data")
    see.attempt(transport.write, bytes(1 << 20))
    see.attempt(transport.close)
    see.attempt(transport.abort)
    see(transport.is_closing())
    connection.peer.close()
    transport._sock.close()
    transport._sock = None


@same_on_both
def test_a_server_counts_its_connections(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        made: list[Told] = []

        def factory() -> Told:
            made.append(Told(see))
            return made[-1]

        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        peers = [socket.create_connection(address) for _ in range(3)]
        while len(made) < 3 or not all(protocol.transport for protocol in made):
            await aio.sleep(0.01)
        see(all(protocol.transport._server is server for protocol in made))
        see(made[0].transport.get_extra_info("peername") in [peer.getsockname() for peer in peers])
        server.close()
        waiting = loop.create_task(server.wait_closed())
        for protocol in made:
            protocol.transport.close()
        await waiting
        await turns(aio)
        see([protocol.transport._server for protocol in made])
        for peer in peers:
            peer.close()

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in 3.13")
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
@same_on_both
def test_a_server_ends_its_connections(aio: ModuleType, see: Witness, method: str) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        protocol = Told(see)
        server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
        peer = socket.create_connection(server.sockets[0].getsockname())
        while not protocol.transport:
            await aio.sleep(0.01)
        getattr(server, method)()
        await turns(aio)
        server.close()
        await server.wait_closed()
        peer.close()

    see.run(main())


@pytest.mark.parametrize("fallback", [False, True])
@same_on_both
def test_a_file_is_sent(aio: ModuleType, see: Witness, fallback: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        connection = await connect(Told(see))
        content = os.urandom(300_000)
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            connection.transport.write(b"before")
            if fallback:
                connection.transport._sendfile_compatible = asyncio.constants._SendfileMode.FALLBACK
            sending = loop.create_task(loop.sendfile(connection.transport, file))
            await turns(aio, 2)
            if not fallback:
                see.attempt(connection.transport.write, b"meanwhile")
                see.attempt(connection.transport.writelines, [b"meanwhile"])
            got = b""
            while len(got) < 300_006:
                got += await loop.sock_recv(connection.peer, 100_000)
            see(await sending, got == b"before" + content)
        connection.transport.write(b"after")
        see(await loop.sock_recv(connection.peer, 100))
        connection.transport.close()
        await turns(aio)
        connection.peer.close()

    see.run(main())
