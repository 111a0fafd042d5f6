"""What a workload is, and the table of all of them."""

import asyncio
import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loops import Loop

PROCESSOR = ".processor"
"""Ends the name under which the processor time of a row is found among the samples."""


def clock() -> float:
    """Seconds. All times are taken from here."""
    return time.perf_counter()


def use_processor_time() -> None:
    """Leaves out of all times what the process spends waiting, for a machine that has other work to do."""
    # Programs that bring their own measuring, as pyperf does, read this one too.
    time.perf_counter = time.process_time


@dataclass(frozen=True)
class Quantity:
    """One row of the table. Less is better for all of them."""

    title: str
    unit: str
    processor: bool = False
    """Whether the processor time that went into it is measured as well."""


@dataclass(frozen=True, kw_only=True)
class Workload(ABC):
    """A program, and what is measured of it."""

    name: str
    group: str
    rows: dict[str, Quantity]
    """By the name of the row, which `targets.toml` uses. Row names are unique over all workloads."""
    leaves_tasks: bool = False
    """Whether tasks are still waiting when it is done: the process should then end without further ado."""

    @property
    def limited(self) -> bool:
        """Whether there is a limit to measure beside the loops."""
        return False

    def missing(self) -> str | None:
        """Why it cannot be measured here, or None."""
        return None

    @abstractmethod
    def measure(self, loop: Loop, passes: int, scale: float) -> dict[str, list[float]]:
        """Runs it on such a loop, and returns what was measured by the name of the row.

        Under that name with `PROCESSOR` behind it there is the processor time, if the row has that.
        """


@dataclass(frozen=True, kw_only=True)
class Timed(Workload):
    """A coroutine function that takes a count, does that many operations, and returns the seconds they took.

    It sets up and tears down outside of what it times, and checks its result.
    """

    function: Callable[[int], Awaitable[float]]
    count: int

    def measure(self, loop: Loop, passes: int, scale: float) -> dict[str, list[float]]:
        count = scaled(self.count, scale)
        samples = []

        async def main() -> None:
            # The first run is not counted: it fills the caches of the interpreter.
            await self.function(scaled(count, 0.1))
            for _ in range(passes):
                gc.collect()
                samples.append(await self.function(count) / count * 1e9)

        with asyncio.Runner(loop_factory=loop.make) as runner:
            runner.run(main())
        return {self.name: samples}


WORKLOADS: dict[str, Workload] = {}
"""Every workload by its name, in the order of the table."""


def register(workload: Workload) -> None:
    if workload.name in WORKLOADS:
        raise ValueError(f"two workloads are called {workload.name!r}")
    WORKLOADS[workload.name] = workload


def timed(
    name: str, title: str, count: int
) -> Callable[[Callable[[int], Awaitable[float]]], Callable[[int], Awaitable[float]]]:
    """Registers a coroutine function that times so many operations; its module is its group."""

    def add(function: Callable[[int], Awaitable[float]]) -> Callable[[int], Awaitable[float]]:
        group = function.__module__.rpartition(".")[2]
        rows = {name: Quantity(title, "ns")}
        register(Timed(name=name, group=group, rows=rows, function=function, count=count))
        return function

    return add


def scaled(count: int, scale: float) -> int:
    """About this share of the count; whole thousands, which workloads divide among tasks, and not zero."""
    return max(1000, round(count * scale / 1000) * 1000)
