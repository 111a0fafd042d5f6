"""When a native datagram transport calls its protocol: the same calls in the same turns as asyncio's."""

import asyncio
import socket
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import turns
from support.datagrams import ToldOfDatagrams, bound, endpoint

FAMILIES = [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
@same_on_both
def test_a_whole_life(aio: ModuleType, see: Witness, family: int, connected: bool) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see), family=family, connected=connected)
        transport = near.transport
        see("connected")
        for data in (b"one", b"", bytes(60_000)):
            near.peer.send(data)
            await turns(aio)
        address = None if connected else near.peer.getsockname()
        for answer in (b"bytes", bytearray(b"bytearray"), memoryview(b"a view")[2:], b""):
            see("sent", transport.sendto(answer, address))
        see(near.received())
        see(transport.get_write_buffer_size(), transport.get_write_buffer_limits())
        transport.close()
        see(transport.is_closing(), repr(transport))
        near.peer.close()
        await turns(aio)
        see(repr(transport))

    see.run(main())


@same_on_both
def test_one_datagram_in_a_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        near = await endpoint(
            ToldOfDatagrams(see, datagram_received=lambda _, data, addr: loop.call_soon(see, "after", data))
        )
        for number in range(5):
            near.peer.send(b"%d" % number)
        for number in range(7):
            see("turn", number)
            await aio.sleep(0)
        near.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_each_callback_has_its_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def tick(number: int) -> None:
            see("tick", number)
            if number < 10:
                loop.call_soon(tick, number + 1)

        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        protocol = ToldOfDatagrams(see)
        made = loop.create_datagram_endpoint(lambda: protocol, local_addr=("127.0.0.1", 0))
        task = loop.create_task(made)
        task.add_done_callback(lambda _: see("there"))
        tick(0)
        await turns(aio, 2)
        peer.sendto(b"early", protocol.transport.get_extra_info("sockname"))
        await turns(aio, 5)
        protocol.transport.close()
        peer.close()
        await turns(aio, 5)

    see.run(main())


@pytest.mark.parametrize(
    "error", [ValueError, OSError, asyncio.CancelledError, KeyboardInterrupt, SystemExit]
)
@pytest.mark.parametrize(
    "name", ["connection_made", "datagram_received", "error_received", "connection_lost"]
)
@same_on_both
def test_a_callback_raises(aio: ModuleType, see: Witness, name: str, error: Any) -> None:
    def fail(*args: Any) -> None:
        raise error("from " + name)

    loop = see.new_loop()

    def complete(coro: Any) -> Any:
        # Those that end the run come out of it.
        try:
            return loop.run_until_complete(coro)
        except (KeyboardInterrupt, SystemExit) as raised:
            see("out of the loop", raised)
            return None

    protocol = ToldOfDatagrams(see, **{name: fail})
    near, peer = bound(socket.AF_INET), bound(socket.AF_INET)
    near.connect(peer.getsockname())
    peer.connect(near.getsockname())
    task = loop.create_task(loop.create_datagram_endpoint(lambda: protocol, sock=near))
    complete(turns(aio))
    complete(turns(aio))
    see("done", task.done())
    peer.send(b"data")
    complete(turns(aio))
    peer.close()
    # The first one finds out, the second one is told, or the next reading.
    for _ in range(2):
        see.attempt(protocol.transport.sendto, b"nobody is there")
        complete(turns(aio))
    protocol.transport.abort()
    complete(turns(aio))
    see(repr(protocol.transport))


@same_on_both
def test_reading_is_paused_and_resumed(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        transport = near.transport
        see(transport.is_reading())
        near.peer.send(b"before")
        transport.pause_reading()
        transport.pause_reading()
        await turns(aio)
        see(transport.is_reading(), repr(transport))
        transport.resume_reading()
        transport.resume_reading()
        await turns(aio)
        transport.close()
        transport.pause_reading()
        transport.resume_reading()
        see(transport.is_reading())
        near.peer.close()
        await turns(aio)

    see.run(main(), debug=True)


@same_on_both
def test_another_protocol_takes_over(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        second = ToldOfDatagrams(see, datagram_received=lambda *args: see("the second one"))
        see(near.transport.get_protocol() is near.protocol)
        near.peer.send(b"first")
        await turns(aio)
        near.transport.set_protocol(second)
        see(near.transport.get_protocol() is second)
        near.peer.send(b"second")
        await turns(aio)
        near.transport.set_protocol(protocol=near.protocol)
        see.attempt(near.transport.set_protocol)
        near.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_data_ends_when_the_transport_is_closed_from_a_callback(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for end in ("close", "abort"):
            near = await endpoint(
                ToldOfDatagrams(see, datagram_received=lambda own, *_, end=end: getattr(own.transport, end)())
            )
            near.peer.send(b"one")
            near.peer.send(b"two")
            await turns(aio, 5)
            near.peer.close()

    see.run(main())


@same_on_both
def test_a_transport_that_nobody_closes(aio: ModuleType, see: Witness) -> None:
    import gc

    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        near.transport.pause_reading()
        near.protocol.transport = None
        peer = near.peer
        del near
        gc.collect()
        see("gone")
        peer.close()

    see.run(main())
