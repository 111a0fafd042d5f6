# Types of the package, under the names that it exports.
#
# A program that says `import roundelay as asyncio` mixes our names with asyncio's freely, so for a type
# checker both must be the same: `asyncio.TaskGroup.create_task()` promises an `asyncio.Task`, and with that
# import this has to mean what `roundelay.Task` means. Hence Future, Task and the handles are asyncio's here,
# and so are the functions that are called exactly as asyncio's are. What they are at run time stands in
# `_core.pyi`.
#
# ruff: noqa: F403, F405, F811, I001

import sys

# Ours stand here for mypy, which keeps the first meaning of a name, and again below for pyright, which keeps
# the last.
from ._core import __version__ as __version__
from .install import install as install
from .install import uninstall as uninstall
from .loop import EventLoop as EventLoop
from .loop import new_event_loop as new_event_loop
from .policy import EventLoopPolicy as EventLoopPolicy
from .runner import Runner as Runner
from .runner import run as run
from .waiting import Waiting as Waiting
from .waiting import waits_for as waits_for

from asyncio import *  # type: ignore[assignment]
from asyncio import base_events as base_events
from asyncio import base_futures as base_futures
from asyncio import constants as constants
from asyncio import coroutines as coroutines
from asyncio import events as events
from asyncio import exceptions as exceptions
from asyncio import futures as futures
from asyncio import locks as locks
from asyncio import protocols as protocols
from asyncio import queues as queues
from asyncio import runners as runners
from asyncio import streams as streams
from asyncio import subprocess as subprocess
from asyncio import taskgroups as taskgroups
from asyncio import tasks as tasks
from asyncio import threads as threads
from asyncio import timeouts as timeouts
from asyncio import transports as transports

if sys.version_info < (3, 12):
    # Not among the names that a star brings in 3.11.
    from asyncio import TaskGroup as TaskGroup

from .loop import EventLoop as EventLoop
from .loop import new_event_loop as new_event_loop
from .runner import Runner as Runner
from .runner import run as run

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
