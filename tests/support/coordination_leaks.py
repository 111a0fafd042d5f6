"""Counts objects before and after a scene, to see that nothing of it stays."""

import asyncio
import concurrent.futures
import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from types import CoroutineType, FrameType, TracebackType
from typing import Any, ClassVar

# What a scene over coordination is made of, whichever kind its objects are of.
COUNTED: tuple[type, ...] = (
    asyncio.Future, asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore, asyncio.Barrier,
    asyncio.Queue, asyncio.Timeout, asyncio.TaskGroup, asyncio.Handle, concurrent.futures.Future,
    CoroutineType, FrameType, TracebackType, BaseException,
)  # fmt: skip


def counts(*, behind_the_scenes: bool = True) -> Counter[str]:
    """How many objects of the counted classes the garbage collector knows of, by name.

    Behind the scenes are native coroutines, queues of waiters and the like, where asyncio has functions,
    cells and deques.
    """
    found: Counter[str] = Counter()
    for item in gc.get_objects():
        class_ = type(item)
        if issubclass(class_, COUNTED) or (behind_the_scenes and class_.__module__ == "roundelay"):
            found[class_.__name__] += 1
    return found


class Payload:
    """Something to put into a scene, and to look for afterwards."""

    alive: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()

    def __init__(self) -> None:
        Payload.alive.add(self)

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)


class LeakError(Exception):
    """What scenes raise; it has no other use."""


Scene = Callable[[Any], Coroutine[Any, Any, None]]


def run_scene(aio: Any, scene: Scene) -> None:
    loop = aio.new_event_loop()
    # What nobody looks at is part of many a scene.
    loop.set_exception_handler(lambda loop, context: None)
    try:
        loop.run_until_complete(scene(aio))
    finally:
        loop.close()


def what_stays(aio: Any, scene: Scene) -> Counter[str]:
    """The objects that are there after a scene and a collection, and were not before."""
    run_scene(aio, scene)  # whatever is made once and kept
    gc.collect()
    before = counts()
    run_scene(aio, scene)
    gc.collect()
    return counts() - before


def what_needs_the_collector(aio: Any, scene: Scene) -> Counter[str]:
    """The objects of a scene that are in cycles: there when it ends, and gone after a collection."""
    run_scene(aio, scene)
    gc.collect()
    gc.disable()
    try:
        before = counts(behind_the_scenes=False)
        run_scene(aio, scene)
        return counts(behind_the_scenes=False) - before
    finally:
        gc.enable()
        gc.collect()


def growth_of_memory(aio: Any, round_: Scene, rounds: int) -> int:
    """By how many blocks the interpreter's memory is larger after as many rounds, in one loop."""
    grown = 0

    async def main(aio: Any) -> None:
        nonlocal grown
        # Until every list and table has the size that it needs.
        for _ in range(rounds // 10):
            await round_(aio)
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(rounds):
            await round_(aio)
        gc.collect()
        grown = sys.getallocatedblocks() - before

    run_scene(aio, main)
    return grown
