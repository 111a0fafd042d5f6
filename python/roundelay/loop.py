"""The event loop class: the native core, with asyncio's own Python code for what is not native yet."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, TypeVarTuple

from . import _core, compat

__all__ = ["EventLoop", "new_event_loop"]

_Ts = TypeVarTuple("_Ts")


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

    # asyncio's own, by signal number.
    _signal_handlers: dict[int, asyncio.Handle]

    def __init__(self) -> None:
        asyncio.SelectorEventLoop.__init__(self, _NoSelector())  # type: ignore[arg-type]
        compat.show_native_tasks()

    # Signals come through the self-pipe. While a handler wants them, it counts as a descriptor that is
    # watched: the loop then polls in every turn, so that a busy program serves them as asyncio does.

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """Add a handler for a signal. UNIX only; on the main thread only."""
        super().add_signal_handler(sig, callback, *args)
        self._internal_fds = 0

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove a handler for a signal. Return True if there was one."""
        removed = super().remove_signal_handler(sig)
        if not self._signal_handlers and not self.is_closed():
            self._internal_fds = 1
        return removed

    def close(self) -> None:
        """Close the loop; what is still queued is dropped. The loop must not be running."""
        asyncio.SelectorEventLoop.close(self)
        if self.is_closed():
            self._discard()


_core._register_loop_class(EventLoop)
os.register_at_fork(after_in_child=_core._after_fork)


def new_event_loop() -> EventLoop:
    """Return a new event loop, for ``asyncio.Runner(loop_factory=roundelay.new_event_loop)`` and the like."""
    return EventLoop()
