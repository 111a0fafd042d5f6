"""Streams of which something is the user's: derived and patched classes, attributes set on one object."""

import asyncio
from typing import Any
from unittest import mock

import pytest
import roundelay
from support.coordination import MIXTURES, same_in_every_mixture, turns
from support.streams import Transport

MODULES: dict[str, Any] = {"asyncio": asyncio, "roundelay": roundelay, **MIXTURES}
each_module = pytest.mark.parametrize("module", MODULES)


async def use(aio: Any, see: Any, reader: Any) -> None:
    """Everything that a reader can do, so that each of its methods is called by another one."""
    reader.set_transport(Transport(see))
    for data in (b"one\n", b"two\nthree", b"4" * 30):
        task = aio.create_task(reader.readline())
        await turns(aio)
        reader.feed_data(data)
        await turns(aio, 2)
        see(task.done() and repr(task.exception()), bytes(reader._buffer), reader._paused)
        task.cancel()
    reader.feed_data(b"5" * 30)
    see(await reader.read(3), await reader.readexactly(20), reader._paused)
    task = aio.create_task(reader.read())
    await turns(aio)
    reader.feed_data(b"end\n")
    await turns(aio)
    reader.feed_eof()
    see(await task, reader.at_eof())
    async for line in reader:
        see(line)
    reader.set_exception(OSError("broken"))
    await see.attempt_await(reader.readuntil(b"x"))


def overriding(aio: Any, see: Any, *names: str) -> type:
    """A class of readers that tells of each call of these methods."""

    def told(name: str) -> Any:
        def method(self: Any, *args: Any) -> Any:
            see("called", name, args)
            return getattr(super(cls, self), name)(*args)

        return method

    cls = type("Reader", (aio.StreamReader,), {name: told(name) for name in names})
    return cls


@pytest.mark.parametrize(
    "name",
    ["read", "readline", "readuntil", "readexactly", "_wait_for_data", "_maybe_resume_transport",
     "_wakeup_waiter", "feed_data", "feed_eof", "set_exception", "exception", "at_eof", "set_transport"],
)  # fmt: skip
@same_in_every_mixture
def test_methods_are_called_through_self(aio: Any, see: Any, name: str) -> None:
    async def main() -> None:
        reader = overriding(aio, see, name)(limit=10, loop=aio.get_running_loop())
        await use(aio, see, reader)
        # From the outside as well.
        reader = overriding(aio, see, name)(loop=aio.get_running_loop())
        protocol = aio.StreamReaderProtocol(reader, loop=aio.get_running_loop())
        transport = Transport(see)
        protocol.connection_made(transport)
        writer = aio.StreamWriter(transport, protocol, reader, aio.get_running_loop())
        protocol.data_received(b"data")
        protocol.eof_received()
        await writer.drain()
        protocol.connection_lost(OSError("lost"))
        await see.attempt_await(writer.drain())
        writer.close()

    see.run(main())


@same_in_every_mixture
def test_methods_set_on_one_reader_are_called(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader = aio.StreamReader(limit=10, loop=aio.get_running_loop())
        reader._maybe_resume_transport = lambda: see("maybe resume")
        reader._wakeup_waiter = lambda: see("wake up")
        reader.feed_data(b"data\n")
        see(await reader.readline())
        reader.feed_eof()

        async def readuntil(separator: bytes) -> bytes:
            return b"something else"

        reader.readuntil = readuntil
        see(await reader.readline())

    see.run(main())


@same_in_every_mixture
def test_attributes_of_their_own_change_nothing(aio: Any, see: Any) -> None:
    class Reader(aio.StreamReader):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.number = 5

    async def main() -> None:
        reader = aio.StreamReader(limit=10, loop=aio.get_running_loop())
        reader.number = 4
        await use(aio, see, reader)
        await use(aio, see, Reader(limit=10, loop=aio.get_running_loop()))

    see.run(main())


@same_in_every_mixture
def test_attributes_that_a_class_puts_before_ours(aio: Any, see: Any) -> None:
    class Reader(aio.StreamReader):  # type: ignore[misc]
        _transport = None
        _paused = False

        @property
        def _limit(self) -> int:
            return 5

        @_limit.setter
        def _limit(self, limit: int) -> None:
            pass

    class Protocol(aio.StreamReaderProtocol):  # type: ignore[misc]
        _task: Any = None
        _over_ssl = True

        @property
        def _paused(self) -> bool:
            return False

        @_paused.setter
        def _paused(self, paused: bool) -> None:
            see("paused", paused)

    class Writer(aio.StreamWriter):  # type: ignore[misc]
        @property
        def _transport(self) -> Any:
            return self.other

        @_transport.setter
        def _transport(self, transport: Any) -> None:
            self.other = transport

    async def main() -> None:
        loop = aio.get_running_loop()
        reader = Reader(loop=loop)
        await use(aio, see, reader)
        reader = Reader(loop=loop)
        protocol = Protocol(reader, loop=loop)
        transport = Transport(see)
        see(protocol.eof_received())
        reader._eof = False
        protocol.connection_made(transport)
        see(protocol.eof_received())
        writer = Writer(transport, protocol, reader, loop)
        writer.write(b"data")
        await writer.drain()
        protocol._paused = True
        await writer.drain()
        see(protocol._over_ssl, reader.__dict__.get("_paused"), writer.is_closing())
        protocol.connection_lost(None)
        await see.attempt_await(writer.drain())
        writer.close()

    see.run(main())


@same_in_every_mixture
def test_protocols_between_which_another_class_stands(aio: Any, see: Any) -> None:
    from asyncio.streams import FlowControlMixin

    class Between(FlowControlMixin):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            see("init", sorted(kwargs))
            super().__init__(*args, **kwargs)

        def pause_writing(self) -> None:
            see("pause")
            super().pause_writing()

        def resume_writing(self) -> None:
            see("resume")
            super().resume_writing()

        def connection_lost(self, exc: Any) -> None:
            see("lost", exc)
            super().connection_lost(exc)

        async def _drain_helper(self) -> None:
            see("drain")
            await super()._drain_helper()

    class Protocol(aio.StreamReaderProtocol, Between):  # type: ignore[misc]
        pass

    async def main() -> None:
        loop = aio.get_running_loop()
        reader = aio.StreamReader(loop=loop)
        protocol = Protocol(reader, loop=loop)
        transport = Transport(see)
        protocol.connection_made(transport)
        writer = aio.StreamWriter(transport, protocol, reader, loop)
        protocol.pause_writing()
        task = aio.create_task(writer.drain())
        await turns(aio)
        see.attempt(protocol.pause_writing)
        protocol.resume_writing()
        see.attempt(protocol.resume_writing)
        await task
        protocol.data_received(b"data")
        protocol.connection_lost(None)
        await see.attempt_await(writer.drain())
        writer.close()

    see.run(main())


@same_in_every_mixture
def test_protocols_that_override(aio: Any, see: Any) -> None:
    class Protocol(aio.StreamReaderProtocol):  # type: ignore[misc]
        def __init__(self, reader: Any, *, loop: Any) -> None:
            super().__init__(reader, self._connected, loop=loop)
            self.name = "mine"

        def _connected(self, reader: Any, writer: Any) -> None:
            see("connected", self.name)
            self.writer = writer

        def data_received(self, data: bytes) -> None:
            see("data", data)
            super().data_received(data.upper())

        def _get_close_waiter(self, stream: Any) -> Any:
            see("close waiter")
            return super()._get_close_waiter(stream)

        async def _drain_helper(self) -> None:
            see("drain helper")
            await super()._drain_helper()

    async def main() -> None:
        loop = aio.get_running_loop()
        reader = aio.StreamReader(loop=loop)
        protocol = Protocol(reader, loop=loop)
        protocol.connection_made(Transport(see))
        protocol.data_received(b"data")
        see(await reader.read(10))
        await protocol.writer.drain()
        loop.call_soon(protocol.connection_lost, None)
        await protocol.writer.wait_closed()
        protocol.writer.close()

    see.run(main())


@each_module
def test_a_class_that_is_patched_and_put_back(module: str) -> None:
    """Also after its methods were used, and found to be as they were made."""
    aio = MODULES[module]

    async def main() -> None:
        class Derived(aio.StreamReader):  # type: ignore[misc]
            pass

        for cls in (aio.StreamReader, Derived):
            reader = cls(loop=asyncio.get_running_loop())
            for _ in range(3):
                reader.feed_data(b"line\n")
                assert await reader.readline() == b"line\n"
                with mock.patch.object(aio.StreamReader, "_wakeup_waiter") as wake:
                    reader.feed_data(b"line\n")
                    assert await reader.readline() == b"line\n"
                    assert wake.call_count == 1

                async def readuntil(self: Any, separator: bytes) -> bytes:
                    return b"patched"

                with mock.patch.object(aio.StreamReader, "readuntil", readuntil):
                    assert await reader.readline() == b"patched"
                with mock.patch.object(cls, "_maybe_resume_transport") as resume:
                    reader.feed_data(b"line\n")
                    assert await reader.readline() == b"line\n"
                    assert resume.call_count == 1

    with asyncio.Runner(loop_factory=aio.new_event_loop) as runner:
        runner.run(main())


@same_in_every_mixture
def test_readers_of_another_kind(aio: Any, see: Any) -> None:
    """What is not a StreamReader at all takes the place of one where asyncio lets it."""

    class Other:
        _source_traceback = None

        def __getattr__(self, name: str) -> Any:
            return lambda *args: see(name, args)

    async def main() -> None:
        loop = aio.get_running_loop()
        reader = Other()
        protocol = aio.StreamReaderProtocol(reader, loop=loop)
        protocol.connection_made(Transport(see))
        protocol.data_received(b"data")
        protocol.eof_received()
        protocol.connection_lost(OSError("lost"))

    see.run(main())
