"""What 200,000 tasks cost that do nothing: memory each, and what the garbage collector pays for all."""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from loops import Loop

from .registry import Quantity, Workload, clock, register, scaled

STATM = "/proc/self/statm"
"""Where Linux says how much memory the process has. Other systems do not say it without another package."""

TASKS = 200_000

_kept: list[object] = []
"""Loops and tasks that are to stay until the process ends."""

Waits = list[Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class Parked(Workload):
    """Tasks that wait; one pass only, because a second one would find the memory of the first."""

    park: Callable[[int], Waits]
    """Makes what each of so many tasks is to wait in; called on the loop."""

    def missing(self) -> str | None:
        return None if os.path.exists(STATM) else f"this system has no {STATM}"

    def measure(self, loop: Loop, passes: int, scale: float) -> dict[str, list[float]]:
        count = scaled(TASKS, scale)
        # Not `asyncio.Runner`, which would cancel them all. They are left where they are, and nothing that
        # keeps them goes: each would say that it was destroyed.
        event_loop = loop.make()
        _kept.append(event_loop)
        memory, pause = event_loop.run_until_complete(self._measure(count))
        return {f"{self.name}_memory": [memory], f"{self.name}_gc": [pause]}

    async def _measure(self, count: int) -> tuple[float, float]:
        gc.collect()
        before = resident_bytes()
        tasks = [asyncio.create_task(waiting) for waiting in self.park(count)]
        _kept.append(tasks)
        # Each starts in the first turn; the second is for those that start a helper.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        used = resident_bytes() - before
        pauses = []
        for _ in range(3):
            start = clock()
            gc.collect()
            pauses.append(clock() - start)
        assert len(tasks) == count
        assert not any(task.done() for task in tasks)
        return used / count, min(pauses) * 1e3


def parked(name: str, where: str) -> Callable[..., Callable[[int], Waits]]:
    """Registers a function that makes so many awaitables; its two rows are the memory and the collection."""
    title = f"{TASKS:,} tasks {where}"

    def add(function: Callable[[int], Waits]) -> Callable[[int], Waits]:
        rows = {
            f"{name}_memory": Quantity(f"{title}, memory of one", "B"),
            f"{name}_gc": Quantity(f"{title}, one gc.collect()", "ms"),
        }
        register(Parked(name=name, group="parked", rows=rows, leaves_tasks=True, park=function))
        return function

    return add


def resident_bytes() -> int:
    """The resident set of this process."""
    with open(STATM) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@parked("parked_sleep", "in sleep(1000)")
def on_sleeps(n: int) -> Waits:
    async def park() -> None:
        await asyncio.sleep(1000)

    return [park() for _ in range(n)]


@parked("parked_event", "waiting for one Event")
def on_one_event(n: int) -> Waits:
    event = asyncio.Event()

    async def park() -> None:
        await event.wait()

    return [park() for _ in range(n)]


@parked("parked_queue", "each waiting on its own Queue")
def on_queues(n: int) -> Waits:
    async def park() -> None:
        # The Queue is part of the price: an actor and its mailbox.
        await asyncio.Queue().get()

    return [park() for _ in range(n)]
