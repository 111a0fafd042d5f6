"""The loops that are compared, and how each is made."""

import asyncio
import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

PEERS = ("uvloop", "rloop", "rsloop", "zuvloop")
"""Everybody else who replaces asyncio's loop on this platform."""

LOOPS = ("asyncio", *PEERS, "roundelay")


class NotInstalled(Exception):
    """The loop cannot be imported here; the message says why."""


def prepare(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes the loop ready in this process and returns the function that makes one."""
    if name == "asyncio":
        return asyncio.new_event_loop
    module = _import(name)
    if name == "roundelay":
        # The way users run it: asyncio's own names become native, the program stays as it is.
        module.install()
        return asyncio.new_event_loop
    return module.new_event_loop


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
