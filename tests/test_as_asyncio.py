"""`import roundelay as asyncio`: every name is there, and the types fit together.

`make check` runs the type checker over this file, so the annotations here are tests as well: each is what a
program written for asyncio says.
"""

import asyncio as stock
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import assert_type

import pytest
import roundelay as asyncio


async def text(size: int) -> str:
    await asyncio.sleep(0.001)
    return "x" * size


async def fails() -> int:
    await asyncio.sleep(0)
    raise ValueError("on purpose")


async def tasks_and_groups() -> None:
    task: asyncio.Task[str] = asyncio.create_task(text(1), name="first")
    async with asyncio.TaskGroup() as group:
        second: asyncio.Task[str] = group.create_task(text(2))
    both: set[asyncio.Task[str]] = {task, second}
    done, pending = await asyncio.wait(both, return_when=asyncio.ALL_COMPLETED)
    assert_type(done, set[asyncio.Task[str]])
    assert sorted(assert_type(one.result(), str) for one in done) == ["x", "xx"]
    assert not pending
    # What asyncio's own functions promise is what ours are, and the other way round.
    as_stock: stock.Task[str] = task
    as_ours: asyncio.Task[str] = as_stock
    current = asyncio.current_task()
    assert isinstance(current, asyncio.Task)
    assert current in asyncio.all_tasks()
    assert as_ours.get_name() == "first"


async def gathering() -> None:
    number, word = await asyncio.gather(asyncio.sleep(0, 5), text(1))
    assert (assert_type(number, int), assert_type(word, str)) == (5, "x")
    many = await asyncio.gather(*[text(size) for size in range(3)])
    assert assert_type(many, list[str]) == ["", "x", "xx"]
    mixed = await asyncio.gather(fails(), text(1), return_exceptions=True)
    assert_type(mixed, tuple[int | BaseException, str | BaseException])
    assert isinstance(mixed[0], ValueError)
    assert await asyncio.gather() == []


async def futures() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    seen: list[int] = []

    def note(finished: asyncio.Future[int]) -> None:
        seen.append(finished.result())

    future.add_done_callback(note)
    loop.call_soon(future.set_result, 7)
    assert assert_type(await future, int) == 7
    await asyncio.sleep(0)
    assert seen == [7]
    waited: asyncio.Task[str] = asyncio.ensure_future(text(3))
    assert assert_type(await asyncio.shield(waited), str) == "xxx"
    handle: asyncio.Handle = loop.call_later(1000, print)
    handle.cancel()
    assert handle.cancelled()


async def timeouts() -> None:
    with pytest.raises(asyncio.TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(1000), 0.001)
    sleeper = asyncio.create_task(asyncio.sleep(1000, "never"))
    assert_type(sleeper, asyncio.Task[str])
    sleeper.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await sleeper


async def queues_and_locks() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    await queue.put(1)
    assert assert_type(await queue.get(), int) == 1
    async with asyncio.Lock(), asyncio.Semaphore(2):
        event = asyncio.Event()
        event.set()
        assert await event.wait()


async def context_of_a_task() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def change() -> None:
        variable.set(1)

    context = contextvars.copy_context()
    await asyncio.create_task(change(), context=context)
    assert (variable.get(), context[variable]) == (0, 1)


PROGRAMS: list[Callable[[], Awaitable[None]]] = [
    tasks_and_groups,
    gathering,
    futures,
    timeouts,
    queues_and_locks,
    context_of_a_task,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_written_for_asyncio(program: Callable[[], Awaitable[None]]) -> None:
    async def main() -> int:
        assert type(asyncio.get_running_loop()) is asyncio.EventLoop
        await program()
        return 1

    assert assert_type(asyncio.run(main()), int) == 1


def test_the_ways_to_get_a_loop() -> None:
    async def which() -> type[stock.AbstractEventLoop]:
        return type(asyncio.get_running_loop())

    loop: asyncio.EventLoop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(which()) is asyncio.EventLoop
    finally:
        loop.close()
    with asyncio.Runner() as runner:
        assert runner.run(which()) is asyncio.EventLoop
    with stock.Runner(loop_factory=asyncio.new_event_loop) as stock_runner:
        assert stock_runner.run(which()) is asyncio.EventLoop
    # Who asks for another loop gets it, on every Python.
    assert asyncio.run(which(), loop_factory=stock.SelectorEventLoop) is stock.SelectorEventLoop


def test_every_name_of_asyncio_is_there() -> None:
    missing = [name for name in dir(stock) if not name.startswith("__") and not hasattr(asyncio, name)]
    assert missing == []
    assert asyncio.queues is stock.queues


def test_a_name_that_asyncio_does_not_have_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'roundelay' has no attribute 'nonsense'"):
        asyncio.nonsense  # type: ignore[attr-defined] # noqa: B018


def test_inspection_of_native_methods() -> None:
    ours = [asyncio.Future, asyncio.Task, asyncio.EventLoop]
    theirs = [stock.Future, stock.Task, stock.SelectorEventLoop]
    for mine, other in zip(ours, theirs, strict=True):
        for name in ("result", "done", "set_result", "get_name", "call_soon", "time", "create_future"):
            if hasattr(other, name):
                expected = [parameter.kind for parameter in parameters(other, name)]
                assert [parameter.kind for parameter in parameters(mine, name)][: len(expected)] == expected


def parameters(owner: type, name: str) -> list[inspect.Parameter]:
    """The parameters of a method but for `self`, whose kind differs between C and Python functions."""
    return list(inspect.signature(getattr(owner, name)).parameters.values())[1:]
