"""Pipes that are read from: the same calls in the same turns as asyncio's transport."""

import asyncio
import os
import socket
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core
from support.both import Witness, same_on_both
from support.connections import Told, turns
from support.pipes import READABLE, open_pair, reading_from


@pytest.mark.parametrize("kind", READABLE)
@same_on_both
def test_a_whole_life(aio: ModuleType, see: Witness, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        near = await reading_from(Told(see), kind, tmp_path)
        transport = near.transport
        see("connected", transport.is_reading(), transport.is_closing())
        # A terminal passes on no more at once.
        for data in (b"one", b"two", b"x" * (200 if kind == "terminal" else 3000)):
            near.write(data)
            await near.come_through(aio)
            await turns(aio)
        await near.hang_up(aio)
        await turns(aio, 5)
        see(transport.is_closing(), repr(transport))

    see.run(main())


@same_on_both
def test_each_callback_has_its_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def tick(number: int) -> None:
            see("tick", number)
            if number < 14:
                loop.call_soon(tick, number + 1)

        reader, writer = open_pair("pipe")
        writer.write(b"early")
        protocol = Told(see)
        task = loop.create_task(loop.connect_read_pipe(lambda: protocol, reader))
        tick(0)
        task.add_done_callback(lambda _: see("connected"))
        await turns(aio, 6)
        writer.write(b"later")
        writer.close()
        await turns(aio, 8)

    see.run(main())


@pytest.mark.parametrize("how", ["close", "_close"])
@same_on_both
def test_closing(aio: ModuleType, see: Witness, how: str) -> None:
    async def main() -> None:
        near = await reading_from(Told(see))
        near.write(b"never read")
        if how == "close":
            near.transport.close()
        else:
            near.transport._close(ValueError("why"))
        see(repr(near.transport), near.transport.is_reading())
        near.transport.close()
        await turns(aio)
        see(repr(near.transport), near.transport.get_protocol())
        near.transport.close()
        near.writer.close()

    see.run(main())


@pytest.mark.parametrize(
    "error", [ValueError, OSError, BlockingIOError, asyncio.CancelledError, KeyboardInterrupt, SystemExit]
)
@pytest.mark.parametrize("name", ["connection_made", "data_received", "eof_received", "connection_lost"])
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

    reader, writer = open_pair("pipe")
    protocol = Told(see, **{name: fail})
    task = loop.create_task(loop.connect_read_pipe(lambda: protocol, reader))
    complete(turns(aio))
    complete(turns(aio))
    see("done", task.done())
    writer.write(b"data")
    complete(turns(aio))
    writer.close()
    complete(turns(aio, 5))
    complete(turns(aio, 5))
    see(repr(protocol.transport), reader.closed)


@same_on_both
def test_reading_is_paused_and_resumed(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await reading_from(Told(see))
        transport = near.transport
        near.write(b"before")
        transport.pause_reading()
        transport.pause_reading()
        await turns(aio)
        see(transport.is_reading(), transport._paused, repr(transport))
        transport.resume_reading()
        transport.resume_reading()
        await turns(aio)
        transport.pause_reading()
        transport.close()
        transport.resume_reading()
        transport.pause_reading()
        see(transport.is_reading())
        await turns(aio)
        near.writer.close()

    see.run(main(), debug=True)


@same_on_both
def test_paused_from_the_beginning(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await reading_from(
            Told(see, connection_made=lambda protocol: protocol.transport.pause_reading())
        )
        near.write(b"data")
        await turns(aio)
        see("still paused")
        near.transport.resume_reading()
        await turns(aio)
        near.transport.close()
        near.writer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_closed_from_the_beginning(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await reading_from(Told(see, connection_made=lambda protocol: protocol.transport.close()))
        await turns(aio)
        see(repr(near.transport))
        near.writer.close()

    see.run(main())


@same_on_both
def test_a_read_takes_so_much(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await reading_from(Told(see))
        see(near.transport.max_size)
        near.transport.max_size = 4
        near.write(b"0123456789")
        await turns(aio, 6)
        near.transport.max_size = 1 << 20
        near.write(bytes(5000))
        await turns(aio)
        near.transport.close()
        near.writer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_another_protocol_takes_over(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await reading_from(Told(see))
        second = Told(see, data_received=lambda *args: see("the second one"))
        see(near.transport.get_protocol() is near.protocol)
        near.write(b"first")
        await turns(aio)
        near.transport.set_protocol(second)
        see(near.transport.get_protocol() is second)
        near.write(b"second")
        await turns(aio)
        near.transport.set_protocol(protocol=near.protocol)
        see.attempt(near.transport.set_protocol)
        near.transport.close()
        near.writer.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_terminal_that_is_hung_up(aio: ModuleType, see: Witness) -> None:
    # Reading gives an error then, of which there are no words outside of debug mode.
    async def main() -> None:
        near = await reading_from(Told(see), "terminal")
        near.write(b"a line\n")
        await near.come_through(aio)
        await near.hang_up(aio)
        await turns(aio)
        see(repr(near.transport))

    see.run(main(), debug=True)


@same_on_both
def test_a_connection_that_is_reset(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            far = socket.create_connection(server.getsockname())
            near, _ = server.accept()
        transport, _ = await loop.connect_read_pipe(lambda: Told(see), near)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        await turns(aio, 5)
        see(repr(transport))

    see.run(main())


def test_a_file_that_is_closed_behind_the_transports_back() -> None:
    # asyncio reads from whatever has the number by then.
    for kind in ("pipe", "buffered", "socket"):

        async def main(kind: str = kind) -> None:
            see = Witness(roundelay)
            asyncio.get_running_loop().set_exception_handler(see.exception_handler)
            near = await reading_from(Told(see), kind)
            pipe = near.transport.get_extra_info("pipe")
            number = pipe.fileno()
            near.transport.pause_reading()
            pipe.close()
            other_reader, other_writer = open_pair("pipe")
            assert other_reader.fileno() == number, "the system gives out the lowest number that is free"
            other_writer.write(b"somebody else's")
            near.transport.resume_reading()
            await turns(roundelay)
            assert [name for name, *_ in see.records] == ["made", "exception handler", "lost"]
            assert see.records[-1] == ("lost", ("OSError", "[Errno 9] Bad file descriptor", {}, []))
            assert other_reader.read(100) == b"somebody else's"
            for file in (other_reader, other_writer, near.writer):
                file.close()

        roundelay.run(main())


@same_on_both
def test_the_fields_of_a_transport(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        reader, writer = open_pair("pipe")
        loop = aio.get_running_loop()
        transport, protocol = await loop.connect_read_pipe(asyncio.Protocol, reader)
        see(transport._fileno == reader.fileno(), transport._pipe is reader, transport._loop is loop)
        see(transport.get_extra_info("pipe") is reader, transport.get_extra_info("no such", 5))
        see(transport._closing, transport._paused, transport._protocol is protocol)
        see(os.get_blocking(reader.fileno()), isinstance(transport, asyncio.ReadTransport))
        see.attempt(setattr, transport, "anything", 5)
        see(transport.anything)
        transport.close()
        await turns(aio)
        see(transport._pipe, transport._loop, transport._protocol, reader.closed)
        writer.close()

    see.run(main())


@same_on_both
def test_a_transport_that_nobody_closes(aio: ModuleType, see: Witness) -> None:
    import gc

    async def main() -> None:
        near = await reading_from(Told(see))
        near.transport.pause_reading()
        near.protocol.transport = None
        writer = near.writer
        del near
        gc.collect()
        see("gone")
        writer.close()

    see.run(main())


@same_on_both
def test_anything_with_a_descriptor_will_do(aio: ModuleType, see: Witness) -> None:
    class Pipe:
        def __init__(self, number: int) -> None:
            self.number = number

        def fileno(self) -> int:
            return self.number

        def close(self) -> None:
            see("closed")
            os.close(self.number)

    async def main() -> None:
        near, far = os.pipe()
        transport, _ = await aio.get_running_loop().connect_read_pipe(lambda: Told(see), Pipe(near))
        os.write(far, b"data")
        await turns(aio)
        os.close(far)
        await turns(aio)
        see(transport.is_closing())

    see.run(main())


def test_the_transport_is_native_and_one_of_asyncios() -> None:
    async def main() -> None:
        near = await reading_from(asyncio.Protocol())
        assert type(near.transport) is _core.ReadPipeTransport
        assert isinstance(near.transport, asyncio.unix_events._UnixReadPipeTransport)
        near.transport.close()
        near.writer.close()
        await turns(roundelay)

    roundelay.run(main())


def test_a_transport_of_another_loop_is_refused() -> None:
    loop = asyncio.SelectorEventLoop()
    reader, writer = open_pair("pipe")
    for kind, file in ((_core.ReadPipeTransport, reader), (_core.WritePipeTransport, writer)):
        with pytest.raises(TypeError, match="needs a loop of roundelay's"):
            kind(loop, file, asyncio.Protocol())
        assert not file.closed
        file.close()
    loop.close()
