"""Classes and objects of TLS that are the user's own, or that tests have replaced.

asyncio's code calls what is there, and so does ours.
"""

import asyncio
import gc
import ssl
import sys
import weakref
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, turns
from support.tls import client_context, connect, server_context

METHODS = [
    "get_buffer",
    "buffer_updated",
    "pause_writing",
    "resume_writing",
    "_write_appdata",
    "_do_write",
    "_process_outgoing",
    "_do_read",
    "_do_read__buffered",
    "_do_read__copied",
    "_control_app_writing",
    "_control_ssl_reading",
    "_get_write_buffer_size",
    "_get_read_buffer_size",
    "_call_eof_received",
    "_start_shutdown",
    "_do_flush",
    "_do_shutdown",
    "_fatal_error",
]


async def use(aio: ModuleType, see: Witness, secure: Any) -> None:
    """A little of everything."""
    secure.peer.write(b"hello")
    await turns(aio)
    secure.transport.write(b"answer")
    secure.transport.writelines([b"one", b"two"])
    see(secure.peer.read(), secure.transport.get_write_buffer_size())
    for _ in range(4):
        secure.transport.write(b"x" * 300_000)
    received = 0
    for _ in range(30):
        received += len(secure.peer.read())
        await aio.sleep(0)
    see(received)
    secure.transport.close()
    await turns(aio)
    see.attempt(secure.peer.step, secure.peer.object.unwrap)
    await turns(aio, 5)
    secure.peer.close()
    await turns(aio)


@pytest.mark.parametrize("kind", [Told, ToldByBuffer])
@pytest.mark.parametrize("name", METHODS)
@same_on_both
def test_a_method_of_one_object_is_replaced(aio: ModuleType, see: Witness, kind: Any, name: str) -> None:
    async def main() -> None:
        secure = await connect(aio, kind(see), buffer_size=4096)
        protocol = secure.transport._ssl_protocol
        original = getattr(protocol, name)

        def replacement(*args: Any) -> Any:
            # How asyncio's loop below divides what it sends is its own affair.
            if name not in ("pause_writing", "resume_writing", "get_buffer", "buffer_updated"):
                see("called", name)
            return original(*args)

        setattr(protocol, name, replacement)
        await use(aio, see, secure)
        delattr(protocol, name)

    see.run(main())


@pytest.mark.parametrize("name", ["read", "write", "pending", "unwrap", "do_handshake"])
@same_on_both
def test_ssl_objects_are_of_a_class_of_the_users(aio: ModuleType, see: Witness, name: str) -> None:
    class Object(ssl.SSLObject):
        pass

    def overridden(self: Any, *args: Any) -> Any:
        see("called", name, *[arg for arg in args if isinstance(arg, int)])
        return getattr(ssl.SSLObject, name)(self, *args)

    setattr(Object, name, overridden)

    async def main() -> None:
        server = server_context()
        server.sslobject_class = Object
        secure = await connect(aio, Told(see), contexts=(server, client_context()))
        see(type(secure.transport.get_extra_info("ssl_object")) is Object)
        await use(aio, see, secure)

    see.run(main())


@pytest.mark.parametrize("name", ["read", "write"])
@same_on_both
def test_the_class_of_ssl_objects_is_patched(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        original = getattr(ssl.SSLObject, name)

        def patched(self: Any, *args: Any) -> Any:
            if self is not secure.peer.object:
                see("called", name)
            return original(self, *args)

        secure.transport.write(b"before")
        with mock.patch.object(ssl.SSLObject, name, patched):
            secure.transport.write(b"while it is patched")
            secure.peer.write(b"hello")
            await turns(aio)
        secure.transport.write(b"after")
        await use(aio, see, secure)

    see.run(main())


@same_on_both
def test_a_mock_takes_the_place_of_the_ssl_object(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        protocol = secure.transport._ssl_protocol
        genuine = protocol._sslobj
        fake = mock.Mock()
        fake.read.side_effect = [b"from the mock", b"twice", ssl.SSLWantReadError]
        fake.write.side_effect = len
        protocol._sslobj = fake
        secure.peer.write(b"hello")
        await turns(aio)
        secure.transport.write(b"answer")
        see([call[0] for call in fake.method_calls], fake.write.call_args)
        fake.write.side_effect = ssl.SSLWantReadError
        secure.transport.write(b"later")
        see(secure.transport.get_write_buffer_size(), list(protocol._write_backlog))
        protocol._sslobj = genuine
        await use(aio, see, secure)

    see.run(main())


@same_on_both
def test_writing_waits_for_the_peer(aio: ModuleType, see: Witness) -> None:
    """What a renegotiation does: the SSL object takes a part, and then no more until something is read."""

    async def main() -> None:
        secure = await connect(aio, Told(see))
        protocol = secure.transport._ssl_protocol
        genuine = protocol._sslobj
        taken = []

        def write(data: Any) -> int:
            if len(taken) == 2:
                raise ssl.SSLWantReadError
            taken.append(bytes(data[:3]))
            return len(taken[-1])

        fake = mock.Mock(write=write)
        fake.read.side_effect = ssl.SSLWantReadError
        protocol._sslobj = fake
        secure.transport.writelines([b"abcdefghi", bytearray(b"second"), memoryview(b"third")])
        see(taken, secure.transport.get_write_buffer_size(), [bytes(x) for x in protocol._write_backlog])
        protocol._sslobj = genuine
        secure.transport.write(b"fourth")
        see(secure.transport.get_write_buffer_size(), secure.peer.read())
        secure.transport._test__append_write_backlog(b"fifth")
        see(secure.transport.get_write_buffer_size())
        secure.peer.write(b"hello")
        await turns(aio)
        see(secure.transport.get_write_buffer_size(), secure.peer.read())
        await use(aio, see, secure)

    see.run(main())


@same_on_both
def test_private_attributes_are_there(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        transport = secure.transport
        protocol = transport._ssl_protocol
        see(sorted(name for name in asyncio.sslproto.SSLProtocol.__dict__ if name not in dir(protocol)))
        for name in (
            "_app_protocol_is_buffer",
            "_app_state",
            "_app_transport_created",
            "_app_reading_paused",
            "_app_writing_paused",
            "_conn_lost",
            "_eof_received",
            "_handshake_start_time",
            "_handshake_timeout_handle",
            "_incoming_high_water",
            "_incoming_low_water",
            "_outgoing_high_water",
            "_outgoing_low_water",
            "_server_hostname",
            "_server_side",
            "_shutdown_timeout_handle",
            "_ssl_handshake_timeout",
            "_ssl_shutdown_timeout",
            "_ssl_reading_paused",
            "_ssl_writing_paused",
            "_state",
            "_waiter",
            "_write_backlog",
            "_write_buffer_size",
            "max_size",
        ):
            see(name, getattr(protocol, name))
        see(protocol._app_transport is transport, protocol._app_protocol is secure.protocol)
        see(protocol._loop is aio.get_running_loop(), transport._loop is protocol._loop)
        see(len(protocol._ssl_buffer), len(protocol._ssl_buffer_view))
        see(len(protocol.get_buffer(-1)), len(protocol.get_buffer(10)))
        see.attempt(lambda: protocol._app_protocol_get_buffer)
        see.attempt(protocol._set_state, asyncio.sslproto.SSLProtocolState.DO_HANDSHAKE)
        see.attempt(protocol.resume_writing)
        protocol.pause_writing()
        see.attempt(protocol.pause_writing)
        secure.transport.write(b"waits")
        see(secure.transport.get_write_buffer_size() > 0, secure.peer.read())
        protocol.resume_writing()
        see(secure.transport.get_write_buffer_size(), secure.peer.read())
        await use(aio, see, secure)

    see.run(main())


@same_on_both
def test_real_subclasses(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        secure = await connect(aio, Told(see))
        transport = secure.transport
        see(isinstance(transport, asyncio.Transport), type(transport).__name__, type(transport).__module__)
        see(isinstance(transport, asyncio.sslproto._SSLProtocolTransport))
        see(isinstance(transport._ssl_protocol, asyncio.sslproto.SSLProtocol))
        see(isinstance(transport._ssl_protocol, asyncio.BufferedProtocol))
        see(repr(transport), repr(transport._ssl_protocol))
        see(transport._start_tls_compatible, transport._sendfile_compatible)
        transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


class Quiet(asyncio.Protocol):
    """A protocol that knows its transport."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class QuietByBuffer(asyncio.BufferedProtocol):
    """The same with a buffer."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = bytearray(100_000)

    def get_buffer(self, sizehint: int) -> Any:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(memoryview(self.buffer)[:nbytes])


def test_openssl_itself_is_driven() -> None:
    """Where this fails, TLS works all the same, and is slower: something of OpenSSL's was not found."""

    async def driven_by(**changes: Any) -> str:
        server = server_context()
        for name, value in changes.items():
            setattr(server, name, value)
        secure = await connect(roundelay, Quiet(), contexts=(server, client_context()))
        found: str = secure.transport._ssl_protocol._driven_by
        secure.transport.abort()
        secure.peer.close()
        await turns(roundelay)
        return found

    class Overriding(ssl.SSLObject):
        def read(self, *args: Any) -> Any:
            return super().read(*args)

    class Deriving(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()

    async def main() -> None:
        assert await driven_by() == "openssl"
        assert await driven_by(sslobject_class=Deriving) == "openssl"
        assert await driven_by(sslobject_class=Overriding) == "asyncio"
        # What it raises is known to the method alone.
        assert await driven_by(_msg_callback=lambda *args: None) == "ssl"

    roundelay.run(main())


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("kind", [Quiet, QuietByBuffer])
def test_no_python_code_of_asyncios_runs_for_data(kind: Any) -> None:
    called: set[str] = set()

    def profile(frame: Any, event: str, arg: Any) -> None:
        name = frame.f_code.co_name
        if frame.f_code.co_filename.endswith(("asyncio/sslproto.py", "/ssl.py")) and peer_is_idle:
            # That hears of messages, if it is to.
            called.update({name} - {"inner", "__call__"})

    async def main() -> None:
        nonlocal peer_is_idle
        secure = await connect(roundelay, kind())
        for size in (10, 20_000, 300_000):
            got = 0
            left = size
            for _ in range(40):
                if left:
                    secure.peer.write(b"x" * min(left, 50_000))
                    left -= min(left, 50_000)
                peer_is_idle = True
                await turns(roundelay, 2)
                peer_is_idle = False
                got += len(secure.peer.read())
            assert got == size
        secure.transport.abort()
        secure.peer.close()

    peer_is_idle = False
    sys.setprofile(profile)
    try:
        roundelay.run(main())
    finally:
        sys.setprofile(None)
    assert called == set()


def test_a_bytearray_is_filled_whole() -> None:
    """asyncio reads all records but the first into a copy."""
    sent = bytes(range(256)) * 200
    received = bytearray()

    class Collect(QuietByBuffer):
        def buffer_updated(self, nbytes: int) -> None:
            received.extend(self.buffer[:nbytes])

    async def main() -> None:
        secure = await connect(roundelay, Collect())
        secure.peer.write(sent)
        await turns(roundelay, 5)
        secure.transport.abort()
        secure.peer.close()

    roundelay.run(main())
    assert received == sent


@pytest.mark.parametrize("cut_off", [False, True])
def test_nothing_of_a_connection_is_left(cut_off: bool) -> None:
    async def main() -> None:
        contexts = (server_context(), client_context())
        secure = await connect(roundelay, Quiet(), contexts=contexts)
        ssl_object = secure.transport.get_extra_info("ssl_object")
        kept.extend(
            weakref.ref(item)
            for item in (
                contexts[0],
                ssl_object,
                secure.transport,
                secure.transport._ssl_protocol,
                secure.protocol,
            )
        )
        secure.peer.write(b"x" * 100_000)
        await turns(roundelay)
        assert len(secure.peer.read()) == 100_000
        if not cut_off:
            secure.transport.close()
            await turns(roundelay)
            secure.peer.step(secure.peer.object.unwrap)
        else:
            secure.transport.abort()
        secure.peer.close()
        await turns(roundelay, 5)

    kept: list[Any] = []
    roundelay.run(main())
    gc.collect()
    assert len(kept) == 5
    assert [reference() for reference in kept] == [None] * 5


def test_an_idle_connection_takes_little_memory() -> None:
    """asyncio's protocol has a buffer of 256 KiB to begin with."""
    import tracemalloc

    async def main() -> int:
        connections = [await connect(roundelay, Quiet()) for _ in range(2)]
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            connections.append(await connect(roundelay, Quiet()))
            connections[-1].peer.write(b"hello")
            await turns(roundelay)
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for secure in connections:
            secure.transport.abort()
            secure.peer.close()
        await turns(roundelay)
        return used // 10

    assert roundelay.run(main()) < 40_000
