"""What a native datagram transport sends, what waits, and what it says of that: as asyncio's transport."""

import asyncio
import socket
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core
from support.both import Witness, same_on_both
from support.connections import turns
from support.datagrams import ToldOfDatagrams, endpoint, fill


@same_on_both
def test_what_waits_goes_out_in_order(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see), family=socket.AF_UNIX)
        await fill(near, see)
        for data in (b"one", bytearray(b"two"), memoryview(b"three")):
            near.transport.sendto(data)
        see([type(data) for data, _ in near.transport._buffer], [data for data, _ in near.transport._buffer])
        see(repr(near.transport))
        while near.transport._buffer:
            near.peer.recv(100)
            await aio.sleep(0)
        see([data for data in near.received() if data != b"filling"])
        near.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_what_waits_does_not_change_any_more(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see), family=socket.AF_UNIX)
        await fill(near, see)
        data = bytearray(b"before")
        near.transport.sendto(data)
        data[:] = b"after!"
        data.extend(b" and longer")
        while near.transport._buffer:
            near.received()
            await aio.sleep(0)
        see(near.received()[-1])
        near.close()
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("end", ["close", "abort", "_force_close"])
@same_on_both
def test_ending_while_something_waits(aio: ModuleType, see: Witness, end: str) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see), family=socket.AF_UNIX)
        await fill(near, see)
        near.transport.sendto(b"last")
        if end == "_force_close":
            near.transport._force_close(ValueError("why"))
        else:
            getattr(near.transport, end)()
        see(repr(near.transport), len(near.transport._buffer))
        await turns(aio)
        see("still waiting")
        received = near.received()
        await turns(aio)
        received += near.received()
        see(received[-1], len(received), len(near.transport._buffer))
        near.peer.close()

    see.run(main())


@same_on_both
def test_a_protocol_is_paused_and_resumed(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see), family=socket.AF_UNIX)
        # In some releases asyncio forgets to take off a few bytes for each datagram, which must not matter.
        near.transport.set_write_buffer_limits(high=3000, low=1500)
        see(near.transport.get_write_buffer_limits())
        await fill(near, see)
        for number in range(4):
            near.transport.sendto(bytes(1000))
            see(number, near.transport._protocol_paused)
        while near.transport._buffer:
            see("reads", near.peer.recv(2000)[:1], near.transport._protocol_paused)
            await aio.sleep(0)
        see.attempt(near.transport.set_write_buffer_limits, high=1, low=2)
        near.close()
        await turns(aio)

    see.run(main())


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
@same_on_both
def test_pausing_or_resuming_raises(aio: ModuleType, see: Witness, name: str, error: Any) -> None:
    def fail(*args: Any) -> None:
        raise error(name)

    loop = see.new_loop()
    loop.set_exception_handler(lambda _, context: see(context["message"], context["exception"]))

    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see, **{name: fail}), family=socket.AF_UNIX)
        near.transport.set_write_buffer_limits(high=1000, low=500)
        protocol.append(near)
        await fill(near, see)
        see.attempt(near.transport.sendto, bytes(1000))
        near.received()
        await turns(aio)

    protocol: list[Any] = []
    see.attempt(loop.run_until_complete, main())
    see(protocol[0].transport._protocol_paused)
    protocol[0].close()
    see.attempt(loop.run_until_complete, turns(aio))


def test_all_that_a_datagram_counts_for_is_taken_off_again() -> None:
    # asyncio does not in the first releases that count a header: its protocols stay paused for ever.
    sent_if_empty = sends_empty_datagrams()

    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(Witness(roundelay)), family=socket.AF_UNIX)
        while not near.transport.get_write_buffer_size():
            near.transport.sendto(b"12345")
        header = near.transport.get_write_buffer_size() - 5
        assert header in (0, 8)
        assert header == getattr(near.transport, "_header_size", header)
        near.transport.sendto(b"")
        queued = 2 if sent_if_empty else 1
        assert len(near.transport._buffer) == queued
        assert near.transport.get_write_buffer_size() == 5 + queued * header
        while near.transport._buffer:
            near.received()
            await asyncio.sleep(0)
        assert near.transport.get_write_buffer_size() == 0
        near.close()
        await turns(roundelay)

    roundelay.run(main())


def sends_empty_datagrams() -> bool:
    """Whether asyncio's own transport does, in this release."""

    async def main() -> bool:
        near = await endpoint(ToldOfDatagrams(Witness(asyncio)))
        near.transport.sendto(b"")
        received = near.received()
        near.close()
        await turns(asyncio)
        return received == [b""]

    loop = asyncio.SelectorEventLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.mark.parametrize("data", [None, "text", 5, [1], object])
@same_on_both
def test_what_is_no_data(aio: ModuleType, see: Witness, data: Any) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        see.attempt(near.transport.sendto, data)
        see.attempt(near.transport.sendto)
        see.attempt(near.transport.sendto, b"", None, 5)
        see.attempt(near.transport.sendto, b"named", address=None)
        see.attempt(near.transport.sendto, data=b"named", addr=None)
        see(near.transport.is_closing(), near.received())
        near.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_view_with_gaps_is_the_end(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        see.attempt(near.transport.sendto, memoryview(b"0123456789")[::2])
        await turns(aio)
        see(near.transport.is_closing(), near.received())
        near.peer.close()

    see.run(main())


@same_on_both
def test_sending_when_it_is_over(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind(("127.0.0.1", 0))
        for place in ({"remote_addr": peer.getsockname()}, {"local_addr": ("127.0.0.1", 0)}):
            transport, _ = await loop.create_datagram_endpoint(lambda: ToldOfDatagrams(see), **place)
            transport.close()
            address = None if "remote_addr" in place else peer.getsockname()
            for _ in range(8):
                see.attempt(transport.sendto, b"closing", address)
            await turns(aio)
            for _ in range(3):
                see.attempt(transport.sendto, b"closed", address)
        peer.close()

    see.run(main())


@same_on_both
def test_the_fields_of_a_transport(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        transport = near.transport
        see(isinstance(transport, asyncio.transports.DatagramTransport), sys.version_info[:2] > (3, 11))
        for name in ("_address", "_buffer_size", "_closing", "_conn_lost", "_paused", "_protocol_paused"):
            see(name, getattr(transport, name))
        see(type(transport._buffer), list(transport._buffer), transport.max_size, transport._server)
        see(transport._sock_fd == transport._sock.fileno(), transport._loop is aio.get_running_loop())
        see(transport.get_extra_info("socket").type, transport.get_extra_info("no such", "default"))
        see(transport.get_extra_info("peername") == near.peer.getsockname())
        see(transport.get_extra_info("sockname") == near.peer.getpeername())
        transport.max_size = 4
        near.peer.send(b"123456")
        await turns(aio)
        near.close()
        await turns(aio)

    see.run(main())


def test_the_transport_is_native_and_one_of_asyncios() -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(Witness(roundelay)))
        assert type(near.transport) is _core.DatagramTransport
        assert isinstance(near.transport, asyncio.selector_events._SelectorDatagramTransport)
        with pytest.raises(AttributeError):
            near.transport._buffer = []
        near.close()
        await turns(roundelay)

    roundelay.run(main())


def test_a_socket_of_another_class_has_its_own_methods_called() -> None:
    class Socket(socket.socket):
        def sendto(self, *args: Any) -> int:
            calls.append(args)
            return super().sendto(*args)

    calls: list[Any] = []

    async def main() -> None:
        sock = Socket(socket.AF_INET, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)
        assert type(transport) is asyncio.selector_events._SelectorDatagramTransport
        transport.sendto(b"data", ("127.0.0.1", 9))
        transport.close()
        await turns(roundelay)

    roundelay.run(main())
    assert calls == [(b"data", ("127.0.0.1", 9))]


def test_a_transport_of_another_loop_is_refused() -> None:
    loop = asyncio.SelectorEventLoop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(TypeError, match="needs a loop of roundelay's"):
            _core.DatagramTransport(loop, sock, asyncio.DatagramProtocol())
        assert sock.fileno() >= 0
    loop.close()
