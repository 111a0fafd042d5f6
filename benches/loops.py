"""The loops that are compared, and how a program is run on each."""

import asyncio
import importlib
import importlib.metadata
from collections.abc import Callable, Coroutine
from typing import Any

PEERS = ("uvloop", "rloop", "rsloop", "zuvloop")
"""Everybody else who replaces asyncio's loop on this platform."""

LOOPS = ("asyncio", *PEERS, "roundelay")


class NotInstalled(Exception):
    """The loop cannot be imported here; the message says why."""


def prepare(name: str) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Makes the loop ready in this process and returns a function like `asyncio.run`."""
    if name == "asyncio":
        return asyncio.run
    module = _import(name)
    if name == "roundelay":
        # The way users run it: asyncio's own names become native, the program stays as it is.
        module.install()
        return asyncio.run

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
            return runner.run(main)

    return run


def version(name: str) -> str:
    """The installed version, or raises NotInstalled."""
    if name == "asyncio":
        return "of this Python"
    _import(name)
    return importlib.metadata.version(name)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotInstalled(str(error)) from error
