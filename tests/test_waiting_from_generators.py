"""Waits inside of `__await__` methods and generator-based coroutines, as libraries write them."""

import types
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import same_in_every_mixture, turns


class Awaitable:
    """Awaits what is made when it is awaited."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def __await__(self) -> Any:
        return (yield from self.make().__await__())


@types.coroutine
def generator(make: Any) -> Any:
    return (yield from make())


def hands_over(make: Any) -> Any:
    """Its __await__ is that of something else."""

    class Delegate:
        def __await__(self) -> Any:
            return make().__await__()

    return Delegate()


async def plain(make: Any) -> Any:
    return await make()


WAYS = {"yield from": Awaitable, "a generator": generator, "another's __await__": hands_over, "await": plain}


async def _value(aio: Any) -> str:
    await aio.sleep(0)
    return "value"


def _set(aio: Any) -> Any:
    event = aio.Event()
    event.set()
    return event


def _full(aio: Any) -> Any:
    queue = aio.Queue()
    queue.put_nowait("item")
    return queue


async def _count(aio: Any) -> int:
    return len((await Awaitable(lambda: aio.wait([aio.create_task(_value(aio))])))[0])


def _get_later(aio: Any) -> Any:
    queue = aio.Queue()
    aio.get_running_loop().call_soon(queue.put_nowait, "late")
    return queue.get()


async def _group(aio: Any) -> str:
    group = aio.TaskGroup()
    await Awaitable(group.__aenter__)
    task = group.create_task(_value(aio))
    await Awaitable(lambda: group.__aexit__(None, None, None))
    return str(task.result())


WAITS: dict[str, Any] = {
    "sleep(0)": lambda aio: aio.sleep(0, "slept"),
    "sleep": lambda aio: aio.sleep(0.001, "slept"),
    "Lock.acquire": lambda aio: aio.Lock().acquire(),
    "Lock.__aenter__": lambda aio: aio.Lock().__aenter__(),
    "Event.wait": lambda aio: _set(aio).wait(),
    "Semaphore.acquire": lambda aio: aio.Semaphore().acquire(),
    "Condition.acquire": lambda aio: aio.Condition().acquire(),
    "Barrier.wait": lambda aio: aio.Barrier(1).wait(),
    "Queue.put": lambda aio: aio.Queue().put(1),
    "Queue.get": lambda aio: _full(aio).get(),
    "Queue.join": lambda aio: aio.Queue().join(),
    "wait": _count,
    "wait_for": lambda aio: aio.wait_for(_value(aio), 1000),
    "wait_for without timeout": lambda aio: aio.wait_for(_value(aio), None),
    "a blocked get": _get_later,
    "TaskGroup.__aexit__": _group,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wait", WAITS)
@same_in_every_mixture
def test_waits_within_generators(aio: ModuleType, see: Witness, wait: str, way: str) -> None:
    async def main() -> None:
        await see.attempt_await(WAYS[way](lambda: WAITS[wait](aio)))

    see.run(main())


@pytest.mark.parametrize("way", WAYS)
@same_in_every_mixture
def test_cancelled_within_generators(aio: ModuleType, see: Witness, way: str) -> None:
    async def main() -> None:
        lock, event, queue = aio.Lock(), aio.Event(), aio.Queue()
        await lock.acquire()

        async def wait(make: Any) -> Any:
            try:
                return await WAYS[way](make)
            except ValueError as error:
                see("caught", error)

        for make in (
            lock.acquire,
            event.wait,
            queue.get,
            lambda: aio.sleep(1000),
            lambda: aio.wait_for(event.wait(), 999),
        ):
            task = aio.create_task(wait(make), name="waits")
            await turns(aio, 2)
            task.cancel("enough")
            await see.attempt_await(task)
        see(repr(lock), repr(event), str(queue))

    see.run(main())


@same_in_every_mixture
def test_driven_by_hand(aio: ModuleType, see: Witness) -> None:
    """What a coroutine's own methods do, without a task around it."""
    loop = see.new_loop()

    async def main() -> None:
        lock = aio.Lock()
        await lock.acquire()
        for close in ("close", "throw", "send"):
            coro = lock.acquire()
            iterator = coro.__await__()
            see(iter(iterator) is iterator, hasattr(iterator, "send"), hasattr(iterator, "throw"))
            future = iterator.send(None)
            see(future, repr(lock))
            see.attempt(coro.send, None)  # it is driven already
            if close == "close":
                iterator.close()
            elif close == "throw":
                see.attempt(iterator.throw, KeyError("thrown"))
            else:
                lock.release()
                see.attempt(iterator.send, None)
            see(repr(lock))
            if not lock.locked():
                await lock.acquire()

    loop.run_until_complete(main())
