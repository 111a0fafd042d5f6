"""The event loop class: the native core, with asyncio's own Python code for what is not native yet."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from . import _core, compat
from .servers import Servers
from .subprocesses import Subprocesses
from .transports import Transports, TransportsByDescriptor

__all__ = ["EventLoop", "new_event_loop"]

if TYPE_CHECKING:
    from typing import TypeVar, TypeVarTuple

    _T = TypeVar("_T")
    _Ts = TypeVarTuple("_Ts")


class _Selector:
    """Stands where asyncio's loop keeps its selector, for those who look at it.

    The native reactor does the selecting; this shows what it watches.
    """

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop

    def get_map(self) -> dict[int, selectors.SelectorKey]:
        """What is watched, by descriptor; the data of a key are its reader and writer, as in asyncio."""
        keys = {}
        for file, fd, reader, writer in self._loop._watched():
            events = selectors.EVENT_READ * (reader is not None) | selectors.EVENT_WRITE * (
                writer is not None
            )
            keys[fd] = selectors.SelectorKey(file, fd, events, (reader, writer))
        return keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """The key of one descriptor, or of an object that has one; KeyError if it is not watched."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        try:
            return self.get_map()[fd]
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None

    def close(self) -> None:
        pass


# asyncio's loop, whatever its name leads to later on.
_Stock = asyncio.SelectorEventLoop


class EventLoop(_core.LoopBase, Transports, Servers, Subprocesses, _Stock):
    """An event loop with everything ``asyncio.AbstractEventLoop`` has.

    Scheduling, timers, tasks, futures, readers, writers, connections, datagrams, pipes and
    subprocesses are native. The executor and error reports are asyncio's own code on top of them.

    With ``clock="virtual"`` the loop's time begins at 0.0 and stands still while anything is ready to run;
    then it jumps to the next timer, so that a program of sleeps and timeouts runs without waiting. What
    ``run_in_executor()`` does in other threads is waited for, and takes no virtual time.
    """

    # What asyncio's loop keeps in its dict, which stays unmade here: CPython finds a method of an object
    # in one step only while there is no dict (`LOAD_ATTR_METHOD_LAZY_DICT`). Attributes that a program sets
    # itself make one, and come before the class's as ever.
    __slots__ = (
        "_asyncgens",
        "_asyncgens_shutdown_called",
        "_clock_resolution",
        "_coroutine_origin_tracking_enabled",
        "_coroutine_origin_tracking_saved_depth",
        "_csock",
        "_current_handle",
        "_default_executor",
        "_exception_handler",
        "_executor_shutdown_called",
        "_old_agen_hooks",
        "_selector",
        "_signal_handlers",
        "_ssock",
        "_timer_cancelled_count",
        "_transports",
        "_unix_server_sockets",
        "_watcher",
        "slow_callback_duration",
    )

    # By signal number.
    _signal_handlers: dict[int, asyncio.Handle]
    # asyncio's own too: the two ends of the self-pipe.
    _ssock: Any
    _csock: Any

    def __init__(self, *, clock: Literal["real", "virtual"] = "real") -> None:
        if clock not in ("real", "virtual"):
            self._closed = True  # or its end would be reported as that of a loop that nobody closed
            raise ValueError(f"clock must be 'real' or 'virtual', not {clock!r}")
        if self._virtual_clock != (clock == "virtual"):
            # The clock is made before __init__ runs, from the arguments of the class.
            self._closed = True
            raise TypeError(
                "a subclass that asks for a virtual clock must be called with clock='virtual' itself"
            )
        try:
            _Stock.__init__(self, _Selector(self))  # type: ignore[arg-type]
        except BaseException:
            # No descriptors are left for the self-pipe: those of the reactor are given back.
            self._closed = True
            self._discard()
            raise
        self._transports = TransportsByDescriptor(self)
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

    # Virtual time stands still while another thread works for the program.

    def run_in_executor(self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Have a thread call ``func(*args)``; the default executor's if ``executor`` is None."""
        future = super().run_in_executor(executor, func, *args)
        if self._virtual_clock:
            self._outside_work += 1
            future.add_done_callback(self._outside_work_done)
        return future

    def _outside_work_done(self, _future: asyncio.Future[Any]) -> None:
        self._outside_work -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until the default executor's threads have ended, at most ``timeout`` seconds."""
        self._outside_work += 1
        try:
            if sys.version_info < (3, 12):
                await super().shutdown_default_executor()
            else:
                await super().shutdown_default_executor(timeout)
        finally:
            self._outside_work -= 1

    def _close_self_pipe(self) -> None:
        # Whatever close(2) says of one end, it is closed, and the rest has to be closed too.
        self._remove_reader(self._ssock.fileno())
        for end in (self._ssock, self._csock):
            with suppress(OSError):
                end.close()
        self._ssock = self._csock = None
        self._internal_fds -= 1

    def close(self) -> None:
        """Close the loop; what is still queued is dropped. The loop must not be running."""
        _Stock.close(self)
        if self.is_closed():
            self._discard()


_registered = _core._register_loop_class(EventLoop)
if _registered is EventLoop:
    _core._register_view(compat.show_native_tasks)
    os.register_at_fork(after_in_child=_core._after_fork)
elif not TYPE_CHECKING:
    # A program that forgets its modules and imports them again has loops of the first class.
    EventLoop = _registered


def new_event_loop() -> EventLoop:
    """Return a new event loop, for ``asyncio.Runner(loop_factory=roundelay.new_event_loop)`` and the like."""
    return EventLoop()
