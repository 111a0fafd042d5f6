"""What a suspended task waits for."""

import asyncio
from typing import Any, NamedTuple

from . import _core

__all__ = ["Waiting", "waits_for"]


class Waiting(NamedTuple):
    """What a suspended task waits for; see :func:`waits_for`."""

    operation: str
    """What the task called: ``"Queue.get"``, ``"StreamReader.read"``, ``"EventLoop.sock_recv"``, ``"sleep"``,
    ``"wait_for"``, ``"await"``."""
    kind: str
    """``"sleep"``, ``"lock"``, ``"event"``, ``"condition"``, ``"semaphore"``, ``"barrier"``, ``"queue"``,
    ``"stream"``, ``"task group"``, ``"task"``, ``"gather"``, ``"descriptor"`` or ``"future"``."""
    on: Any
    """The object: the lock, queue, reader, task or future. A descriptor's number; None for a sleep."""
    until: float | None
    """When a sleep is over, in seconds of the loop's clock."""


def waits_for(task: asyncio.Task[Any]) -> Waiting | None:
    """Return what ``task`` waits for, or None if it is done, running, or about to run.

    Call it on the thread of the task's loop. Objects that are not native (made before ``install()``, say)
    are seen through: a task that waits at such a lock waits for the ``"future"`` that the lock made for it.
    Raises TypeError for anything that is not a task.
    """
    found = _core._waits_for(task)
    return None if found is None else Waiting(*found)
