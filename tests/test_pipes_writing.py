"""Pipes that are written to: what goes out, what waits, how the other end's going is noticed."""

import asyncio
import os
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core
from support.both import Witness, same_on_both
from support.connections import Told, turns
from support.pipes import WRITABLE, open_pair, writing_to


@pytest.mark.parametrize("kind", WRITABLE)
@same_on_both
def test_a_whole_life(aio: ModuleType, see: Witness, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        far = await writing_to(Told(see), kind, tmp_path)
        transport = far.transport
        see("connected", transport.can_write_eof(), transport.is_closing(), repr(transport))
        await turns(aio)
        for data in (b"one", bytearray(b"two"), memoryview(b"three")[1:], b"", bytearray(), memoryview(b"")):
            see(transport.write(data))
            if data:
                await far.come_through(aio)
            see(far.read())
        transport.writelines([b"many", bytearray(b" "), b"lines"])
        await far.come_through(aio)
        see(far.read(), transport.get_write_buffer_size(), transport.get_write_buffer_limits())
        transport.write_eof()
        see(transport.is_closing(), repr(transport))
        await turns(aio)
        see(repr(transport))
        far.reader.close()

    see.run(main())


@same_on_both
def test_each_callback_has_its_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def tick(number: int) -> None:
            see("tick", number)
            if number < 10:
                loop.call_soon(tick, number + 1)

        reader, writer = open_pair("pipe")
        protocol = Told(see)
        task = loop.create_task(loop.connect_write_pipe(lambda: protocol, writer))
        tick(0)
        task.add_done_callback(lambda _: see("connected"))
        await turns(aio, 6)
        reader.close()
        await turns(aio, 6)

    see.run(main())


@pytest.mark.parametrize("kind", ["pipe", "fifo", "socket"])
@same_on_both
def test_what_waits_goes_out_in_order(aio: ModuleType, see: Witness, tmp_path: Path, kind: str) -> None:
    numbers = random.Random(kind)
    pieces = [numbers.randbytes(numbers.randrange(1, 3000)) for _ in range(200)]

    async def main() -> None:
        far = await writing_to(Told(see), kind, tmp_path)
        for piece in pieces:
            far.transport.write(numbers.choice([bytes, bytearray, memoryview])(piece))
        received = b""
        while len(received) < sum(map(len, pieces)):
            received += far.read(1000)
            await aio.sleep(0)
        see(received == b"".join(pieces), far.transport.get_write_buffer_size(), repr(far.transport))
        await far.close(aio)

    see.run(main())


@same_on_both
def test_what_waits_does_not_change_any_more(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        await far.fill(see)
        data = bytearray(b"before")
        far.transport.write(data)
        data[:] = b"after!"
        see(far.transport._buffer[-6:], type(far.transport._buffer))
        received = b""
        while far.transport.get_write_buffer_size():
            received += far.read()
            await aio.sleep(0)
        see((received + far.read_all())[-6:])
        await far.close(aio)

    see.run(main())


@pytest.mark.parametrize("end", ["close", "write_eof", "abort", "_close"])
@same_on_both
def test_ending_while_something_waits(aio: ModuleType, see: Witness, end: str) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        await far.fill(see)
        far.transport.write(b"last")
        if end == "_close":
            far.transport._close(ValueError("why"))
        else:
            getattr(far.transport, end)()
        see(repr(far.transport), far.transport.is_closing())
        await turns(aio)
        see("waiting")
        received = b""
        for _ in range(6):
            received += far.read()
            await turns(aio, 2)
        see(received[-4:], len(received) > 4096, repr(far.transport))
        far.transport.close()
        far.reader.close()

    see.run(main())


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "fifo", "socket", "buffered"])
@same_on_both
def test_the_other_end_is_closed(
    aio: ModuleType, see: Witness, tmp_path: Path, kind: str, full: bool
) -> None:
    async def main() -> None:
        far = await writing_to(Told(see), kind, tmp_path)
        await turns(aio)
        if full:
            while not far.transport.get_write_buffer_size():
                far.transport.write(bytes(1 << 16))
        far.reader.close()
        await turns(aio)
        see(repr(far.transport), far.transport.is_closing())

    see.run(main(), debug=True)


@same_on_both
def test_writing_finds_that_the_other_end_is_closed(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        await turns(aio)
        far.reader.close()
        for number in range(8):
            see(number, far.transport.write(b"data"), far.transport._conn_lost)
        await turns(aio)
        far.transport.write(b"still")
        see(repr(far.transport))

    see.run(main())


@same_on_both
def test_writing_after_closing(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        far.transport.close()
        for _ in range(8):
            far.transport.write(b"data")
        see.attempt(far.transport.write_eof)
        await turns(aio)
        see(far.read(), far.transport._conn_lost)
        far.transport.close()
        see.attempt(far.transport.write_eof)
        far.reader.close()

    see.run(main())


@same_on_both
def test_a_protocol_is_paused_and_resumed(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        far.transport.set_write_buffer_limits(high=3000, low=1000)
        see(far.transport.get_write_buffer_limits())
        await far.fill(see)
        for number in range(4):
            far.transport.write(bytes(1000))
            see(number, far.transport._protocol_paused, far.transport.get_write_buffer_size())
        while far.transport.get_write_buffer_size():
            see("reads", len(far.read(500)), far.transport._protocol_paused)
            await aio.sleep(0)
        far.transport.set_write_buffer_limits(high=0)
        await far.fill(see)
        see.attempt(far.transport.set_write_buffer_limits, high=1, low=2)
        await far.close(aio)

    see.run(main())


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
@same_on_both
def test_pausing_or_resuming_raises(aio: ModuleType, see: Witness, name: str, error: Any) -> None:
    def fail(*args: Any) -> None:
        raise error(name)

    loop = see.new_loop()
    made: list[Any] = []

    async def main() -> None:
        far = await writing_to(Told(see, **{name: fail}))
        made.append(far)
        far.transport.set_write_buffer_limits(high=1000, low=500)
        await far.fill(see)
        see.attempt(far.transport.write, bytes(1000))
        while far.transport.get_write_buffer_size():
            far.read()
            await aio.sleep(0)

    see.attempt(loop.run_until_complete, main())
    see.attempt(loop.run_until_complete, turns(aio))
    see(made[0].transport._protocol_paused, made[0].transport.get_write_buffer_size())
    loop.run_until_complete(made[0].close(aio))


@same_on_both
def test_resuming_writes_more(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        far = await writing_to(
            Told(see, resume_writing=lambda protocol: protocol.transport.write(b"and more"))
        )
        far.transport.set_write_buffer_limits(high=10)
        await far.fill(see)
        far.transport.close()
        received = b""
        for _ in range(10):
            received += far.read()
            await aio.sleep(0)
        see(received[-8:], repr(far.transport))
        far.reader.close()

    see.run(main())


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["connection_made", "connection_lost"])
@pytest.mark.parametrize("how", ["close", "abort", "peer"])
@same_on_both
def test_a_callback_raises(aio: ModuleType, see: Witness, how: str, name: str, error: Any) -> None:
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

    reader, writer = open_pair("pipe")
    protocol = Told(see, **{name: fail})
    task = loop.create_task(loop.connect_write_pipe(lambda: protocol, writer))
    complete(turns(aio))
    complete(turns(aio))
    see("done", task.done())
    if how == "peer":
        reader.close()
    else:
        getattr(protocol.transport, how)()
    complete(turns(aio, 5))
    see(repr(protocol.transport), writer.closed)
    reader.close()


@pytest.mark.parametrize("data", [None, "text", 5, [1]])
@same_on_both
def test_what_is_no_data(aio: ModuleType, see: Witness, data: Any) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        see.attempt(far.transport.write, data)
        see.attempt(far.transport.write)
        see.attempt(far.transport.write, b"", b"")
        see.attempt(far.transport.write, data=b"by name")
        see.attempt(far.transport.writelines, [data])
        see(far.read(), far.transport.is_closing())
        await far.close(aio)

    see.run(main())


@same_on_both
def test_a_view_with_gaps_is_the_end(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        far = await writing_to(Told(see))
        see.attempt(far.transport.write, memoryview(b"0123456789")[::2])
        await turns(aio)
        see(far.transport.is_closing(), far.read())
        far.reader.close()

    see.run(main())


def test_views_of_larger_items() -> None:
    # asyncio counts items there, and loses data when not all of them go out at once.
    async def main() -> None:
        see = Witness(roundelay)
        far = await writing_to(Told(see))
        data = bytes(range(256)) * 64
        far.transport.write(memoryview(data).cast("Q"))
        assert far.transport.get_write_buffer_size() == len(data) - 4096
        received = b""
        while len(received) < len(data):
            received += far.read()
            await asyncio.sleep(0)
        assert received == data
        await far.close(roundelay)

    roundelay.run(main())


def test_the_end_is_told_once() -> None:
    # asyncio tells it as often as it is asked to, and falls over its own feet the second time.
    async def main() -> None:
        see = Witness(roundelay)
        asyncio.get_running_loop().set_exception_handler(see.exception_handler)
        for first in ("close", "abort", "write_eof"):
            far = await writing_to(Told(see))
            getattr(far.transport, first)()
            far.transport.abort()
            await turns(roundelay)
            far.transport.abort()
            far.reader.close()
        assert [name for name, *_ in see.records] == ["made", "lost"] * 3

    roundelay.run(main())


def test_closed_from_the_beginning_leaves_nothing_behind() -> None:
    # asyncio watches for the end of the other side then, under the number of a file that it has closed.
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        before = loop._selector.get_map().keys()
        see = Witness(roundelay)
        far = await writing_to(Told(see, connection_made=lambda protocol: protocol.transport.close()))
        await turns(roundelay)
        assert loop._selector.get_map().keys() == before
        far.reader.close()

    roundelay.run(main())


def test_a_file_that_is_closed_behind_the_transports_back() -> None:
    # asyncio writes to whatever has the number by then.
    async def main() -> None:
        see = Witness(roundelay)
        far = await writing_to(Told(see), "socket")
        pipe = far.transport.get_extra_info("pipe")
        number = pipe.fileno()
        far.transport._loop._remove_reader(number)
        pipe.close()
        other_reader, other_writer = open_pair("socket")
        assert number in (other_reader.fileno(), other_writer.fileno())
        far.transport.write(b"not for you")
        await turns(roundelay)
        assert see.records[-1] == ("lost", ("OSError", "[Errno 9] Bad file descriptor", {}, []))
        for end in (other_reader, other_writer):
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(100)
        for file in (other_reader, other_writer, far.reader):
            file.close()

    roundelay.run(main())


@same_on_both
def test_a_device_that_takes_everything(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        null = open(os.devnull, "wb", 0)  # noqa: SIM115 (the transport closes it)
        transport, _ = await aio.get_running_loop().connect_write_pipe(lambda: Told(see), null)
        transport.write(bytes(1 << 20))
        await turns(aio)
        see(transport.get_write_buffer_size(), repr(transport))
        transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_the_fields_of_a_transport(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        reader, writer = open_pair("pipe")
        loop = aio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(asyncio.Protocol, writer)
        see(transport._fileno == writer.fileno(), transport._pipe is writer, transport._loop is loop)
        see(transport.get_extra_info("pipe") is writer, transport.get_extra_info("no such", 5))
        see(transport._closing, transport._conn_lost, transport._protocol_paused, transport._buffer)
        see(os.get_blocking(writer.fileno()), isinstance(transport, asyncio.WriteTransport))
        see(transport.get_protocol() is protocol)
        transport.set_protocol(Told(see))
        transport.close()
        await turns(aio)
        see(transport._pipe, transport._loop, transport._protocol, writer.closed)
        reader.close()

    see.run(main())


@same_on_both
def test_a_transport_that_nobody_closes(aio: ModuleType, see: Witness) -> None:
    import gc

    async def main() -> None:
        far = await writing_to(Told(see), "buffered")
        await turns(aio)
        # What watches for the other end's going would keep it.
        far.transport._loop._remove_reader(far.transport._fileno)
        far.protocol.transport = None
        reader = far.reader
        del far
        gc.collect()
        see("gone")
        reader.close()

    see.run(main())


def test_the_transport_is_native_and_one_of_asyncios() -> None:
    async def main() -> None:
        far = await writing_to(asyncio.Protocol())
        assert type(far.transport) is _core.WritePipeTransport
        assert isinstance(far.transport, asyncio.unix_events._UnixWritePipeTransport)
        await far.close(roundelay)

    roundelay.run(main())
