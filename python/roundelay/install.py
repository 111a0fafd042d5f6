"""Making asyncio's own names native for this process, and putting them back."""

import asyncio
import asyncio.locks
import asyncio.queues
import asyncio.streams
import asyncio.subprocess
import asyncio.taskgroups
import asyncio.tasks
import asyncio.threads
import asyncio.timeouts
from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from . import _core, compat
from .redirects import BODIES

__all__ = ["install", "uninstall"]

# Classes and functions of asyncio by the module they are defined in. Native ones go there and into the
# package.
_HOMES = {
    "tasks": (
        "sleep",
        "gather",
        "create_task",
        "ensure_future",
        "wait",
        "wait_for",
        "as_completed",
        "shield",
        "run_coroutine_threadsafe",
    ),
    "locks": ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"),
    "queues": ("Queue", "PriorityQueue", "LifoQueue"),
    "taskgroups": ("TaskGroup",),
    "timeouts": ("Timeout", "timeout", "timeout_at"),
    "threads": ("to_thread",),
    "streams": (
        "StreamReader",
        "StreamWriter",
        "StreamReaderProtocol",
        "open_connection",
        "start_server",
        "open_unix_connection",
        "start_unix_server",
    ),
    # asyncio's functions that start processes find this one there.
    "subprocess": ("SubprocessStreamProtocol",),
}

# How to put back what install() replaced, last first; empty while nothing is installed.
_undo: list[Callable[[], None]] = []


def _native(name: str) -> Any:
    """What stands for a name of asyncio's here."""
    return compat.as_completed if name == "as_completed" else getattr(_core, name)


def _replace(owner: Any, name: str, value: Any) -> None:
    _undo.append(partial(setattr, owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def _redirect(module: Any, name: str) -> None:
    """Lead asyncio's own function, which other modules may hold, to the native one."""
    if name in BODIES and _native(name) is not getattr(module, name):
        code: CodeType = BODIES[name].__code__
        setattr(module, f"__roundelay_{name}__", _native(name))
        _replace(getattr(module, name), "__code__", code)


def _accept_earlier_readers() -> None:
    """Let asyncio's own StreamWriter take the readers that it always took.

    It looks for the name of their class among the globals of its module, where a native class stands now that
    asyncio's own readers, and classes derived from theirs before, are no instances of.
    """
    writer = asyncio.streams.StreamWriter
    stock: Any = writer.__init__
    names = {**stock.__globals__, "StreamReader": asyncio.streams.StreamReader}
    init = FunctionType(stock.__code__, names, stock.__name__, stock.__defaults__, stock.__closure__)
    init.__qualname__ = stock.__qualname__
    init.__kwdefaults__ = stock.__kwdefaults__
    _replace(writer, "__init__", init)


def _make_eager_tasks_native() -> None:
    """Let ``asyncio.eager_task_factory`` make native tasks, also for those who imported it before."""
    factory: Any = getattr(asyncio, "eager_task_factory", None)  # new in 3.12
    for cell in getattr(factory, "__closure__", None) or ():
        if cell.cell_contents is asyncio.Task:
            _replace(cell, "cell_contents", _core.Task)


def install() -> None:
    """Make asyncio native: its functions, and the loop that ``asyncio.run()`` and others make.

    Modules that imported asyncio's functions before are served as well. Calling it twice does no harm.
    ``asyncio.Task`` and ``asyncio.Future`` keep their names: native tasks and futures are instances of them.
    """
    if _undo:
        return
    from .policy import EventLoopPolicy

    _accept_earlier_readers()
    _make_eager_tasks_native()
    for home, names in _HOMES.items():
        module = getattr(asyncio, home)
        for name in names:
            _redirect(module, name)
            _replace(module, name, _native(name))
            if hasattr(asyncio, name):
                _replace(asyncio, name, _native(name))
    _undo.append(partial(compat.set_policy, compat.get_policy()))
    compat.set_policy(EventLoopPolicy())


def uninstall() -> None:
    """Put back everything that :func:`install` replaced. Loops and tasks that exist go on."""
    while _undo:
        _undo.pop()()
