"""The bytes of a reader: what programs see of them, and that nothing is copied or made without need."""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import roundelay
from support.coordination import same_in_every_mixture


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with roundelay.Runner() as runner:
        return runner.run(main())


def new_reader(**kwargs: Any) -> asyncio.StreamReader:
    return roundelay.StreamReader(loop=asyncio.get_running_loop(), **kwargs)


def test_a_chunk_that_is_read_as_a_whole_is_not_copied() -> None:
    async def main() -> None:
        reader = new_reader()
        chunk, line = b"x" * 10_000, b"y" * 1_000 + b"\n"
        for count in (10_000, 20_000):
            reader.feed_data(chunk)
            assert await reader.read(count) is chunk
        reader.feed_data(chunk)
        assert await reader.readexactly(10_000) is chunk
        task = asyncio.ensure_future(reader.readexactly(10_000))
        await asyncio.sleep(0)
        reader.feed_data(chunk)
        assert await task is chunk
        reader.feed_data(line)
        assert await reader.readline() is line
        reader.feed_data(line)
        assert await reader.readuntil(b"y\n") is line

    run(main)


def test_the_array_stays_one_and_the_same() -> None:
    async def main() -> None:
        reader = new_reader()
        array = reader._buffer  # type: ignore[attr-defined]
        assert type(array) is bytearray
        reader.feed_data(b"one\ntwo\n")
        assert array == b"one\ntwo\n"
        assert await reader.readline() == b"one\n"
        assert array == b"two\n"
        assert array is reader._buffer  # type: ignore[attr-defined]
        del array
        reader.feed_data(b"three\n")
        assert await reader.read(5) == b"two\nt"
        array = reader._buffer  # type: ignore[attr-defined]
        assert array == b"hree\n"
        array += b"four\n"
        assert await reader.readexactly(8) == b"hree\nfou"
        assert array == b"r\n"
        array.clear()
        reader.feed_eof()
        assert reader.at_eof()

    run(main)


@same_in_every_mixture
def test_an_array_in_use_cannot_change_its_size(aio: Any, see: Any) -> None:
    async def main() -> None:
        for data in (b"", b"first\n", b"one\ntwo\n"):
            reader = aio.StreamReader(limit=2, loop=aio.get_running_loop())
            reader.feed_data(data)
            with memoryview(reader._buffer) as view:
                see.attempt(reader.feed_data, b"second\n")
                for read in (reader.readline, reader.readuntil, lambda reader=reader: reader.read(4)):
                    if reader._buffer:
                        await see.attempt_await(read())
                see(bytes(view), bytes(reader._buffer))
            reader.feed_data(b"third\n")
            see(bytes(reader._buffer), await reader.read(100))

    see.run(main())


@same_in_every_mixture
def test_anything_may_be_put_in_the_place_of_the_array(aio: Any, see: Any) -> None:
    class Array(bytearray):
        def extend(self, data: Any) -> None:
            see("extend", data)
            super().extend(data)

    async def main() -> None:
        reader = aio.StreamReader(loop=aio.get_running_loop())
        reader.feed_data(b"forgotten")
        reader._buffer = Array(b"first\n")
        reader.feed_data(b"second\n")
        see(await reader.readline(), await reader.readuntil(b"o"), reader.at_eof())
        see(await reader.readexactly(1), await reader.readuntil(b"\n"))
        waiting = aio.create_task(reader.read(10))
        await aio.sleep(0)
        reader._buffer = bytearray(b"at once")
        reader._wakeup_waiter()
        see(await waiting)
        for read in (reader.readline, reader.readuntil, reader.read, lambda: reader.readexactly(3)):
            reader._buffer = bytearray()
            waiting = aio.create_task(read())
            await aio.sleep(0)
            reader._buffer = Array(b"abc\n")
            reader._wakeup_waiter()
            await aio.sleep(0)
            reader.feed_eof()
            await see.attempt_await(waiting)
            reader._eof = False
        reader._buffer = None
        await see.attempt_await(reader.readline())
        reader._eof = True
        await see.attempt_await(reader.read(3))
        reader._eof = False
        see.attempt(reader.feed_data, b"data")
        del reader._buffer
        await see.attempt_await(reader.readline())
        see.attempt(reader.feed_data, b"data")
        see.attempt(repr, reader)

    see.run(main())


@pytest.mark.parametrize(
    "data", [bytearray(b"data"), memoryview(b"data"), [1, 2, 3], (4,), b"", None, 0, 5, "text"]
)
@same_in_every_mixture
def test_data_of_other_types(aio: Any, see: Any, data: Any) -> None:
    async def main() -> None:
        reader = aio.StreamReader(loop=aio.get_running_loop())
        for _ in range(2):
            see.attempt(reader.feed_data, data)
            reader.feed_data(b"x")
            see(await reader.read(100))

    see.run(main())


def test_nothing_is_made_for_a_read_that_is_satisfied() -> None:
    """No future, and no memory that is not given back: only the bytes."""

    async def main() -> None:
        reader = new_reader()
        chunk = b"0123456789\n" * 8

        async def round_() -> None:
            reader.feed_data(chunk)
            await reader.readline()
            await reader.readexactly(11)
            await reader.readuntil(b"9\n")
            await reader.read(11)
            await reader.__anext__()
            await reader.read(1000)

        for _ in range(100):
            await round_()
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(1000):
            await round_()
        assert sys.getallocatedblocks() - before < 20
        gc.collect()
        known = {id(item) for item in gc.get_objects()}
        gc.disable()
        try:
            reader.feed_data(chunk)
            reads = [reader.readline(), reader.readexactly(11), reader.read(11)]
            for read in reads:
                await read
            new = [item for item in gc.get_objects() if id(item) not in known]
            made = [item for item in new if isinstance(item, asyncio.Future)]
        finally:
            gc.enable()
        assert made == []

    run(main)


def test_lines_of_a_large_chunk_take_time_in_proportion() -> None:
    """What is read stays where it is, instead of moving the rest to the front for each line."""

    async def main() -> None:
        reader = new_reader(limit=2**26)
        reader.feed_data(b"line\n" * 200_000)
        tracemalloc.start()
        try:
            count = 0
            while count < 200_000:
                assert await reader.readline() == b"line\n"
                count += 1
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 100_000

    run(main)


def test_what_was_read_is_not_kept_while_more_is_waited_for() -> None:
    async def main() -> None:
        reader = new_reader(limit=2**20)
        lines = 10_000
        for chunks in (1, 2):
            tracemalloc.start()
            try:
                # As one chunk, and gathered from several.
                data = b"some line or other\n" * lines + b"part"
                middle = len(data) // 2 if chunks == 2 else 0
                reader.feed_data(data[:middle])
                reader.feed_data(data[middle:])
                del data
                for _ in range(lines):
                    await reader.readline()
                task = asyncio.create_task(reader.readline())
                await asyncio.sleep(0)
                used, _ = tracemalloc.get_traced_memory()
                assert used < 20_000
            finally:
                tracemalloc.stop()
            reader.feed_data(b" of a line\n")
            assert await task == b"part of a line\n"

    run(main)


@pytest.mark.parametrize("size", [1, 31, 63, 64, 65, 127, 128, 1000])
def test_separators_are_found_wherever_they_are(size: int) -> None:
    async def main() -> None:
        for separator in (b"\n", b"\r\n", b"\r\n\r\n", b"x\n", b"\n" * 64, b"\n" * 65):
            for place in {0, 1, size // 2, size - 1, size}:
                reader = new_reader(limit=2**20)
                data = b"x" * place + separator + b"x" * (size - place) + separator
                reader.feed_data(data[:place])
                reader.feed_data(data[place:])
                end = data.index(separator) + len(separator)
                assert await reader.readuntil(separator) == data[:end]
                assert await reader.readuntil(separator) == data[end:]

    run(main)
