"""Names, shapes and copies of the stream classes, and what tasks that read or drain say of themselves."""

import asyncio
import asyncio.streams
import copy
import gc
import inspect
import pickle
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import roundelay
from support.coordination import MIXTURES, STREAMS, turns
from support.coordination_leaks import growth_of_memory
from support.streams import connected

CLASSES = [name for name in STREAMS if name.startswith("Stream")]
FUNCTIONS = [name for name in STREAMS if name not in CLASSES]
STOCK = {name: getattr(asyncio.streams, name) for name in STREAMS}


# 3.11 has no mark by which inspect would know ours.
is_coroutine_function: Any = (
    inspect.iscoroutinefunction if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction
)


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    yield
    roundelay.uninstall()


@pytest.mark.parametrize("name", STREAMS)
def test_names_are_native_while_installed(name: str) -> None:
    native = getattr(roundelay, name)
    assert native is not STOCK[name]
    for _ in range(2):
        roundelay.install()
        assert getattr(asyncio, name) is getattr(asyncio.streams, name) is native
        roundelay.uninstall()
        assert getattr(asyncio, name) is getattr(asyncio.streams, name) is STOCK[name]


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_asyncios(name: str) -> None:
    native, stock = getattr(roundelay, name), STOCK[name]
    assert issubclass(native, stock)
    assert (native.__name__, native.__module__) == (name, "asyncio.streams")
    assert str(inspect.signature(native)) == str(inspect.signature(stock))
    public = {key for key in vars(stock) if not key.startswith("_")}
    assert public <= set(dir(native))
    for key in public:
        ours, theirs = getattr(native, key), getattr(stock, key)
        assert is_coroutine_function(ours) == is_coroutine_function(theirs), key
        assert callable(ours) == callable(theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_asyncios(name: str) -> None:
    native, stock = getattr(roundelay, name), STOCK[name]
    assert inspect.signature(native) == inspect.signature(stock)
    assert native.__doc__ == stock.__doc__
    assert native.__module__ == stock.__module__
    assert is_coroutine_function(native)
    assert pickle.loads(pickle.dumps(native)) is native
    roundelay.install()
    assert pickle.loads(pickle.dumps(native)) is native


def test_a_reader_is_copied_with_its_data() -> None:
    async def main() -> None:
        for module in (asyncio, roundelay):
            reader = module.StreamReader(limit=77, loop=asyncio.get_running_loop())
            reader.feed_data(b"one\ntwo\n")
            reader.feed_eof()
            twin = copy.copy(reader)
            assert type(twin) is type(reader)
            assert await twin.read() == b"one\ntwo\n"
            assert twin.at_eof()
            assert "limit=77" in repr(twin)

    with roundelay.Runner() as runner:
        runner.run(main())


def test_tasks_say_that_they_wait_for_a_stream() -> None:
    async def main() -> None:
        reader, writer, protocol, _ = connected(roundelay, lambda *_: None)
        protocol.pause_writing()

        async def lines() -> None:
            async for _ in reader:
                pass

        for wait, operation, owner in (
            (reader.readline, "StreamReader.readline", reader),
            (reader.read, "StreamReader.read", reader),
            (lines, "StreamReader.__anext__", reader),
            (writer.drain, "StreamWriter.drain", writer),
            (writer.wait_closed, "StreamWriter.wait_closed", writer),
        ):
            task = asyncio.create_task(wait())  # type: ignore[operator]
            await turns(roundelay, 2)
            assert roundelay.waits_for(task) == (operation, "stream", owner, None)
            task.cancel()
            await turns(roundelay, 2)
        writer.close()

    with roundelay.Runner() as runner:
        runner.run(main())


@pytest.mark.parametrize("module", ["asyncio", "roundelay", *MIXTURES])
def test_nothing_stays_of_a_connection(module: str) -> None:
    aio: Any = {"asyncio": asyncio, "roundelay": roundelay, **MIXTURES}[module]
    gone: list[weakref.ref[Any]] = []

    async def scene(aio: Any) -> None:
        reader, writer, protocol, transport = connected(aio, lambda *_: None, limit=10)
        reader.itself = writer.itself = [reader, writer, protocol]
        tasks = [asyncio.create_task(reader.readline()), asyncio.create_task(writer.wait_closed())]
        protocol.pause_writing()
        tasks += [asyncio.create_task(writer.drain()) for _ in range(3)]
        tasks += [asyncio.create_task(reader.read()) for _ in range(2)]
        await turns(aio, 2)
        tasks[2].cancel()
        protocol.data_received(b"some data\nand a part")
        await turns(aio, 2)
        gone[:] = [weakref.ref(item) for item in (reader, protocol, writer, transport)]
        writer.close()
        protocol.connection_lost(OSError("lost"))
        await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled() or task.exception() or True

    with asyncio.Runner(loop_factory=aio.new_event_loop) as runner:
        runner.run(scene(aio))
    gc.collect()
    assert [item() for item in gone] == [None] * 4


def test_memory_does_not_grow() -> None:
    async def round_(aio: Any) -> None:
        reader, writer, protocol, _ = connected(aio, lambda *_: None, limit=10)
        task = asyncio.create_task(reader.readline())
        await turns(aio)
        protocol.data_received(b"line\nand more")
        assert await task == b"line\n"
        task = asyncio.create_task(reader.readuntil(b"x"))
        await turns(aio)
        task.cancel()
        await turns(aio)
        protocol.data_received(b"x" * 50)
        assert len(reader._buffer) == 58
        protocol.pause_writing()
        task = asyncio.create_task(writer.drain())
        await turns(aio)
        protocol.resume_writing()
        await task
        writer.close()
        protocol.connection_lost(None)
        await writer.wait_closed()

    assert growth_of_memory(roundelay, round_, 1000) < 200
