"""A whole program: the objects that it shares between its tasks, and the bodies that tasks run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .blocks import Body, indented


def _derived(base: Any) -> Any:
    """A class of the program's own that changes nothing."""
    return type(base.__name__, (base,), {})


def _two_ended(base: Any) -> Any:
    """A queue that gives its first item and its last in turn, through the hooks that are there for that."""

    class TwoEnded(base):  # type: ignore[misc]
        def _init(self, maxsize: int) -> None:
            self._queue: list[Any] = []
            self._turn = 0

        def _put(self, item: Any) -> None:
            self._queue.append(item)

        def _get(self) -> Any:
            self._turn = -1 - self._turn
            return self._queue.pop(self._turn)

    return TwoEnded


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
    # Whether all of them are of classes of the program's own, derived from asyncio's.
    derived: bool = False

    def _class(self, aio: Any, name: str) -> Any:
        if name == "TwoEnded":
            return _two_ended(aio.Queue)
        return _derived(getattr(aio, name)) if self.derived else getattr(aio, name)

    def build(self, aio: Any) -> dict[str, Any]:
        """The objects by name."""
        named: dict[str, Any] = {}
        for place in range(2):
            named[f"lock_{place}"] = self._class(aio, "Lock")()
            named[f"event_{place}"] = self._class(aio, "Event")()
        for place, count in enumerate(self.semaphores):
            named[f"semaphore_{place}"] = self._class(aio, "Semaphore")(count)
        named["bounded_0"] = self._class(aio, "BoundedSemaphore")(self.bounded)
        named["condition_0"] = self._class(aio, "Condition")(named["lock_0"] if self.shared_lock else None)
        named["barrier_0"] = self._class(aio, "Barrier")(self.parties)
        for place, (kind, size) in enumerate(self.queues):
            named[f"queue_{place}"] = self._class(aio, kind)(size)
        return named

    def lines(self) -> list[str]:
        lines = ["# of classes that are derived from these"] if self.derived else []
        lines.append("lock_0, lock_1, event_0, event_1 = Lock(), Lock(), Event(), Event()")
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
    # How tasks are made: as ever, by a task factory written in Python, one that makes tasks of a class of its
    # own, or eagerly (3.12 and later).
    tasks: str = "plain"

    def source(self) -> str:
        """How the program reads in Python."""
        lines = [f"# roots: {self.roots}, ticks: {self.ticks}, tasks: {self.tasks}", *self.setting.lines()]
        for index, body in enumerate(self.bodies):
            lines += ["", f"async def body_{index}():", *indented(body)]
        return "\n".join(lines)
