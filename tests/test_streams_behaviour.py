"""Readers, writers and protocols on no descriptor at all: the same in every mixture of native and stock."""

import asyncio
from typing import Any

from support.coordination import Cast, same_in_every_mixture, turns
from support.streams import Transport, Unpausable, connected


@same_in_every_mixture
def test_readers_that_wait_are_woken_in_order(aio: Any, see: Any) -> None:
    async def main() -> None:
        cast = Cast(aio)
        readers = [aio.StreamReader(loop=aio.get_running_loop()) for _ in range(3)]
        for number, reader in enumerate(readers):
            cast.start(f"read {number}", lambda reader=reader: reader.read(10))
            cast.start(f"again {number}", lambda reader=reader: reader.readline())
        await turns(aio)
        for reader in reversed(readers):
            reader.feed_data(b"data")
            cast.note(repr(reader))
        await turns(aio)
        readers[1].feed_eof()
        cast.note(readers[1].at_eof(), readers[0].at_eof())
        readers[2].set_exception(OSError("gone"))
        await cast.end()
        see(cast.trace)

    see.run(main())


@same_in_every_mixture
def test_cancelled_readers_leave_the_data(aio: Any, see: Any) -> None:
    async def main() -> None:
        cast = Cast(aio)
        reader = aio.StreamReader(loop=aio.get_running_loop())
        for first, second in ((".", "cancel"), ("cancel", "feed"), ("feed", "cancel")):
            cast.start(first + second, reader.readline)
            await turns(aio)
            for move in (first, second):
                if move == "cancel":
                    cast.cancel(first + second)
                elif move == "feed":
                    reader.feed_data(b"line\n")
                else:
                    await turns(aio)
            await turns(aio, 2)
            cast.note(bytes(reader._buffer), reader._waiter)
        await cast.end()
        see(cast.trace)

    see.run(main())


@same_in_every_mixture
def test_errors_have_the_same_context(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader = aio.StreamReader(limit=3, loop=aio.get_running_loop())
        reader.feed_data(b"abcdef\nabcdefgh")
        for read in (reader.readline, reader.readline, reader.readuntil, reader.readline):
            if not reader._buffer:
                reader.feed_data(b"abcdefgh")
            try:
                raise KeyError("while this is handled")
            except KeyError:
                await see.attempt_await(read())
        reader.feed_data(b"ab")
        reader.feed_eof()
        await see.attempt_await(reader.readexactly(5))
        await see.attempt_await(reader.readexactly(-1))
        await see.attempt_await(reader.readuntil(b""))
        await see.attempt_await(reader.readuntil())
        for exception in (OSError("set"), ValueError, "no exception"):
            reader.set_exception(exception)
            see(reader.exception())
            try:
                raise KeyError("while this is handled")
            except KeyError:
                for read in (reader.readline, reader.read, reader.readuntil):
                    await see.attempt_await(read())
                await see.attempt_await(reader.readexactly(1))

    see.run(main())


@same_in_every_mixture
def test_exceptions_that_readline_takes_for_its_own(aio: Any, see: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for exception in (
            asyncio.IncompleteReadError(b"partial", 10),
            asyncio.LimitOverrunError("too long", 2),
            asyncio.LimitOverrunError("too long", 1),
            asyncio.LimitOverrunError("too long", 100),
            asyncio.LimitOverrunError("too long", "two"),
        ):
            reader = aio.StreamReader(limit=4, loop=loop)
            reader.feed_data(b"ab\ncd")
            reader.set_exception(exception)
            await see.attempt_await(reader.readline())
            see(bytes(reader._buffer))
            await see.attempt_await(reader.__anext__())
            reader = aio.StreamReader(limit=4, loop=loop)
            waiting = aio.create_task(reader.readline())
            await turns(aio)
            reader.set_exception(exception)
            await see.attempt_await(waiting)

    see.run(main())


@same_in_every_mixture
def test_flow_control_of_reading(aio: Any, see: Any) -> None:
    async def main() -> None:
        for make in (Transport, Unpausable):
            reader = aio.StreamReader(limit=4, loop=aio.get_running_loop())
            transport = make(see)
            reader.set_transport(transport)
            see.attempt(reader.set_transport, transport)
            for data in (b"12345678", b"", b"9", b"0"):
                reader.feed_data(data)
                see(data, reader._paused, reader._transport)
            see(repr(reader))
            for count in (5, 1, 1, 1):
                see(await reader.read(count), reader._paused)
            reader.feed_data(b"123456789")
            see(await reader.readexactly(6), reader._paused)
            # One that waits for more than there may be has the transport go on.
            task = aio.create_task(reader.readexactly(20))
            await turns(aio)
            reader.feed_data(b"123456789" * 2)
            await turns(aio)
            see(reader._paused, await task)
            reader.feed_eof()
            see.attempt(reader.feed_data, b"more")

    see.run(main())


@same_in_every_mixture
def test_a_transport_that_fails_to_pause(aio: Any, see: Any) -> None:
    class Failing(Transport):
        def pause_reading(self) -> None:
            raise LookupError("cannot pause")

        def resume_reading(self) -> None:
            raise LookupError("cannot resume")

    async def main() -> None:
        reader = aio.StreamReader(limit=1, loop=aio.get_running_loop())
        reader.set_transport(Failing(see))
        see.attempt(reader.feed_data, b"123")
        see(reader._paused, bytes(reader._buffer))
        reader._paused = True
        await see.attempt_await(reader.read(2))
        see(reader._paused, bytes(reader._buffer))
        reader._paused = True
        await see.attempt_await(reader.readexactly(7))
        reader._transport = None
        reader._paused = True
        await see.attempt_await(reader.readexactly(7))

    see.run(main())


@same_in_every_mixture
def test_lines_are_iterated_over(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader = aio.StreamReader(loop=aio.get_running_loop())

        async def feed() -> None:
            for data in (b"one\ntwo\nth", b"ree\n", b"\n", b"last"):
                reader.feed_data(data)
                await turns(aio)
            reader.feed_eof()

        task = aio.create_task(feed())
        async for line in reader:
            see(line)
        await see.attempt_await(reader.__anext__())
        await task

    see.run(main())


@same_in_every_mixture
def test_reads_to_the_end(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader = aio.StreamReader(limit=4, loop=aio.get_running_loop())
        reader.set_transport(Transport(see))
        reader.feed_data(b"0123456789")
        task = aio.create_task(reader.read())
        for data in (b"a" * 9, b"b", b"", b"c" * 20):
            await turns(aio)
            reader.feed_data(data)
        await turns(aio)
        reader.feed_eof()
        see(await task, await reader.read(), await reader.read(5), await reader.readline())
        failing = aio.StreamReader(loop=aio.get_running_loop())
        failing.feed_data(b"lost")
        task = aio.create_task(failing.read(-1))
        await turns(aio)
        failing.set_exception(OSError("broken"))
        await see.attempt_await(task)

    see.run(main())


@same_in_every_mixture
def test_drain_waits_for_room(aio: Any, see: Any) -> None:
    async def main() -> None:
        cast = Cast(aio)
        reader, writer, protocol, transport = connected(aio, cast.note)
        cast.start("at once", writer.drain)
        await turns(aio)
        protocol.pause_writing()
        for name in ("first", "second", "third"):
            cast.start(name, writer.drain)
        await turns(aio)
        see(len(protocol._drain_waiters), protocol._paused)
        cast.cancel("second")
        protocol.resume_writing()
        cast.start("fourth", writer.drain)
        await turns(aio, 3)
        see(len(protocol._drain_waiters))
        protocol.pause_writing()
        for name in ("fifth", "sixth"):
            cast.start(name, writer.drain)
        await turns(aio)
        protocol.connection_lost(OSError("lost"))
        cast.start("seventh", writer.drain)
        await turns(aio, 2)
        reader._exception = None
        cast.start("eighth", writer.drain)
        await turns(aio)
        transport.closing = True
        cast.start("ninth", writer.drain)
        cast.start("closed", writer.wait_closed)
        await cast.end()
        see(cast.trace)

    see.run(main())


@same_in_every_mixture
def test_drain_lets_others_run_when_closing(aio: Any, see: Any) -> None:
    async def main() -> None:
        cast = Cast(aio)
        _, writer, protocol, _ = connected(aio, cast.note)
        writer.close()
        aio.get_running_loop().call_soon(protocol.connection_lost, None)
        cast.start("one", writer.drain)
        cast.start("two", writer.drain)
        cast.start("closed", writer.wait_closed)
        await cast.end()
        see(cast.trace, protocol._connection_lost, protocol._stream_writer)

    see.run(main())


@same_in_every_mixture
def test_writers_hand_on(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader, writer, protocol, transport = connected(aio, see)
        see(writer.write(b"data"), writer.write(data=bytearray(b"array")), writer.writelines([b"1", b"2"]))
        see(writer.can_write_eof(), writer.write_eof(), writer.is_closing())
        see(writer.get_extra_info("peername"), writer.get_extra_info("x", default=5))
        see(writer.transport is transport, repr(writer), repr(reader))
        see(writer._complete_fut.done(), writer._complete_fut is writer._complete_fut)
        for bad in ((), (b"1", b"2")):
            for method in (writer.write, writer.writelines, protocol.data_received, reader.feed_data):
                see.attempt(method, *bad)
        for method in (
            writer.close,
            writer.is_closing,
            protocol.eof_received,
            reader.feed_eof,
            reader.at_eof,
        ):
            see.attempt(method, "one too many")
        see.attempt(writer.get_extra_info)
        see.attempt(aio.StreamWriter, transport, protocol, "no reader", aio.get_running_loop())
        see.attempt(aio.StreamWriter, transport)
        see.attempt(aio.StreamReader, 0, loop=aio.get_running_loop())
        see.attempt(aio.StreamReader, -5, loop=aio.get_running_loop())
        see.attempt(aio.StreamReader, "large", loop=aio.get_running_loop())
        see.attempt(aio.StreamReader, 1, aio.get_running_loop(), 2)
        see.attempt(aio.StreamReaderProtocol)
        see.attempt(aio.StreamReaderProtocol, 5, loop=aio.get_running_loop())
        for method in (reader.read, reader.readexactly, reader.readline, reader.readuntil, writer.drain):
            see.attempt(method, 1, 2)
            see.attempt(method, unknown=1)
        see(writer.close())

    see.run(main())


@same_in_every_mixture
def test_an_error_between_two_blocks_of_a_read_to_the_end(aio: Any, see: Any) -> None:
    async def main() -> None:
        cast = Cast(aio)
        reader = aio.StreamReader(limit=2, loop=aio.get_running_loop())
        reader.set_transport(Transport(cast.note))
        cast.start("read", reader.read)
        await turns(aio)
        reader.feed_data(b"abcdef")
        reader.set_exception(OSError("gone"))
        await turns(aio)
        cast.note(bytes(reader._buffer))
        await cast.end()
        see(cast.trace)

    see.run(main())


@same_in_every_mixture
def test_two_cannot_wait_for_one_reader(aio: Any, see: Any) -> None:
    async def main() -> None:
        cast = Cast(aio)
        reader = aio.StreamReader(loop=aio.get_running_loop())
        reads = ("read", "readline", "readuntil", "__anext__")
        for first in reads:
            cast.start(first, getattr(reader, first))
            for second in reads:
                cast.start(f"{second} during {first}", getattr(reader, second))
            cast.start("readexactly", lambda: reader.readexactly(3))
            cast.start("to the end", lambda: reader.read(-1))
            await turns(aio, 2)
            reader.feed_data(b"data\n")
            await turns(aio, 2)
        await cast.end()
        see(cast.trace)

    see.run(main())


@same_in_every_mixture
def test_a_connection_that_ends(aio: Any, see: Any) -> None:
    async def main() -> None:
        for exception in (None, ConnectionResetError("by peer")):
            cast = Cast(aio)
            reader, writer, protocol, transport = connected(aio, cast.note)
            see(protocol._stream_reader is reader, protocol._transport is transport, protocol._over_ssl)
            cast.start("reader", reader.readline)
            cast.start("closed", writer.wait_closed)
            protocol.data_received(b"part")
            await turns(aio, 2)
            protocol.connection_lost(exception)
            cast.start("late", writer.wait_closed)
            cast.start("drain", writer.drain)
            await cast.end()
            see(cast.trace, protocol._stream_reader, protocol._transport, protocol._closed.done())
            see(protocol.eof_received(), protocol.data_received(b"more"))
            # Again, as a transport never does.
            see.attempt(protocol.connection_lost, exception)

    see.run(main())


@same_in_every_mixture
def test_an_end_of_file(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader, _, protocol, _ = connected(aio, see)
        protocol.data_received(b"all")
        see(protocol.eof_received(), await reader.read(), reader.at_eof())
        protocol._over_ssl = True
        see(protocol.eof_received())

    see.run(main())


@same_in_every_mixture
def test_readers_that_are_dropped(aio: Any, see: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        reader = aio.StreamReader(loop=loop)
        protocol = aio.StreamReaderProtocol(reader, loop=loop)
        transport = Transport(see)
        protocol.connection_made(transport)
        del reader
        see(protocol._stream_reader, protocol.data_received(b"for nobody"), protocol.eof_received())
        protocol.connection_lost(OSError("unseen"))
        rejecting = aio.StreamReaderProtocol(aio.StreamReader(loop=loop), loop=loop)
        rejecting._reject_connection = True
        rejecting.connection_made(transport)
        without = aio.StreamReaderProtocol(None, loop=loop)
        see(without._stream_reader, without._stream_reader_wr, hasattr(without, "_strong_reader"))
        without.connection_made(transport)
        without.data_received(b"for nobody")
        without.connection_lost(None)

    see.run(main())


@same_in_every_mixture
def test_callbacks_of_servers(aio: Any, see: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def plain(reader: Any, writer: Any) -> None:
            see("plain", type(reader).__name__, type(writer).__name__, writer.transport)

        async def fine(reader: Any, writer: Any) -> None:
            see("fine", await reader.readline())

        async def failing(reader: Any, writer: Any) -> None:
            raise LookupError("in the callback")

        async def endless(reader: Any, writer: Any) -> None:
            await reader.read()

        for callback in (plain, fine, failing, endless):
            reader = aio.StreamReader(loop=loop)
            protocol = aio.StreamReaderProtocol(reader, callback, loop=loop)
            see(protocol._strong_reader is reader, protocol._client_connected_cb is callback)
            transport = Transport(see)
            protocol.connection_made(transport)
            see(protocol._strong_reader, protocol._task is None)
            reader.feed_data(b"line\n")
            await turns(aio, 3)
            if callback is endless:
                protocol._task.cancel()
            await turns(aio, 3)
            # When a writer goes that was not closed depends on tracebacks, which have frames of asyncio's.
            transport.closing = True
            protocol.connection_lost(None)

    see.run(main())


@same_in_every_mixture
def test_debug_mode(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader, writer, protocol, _ = connected(aio, see)
        see(reader._source_traceback is not None, protocol._source_traceback is reader._source_traceback)
        see(reader._source_traceback[-1].name)
        protocol.pause_writing()
        task = aio.create_task(writer.drain())
        await turns(aio)
        protocol.resume_writing()
        await task
        reader.feed_data(b"line\n")
        see(await reader.readline(), writer.close())

    see.run(main(), debug=True)


@same_in_every_mixture
def test_writers_that_nobody_closed(aio: Any, see: Any) -> None:
    async def main() -> None:
        _, writer, _, _ = connected(aio, see)
        del writer
        see("dropped")
        _, writer, _, _ = connected(aio, see)
        writer.close()
        del writer
        see("closed and dropped")
        return connected(aio, see)

    loop = see.new_loop()
    kept = loop.run_until_complete(main())
    loop.close()
    del kept


@same_in_every_mixture
def test_objects_without_a_loop_of_their_own(aio: Any, see: Any) -> None:
    async def main() -> None:
        reader = aio.StreamReader()
        see(reader._loop is aio.get_running_loop(), repr(reader))
        protocol = aio.StreamReaderProtocol(reader)
        see(protocol._loop is reader._loop)
        reader.feed_data(b"line\n")
        see(await reader.readline())

    see.run(main())
