"""asyncio, rebuilt in Rust: the event loop, and tasks, futures, gather and sleep that run on it.

Three ways to use it::

    roundelay run app.py            # any asyncio program, unmodified
    roundelay.run(main())           # like asyncio.run(), on this loop
    import roundelay as asyncio     # every public name of asyncio is here

Importing this package changes nothing. :func:`install` makes asyncio's own names native for the whole
process, and :func:`uninstall` puts them back.
"""

import asyncio
import sys
from asyncio import *  # noqa: F403
from typing import Any

from ._core import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Future,
    Handle,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    Semaphore,
    StreamReader,
    StreamReaderProtocol,
    StreamWriter,
    Task,
    TaskGroup,
    Timeout,
    TimerHandle,
    __version__,
    create_subprocess_exec,
    create_subprocess_shell,
    create_task,
    ensure_future,
    gather,
    open_connection,
    open_unix_connection,
    run_coroutine_threadsafe,
    shield,
    sleep,
    start_server,
    start_unix_server,
    timeout,
    timeout_at,
    to_thread,
    wait,
    wait_for,
)
from .compat import as_completed
from .install import install, uninstall
from .loop import EventLoop, new_event_loop
from .policy import EventLoopPolicy
from .runner import Runner, run
from .waiting import Waiting, waits_for

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "EventLoop",
    "EventLoopPolicy",
    "Future",
    "Handle",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "Runner",
    "Semaphore",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "Task",
    "TaskGroup",
    "Timeout",
    "TimerHandle",
    "Waiting",
    "__version__",
    "as_completed",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "create_task",
    "ensure_future",
    "gather",
    "install",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "run",
    "run_coroutine_threadsafe",
    "shield",
    "sleep",
    "start_server",
    "start_unix_server",
    "timeout",
    "timeout_at",
    "to_thread",
    "uninstall",
    "wait",
    "wait_for",
    "waits_for",
]


# The rest of asyncio's names, its submodules among them. They are copied, because the interpreter looks names
# up the quick way only in modules that have no `__getattr__`.
globals().update({name: value for name, value in vars(asyncio).items() if name not in globals()})

if sys.version_info >= (3, 14):

    def __getattr__(name: str) -> Any:
        """What asyncio itself makes only when it is asked for."""
        try:
            return getattr(asyncio, name)
        except AttributeError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
