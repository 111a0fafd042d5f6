"""A whole program: the objects that it shares between its tasks, and the bodies that tasks run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .blocks import Body, indented


@dataclass(frozen=True)
class Setting:
    """What is there when the program begins."""

    semaphores: tuple[int, ...] = (1, 0)
    bounded: int = 1
    parties: int = 2
    # The class of each queue, and its maxsize.
    queues: tuple[tuple[str, int], ...] = (("Queue", 1), ("PriorityQueue", 0))
    # Whether the condition uses a lock of its own or the first lock.
    shared_lock: bool = False

    def build(self, aio: Any) -> dict[str, Any]:
        """The objects by name."""
        named = {"lock_0": aio.Lock(), "lock_1": aio.Lock(), "event_0": aio.Event(), "event_1": aio.Event()}
        for place, count in enumerate(self.semaphores):
            named[f"semaphore_{place}"] = aio.Semaphore(count)
        named["bounded_0"] = aio.BoundedSemaphore(self.bounded)
        named["condition_0"] = aio.Condition(named["lock_0"] if self.shared_lock else None)
        named["barrier_0"] = aio.Barrier(self.parties)
        for place, (kind, size) in enumerate(self.queues):
            named[f"queue_{place}"] = getattr(aio, kind)(size)
        return named

    def lines(self) -> list[str]:
        lines = ["lock_0, lock_1, event_0, event_1 = Lock(), Lock(), Event(), Event()"]
        lines += [f"semaphore_{place} = Semaphore({count})" for place, count in enumerate(self.semaphores)]
        lines.append(f"bounded_0 = BoundedSemaphore({self.bounded})")
        lines.append(f"condition_0 = Condition({'lock_0' if self.shared_lock else ''})")
        lines.append(f"barrier_0 = Barrier({self.parties})")
        lines += [f"queue_{place} = {kind}({size})" for place, (kind, size) in enumerate(self.queues)]
        return lines


@dataclass(frozen=True)
class Program:
    """The first bodies, `roots` of them, start as tasks at once. A body calls none but later ones, so that it
    ends."""

    setting: Setting
    bodies: tuple[Body, ...]
    roots: int = 1
    # Whether every turn of the loop is numbered in the trace, which keeps the loop busy for a while.
    ticks: bool = True
    # How tasks are made: as ever, by a task factory written in Python, or eagerly (3.12 and later).
    tasks: str = "plain"

    def source(self) -> str:
        """How the program reads in Python."""
        lines = [f"# roots: {self.roots}, ticks: {self.ticks}, tasks: {self.tasks}", *self.setting.lines()]
        for index, body in enumerate(self.bodies):
            lines += ["", f"async def body_{index}():", *indented(body)]
        return "\n".join(lines)
