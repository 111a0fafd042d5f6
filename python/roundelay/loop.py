"""The event loop class: the native core, with asyncio's own Python code for what is not native yet."""

import asyncio
from typing import Any

from . import _core, compat

__all__ = ["EventLoop", "new_event_loop"]


class _NoSelector:
    """Stands where asyncio's loop keeps its selector; the native reactor does the selecting."""

    def get_map(self) -> dict[int, Any]:
        return {}

    def close(self) -> None:
        pass


class EventLoop(_core.LoopBase, asyncio.SelectorEventLoop):
    """An event loop with everything ``asyncio.AbstractEventLoop`` has.

    Scheduling, timers, tasks, futures, readers and writers are native. Sockets, transports,
    subprocesses, the executor and error reports are asyncio's own code on top of them.
    """

    def __init__(self) -> None:
        asyncio.SelectorEventLoop.__init__(self, _NoSelector())  # type: ignore[arg-type]
        compat.show_native_tasks()

    def close(self) -> None:
        """Close the loop; what is still queued is dropped. The loop must not be running."""
        asyncio.SelectorEventLoop.close(self)
        if self.is_closed():
            self._discard()


_core._register_loop_class(EventLoop)


def new_event_loop() -> EventLoop:
    """Return a new event loop, for ``asyncio.Runner(loop_factory=roundelay.new_event_loop)`` and the like."""
    return EventLoop()
