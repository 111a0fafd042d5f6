"""What differs between Python versions, on the Python side."""

import asyncio.tasks
import sys
from collections.abc import Iterator
from typing import Any

from . import _core

__all__ = ["as_completed", "policy_base", "set_policy", "show_native_tasks"]


if sys.version_info >= (3, 13):
    as_completed: Any = _core.as_completed
else:
    # Before 3.13 it is a generator, and what makes one has to be Python code.
    def as_completed(fs: Any, *, timeout: Any = None) -> Iterator[Any]:
        yield from _core._as_completed(fs, timeout)

    as_completed.__doc__ = asyncio.tasks.as_completed.__doc__
    as_completed.__module__ = asyncio.tasks.__name__


class _AllTasks:
    """asyncio's set of scheduled tasks and the list of native tasks, seen as one."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def __iter__(self) -> Iterator[Any]:
        return iter([*self._stock, *_core._native_tasks()])

    def __len__(self) -> int:
        return len(self._stock) + len(_core._native_tasks())

    def __contains__(self, task: object) -> bool:
        return task in self._stock or task in _core._native_tasks()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)


def show_native_tasks() -> None:
    """Let ``asyncio.all_tasks()`` see native tasks. From 3.14 on the interpreter's own list has them."""
    if sys.version_info >= (3, 14):
        return
    name = "_scheduled_tasks" if sys.version_info >= (3, 12) else "_all_tasks"
    stock = getattr(asyncio.tasks, name)
    if not isinstance(stock, _AllTasks):
        setattr(asyncio.tasks, name, _AllTasks(stock))


def waits_in_threads(loop: Any) -> bool:
    """Whether asyncio has found out that processes have no descriptors here. Since 3.14 each loop knows."""
    if sys.version_info >= (3, 14):
        from asyncio import unix_events

        return isinstance(loop._watcher, unix_events._ThreadedChildWatcher)  # type: ignore[attr-defined]
    return False


def thread_watcher(loop: Any) -> Any:
    """An object of asyncio's that waits for each child process in a thread of its own."""
    from asyncio import unix_events

    if sys.version_info >= (3, 14):
        return loop._watcher if waits_in_threads(loop) else unix_events._ThreadedChildWatcher()  # type: ignore[attr-defined]
    return unix_events.ThreadedChildWatcher()


async def until_exit(transport: Any) -> None:
    """Wait until the process of a transport that failed to begin has ended."""
    if sys.version_info >= (3, 14):
        # Being cancelled once more does not keep the wait from being over in time.
        await asyncio.shield(transport._wait())
    else:
        await transport._wait()


def policy_base() -> Any:
    """The default policy class, under the name it has in this version."""
    from asyncio import unix_events

    if sys.version_info >= (3, 14):
        return unix_events._DefaultEventLoopPolicy  # type: ignore[attr-defined]
    return unix_events.DefaultEventLoopPolicy


def get_policy() -> Any:
    """The policy in force, without the deprecation warning of 3.14."""
    if sys.version_info >= (3, 14):
        return asyncio.events._get_event_loop_policy()  # type: ignore[attr-defined]
    return asyncio.get_event_loop_policy()


def set_policy(policy: Any) -> None:
    """Set the policy, without the deprecation warning of 3.14."""
    if sys.version_info >= (3, 14):
        asyncio.events._set_event_loop_policy(policy)  # type: ignore[attr-defined]
    else:
        asyncio.set_event_loop_policy(policy)
