"""Making asyncio's own names native for this process, and putting them back."""

import asyncio
import asyncio.locks
import asyncio.queues
import asyncio.taskgroups
import asyncio.tasks
import asyncio.threads
import asyncio.timeouts
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

from . import _core, compat

__all__ = ["install", "uninstall"]

# Functions of asyncio that have a native counterpart here.
_NATIVE = {
    "sleep": _core.sleep,
    "gather": _core.gather,
    "create_task": _core.create_task,
    "ensure_future": _core.ensure_future,
}

# Classes and functions of asyncio by the module they are defined in: native ones go there and into the package.
_HOMES = {
    "locks": ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"),
    "queues": ("Queue", "PriorityQueue", "LifoQueue"),
    "taskgroups": ("TaskGroup",),
    "timeouts": ("Timeout", "timeout", "timeout_at"),
    "tasks": ("wait", "wait_for", "as_completed", "shield", "run_coroutine_threadsafe"),
    "threads": ("to_thread",),
}

# How to put back what install() replaced, last first; empty while nothing is installed.
_undo: list[Callable[[], None]] = []


# Bodies for the functions that modules may have imported before: the same signature, calling the native
# function. They run with the globals of asyncio's function, where install() puts the names they use.
async def _sleep(delay, result=None):  # type: ignore[no-untyped-def]
    return await __roundelay_sleep__(delay, result)  # type: ignore[name-defined] # noqa: F821


def _gather(*coros_or_futures, return_exceptions=False):  # type: ignore[no-untyped-def]
    return __roundelay_gather__(*coros_or_futures, return_exceptions=return_exceptions)  # type: ignore[name-defined] # noqa: F821


async def _wait(fs, *, timeout=None, return_when=None):  # type: ignore[no-untyped-def]
    return await __roundelay_wait__(fs, timeout=timeout, return_when=return_when)  # type: ignore[name-defined] # noqa: F821


def _as_completed(fs, *, timeout=None):  # type: ignore[no-untyped-def]
    return __roundelay_as_completed__(fs, timeout=timeout)  # type: ignore[name-defined] # noqa: F821


# Before 3.13 it is a generator, and stays one.
def _as_completed_generator(fs, *, timeout=None):  # type: ignore[no-untyped-def]
    yield from __roundelay_as_completed__(fs, timeout=timeout)  # type: ignore[name-defined] # noqa: F821


async def _wait_for(fut, timeout):  # type: ignore[no-untyped-def]
    return await __roundelay_wait_for__(fut, timeout)  # type: ignore[name-defined] # noqa: F821


def _timeout(delay):  # type: ignore[no-untyped-def]
    return __roundelay_timeout__(delay)  # type: ignore[name-defined] # noqa: F821


def _timeout_at(when):  # type: ignore[no-untyped-def]
    return __roundelay_timeout_at__(when)  # type: ignore[name-defined] # noqa: F821


def _shield(arg):  # type: ignore[no-untyped-def]
    return __roundelay_shield__(arg)  # type: ignore[name-defined] # noqa: F821


async def _to_thread(func, /, *args, **kwargs):  # type: ignore[no-untyped-def]
    return await __roundelay_to_thread__(func, *args, **kwargs)  # type: ignore[name-defined] # noqa: F821


def _run_coroutine_threadsafe(coro, loop):  # type: ignore[no-untyped-def]
    return __roundelay_run_coroutine_threadsafe__(coro, loop)  # type: ignore[name-defined] # noqa: F821


_REDIRECTED = {
    "sleep": _sleep,
    "gather": _gather,
    "wait": _wait,
    "wait_for": _wait_for,
    "timeout": _timeout,
    "timeout_at": _timeout_at,
    "shield": _shield,
    "to_thread": _to_thread,
    "run_coroutine_threadsafe": _run_coroutine_threadsafe,
    "as_completed": _as_completed if hasattr(_core, "as_completed") else _as_completed_generator,
}


def _native(name: str) -> Any:
    """What stands for a name of asyncio's here, if anything does."""
    return getattr(_core, name, getattr(compat, name, None))


def _replace(owner: Any, name: str, value: Any) -> None:
    _undo.append(partial(setattr, owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def _redirect(module: Any, name: str) -> None:
    """Lead asyncio's own function, which other modules may hold, to the native one."""
    if name in _REDIRECTED and _native(name) is not getattr(module, name):
        code: CodeType = _REDIRECTED[name].__code__
        setattr(module, f"__roundelay_{name}__", _native(name))
        _replace(getattr(module, name), "__code__", code)


def install() -> None:
    """Make asyncio native: its functions, and the loop that ``asyncio.run()`` and others make.

    Modules that imported asyncio's functions before are served as well. Calling it twice does no harm.
    ``asyncio.Task`` and ``asyncio.Future`` keep their names: native tasks and futures are instances of them.
    """
    if _undo:
        return
    from .policy import EventLoopPolicy

    for name, native in _NATIVE.items():
        _redirect(asyncio.tasks, name)
        _replace(asyncio.tasks, name, native)
        _replace(asyncio, name, native)
    for home, names in _HOMES.items():
        module = getattr(asyncio, home)
        for name in names:
            if _native(name) is not None:
                _redirect(module, name)
                _replace(module, name, _native(name))
                _replace(asyncio, name, _native(name))
    _undo.append(partial(compat.set_policy, compat.get_policy()))
    compat.set_policy(EventLoopPolicy())


def uninstall() -> None:
    """Put back everything that :func:`install` replaced. Loops and tasks that exist go on."""
    while _undo:
        _undo.pop()()
