"""Which of asyncio's names roundelay stands behind, and whether a test module really finds ours there.

A test module reaches a class in more than one way: as `asyncio.Lock`, as `asyncio.locks.Lock`, through
another module of asyncio, or kept in a variable when it was imported. All of them must lead to the same
object, or the suite would silently test asyncio's own.
"""

import asyncio
import importlib
from typing import Any

HOMES = {
    "asyncio.locks": ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"),
    "asyncio.queues": ("Queue", "PriorityQueue", "LifoQueue"),
    "asyncio.streams": (
        "StreamReader",
        "StreamReaderProtocol",
        "StreamWriter",
        "open_connection",
        "open_unix_connection",
        "start_server",
        "start_unix_server",
    ),
    "asyncio.taskgroups": ("TaskGroup",),
    "asyncio.tasks": (
        "as_completed",
        "create_task",
        "ensure_future",
        "gather",
        "run_coroutine_threadsafe",
        "shield",
        "sleep",
        "wait",
        "wait_for",
    ),
    "asyncio.threads": ("to_thread",),
    "asyncio.timeouts": ("Timeout", "timeout", "timeout_at"),
}
"""Where asyncio defines each of its names that `roundelay.install()` replaces. `asyncio` itself has all of
them too. `Task`, `Future` and the loops are not here: install() leaves those names alone, see
`Stage.prepare` for how tests find them."""


class WrongName(Exception):
    """A name leads to asyncio's object where ours is wanted, or the other way round."""


class Names:
    """asyncio's own objects, as they were before install(), and roundelay's."""

    def __init__(self) -> None:
        self.asyncio = {
            name: getattr(importlib.import_module(home), name)
            for home, names in HOMES.items()
            for name in names
        }

    def roundelay(self) -> dict[str, Any]:
        """What roundelay offers under the same names."""
        import roundelay

        return {name: getattr(roundelay, name) for name in self.asyncio}

    def check(self, module: Any, provider: str) -> None:
        """Raises `WrongName` unless every way from the test module leads to this provider's objects."""
        by_provider = {"asyncio": self.asyncio, "roundelay": self.roundelay()}
        wanted = by_provider.pop(provider)
        (other,) = by_provider.values()
        for home, names in HOMES.items():
            for name in names:
                for place in (asyncio, importlib.import_module(home)):
                    if getattr(place, name) is not wanted[name]:
                        raise WrongName(f"{place.__name__}.{name} is not {provider}'s")
        strangers = {id(value) for name, value in other.items() if value is not wanted[name]}
        classes = [value for value in vars(module).values() if isinstance(value, type)]
        for owner in (module, *(cls for cls in classes if cls.__module__ == module.__name__)):
            for attribute, value in vars(owner).items():
                # A function kept as a class attribute is usually wrapped, so that it does not bind.
                if id(getattr(value, "__func__", value)) in strangers:
                    raise WrongName(f"{owner.__name__}.{attribute} is not {provider}'s")
