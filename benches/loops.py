"""The loops that are compared, and how each is made."""

import asyncio
import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import load

MakeLoop = Callable[[], asyncio.AbstractEventLoop]

PEERS = ("uvloop", "rloop", "rsloop", "zuvloop")
"""Everybody else who replaces asyncio's loop on this platform."""

LIMIT = "limit"
"""No loop, but what none can do better than: a server in Rust with nothing around its system calls."""

LOOPS = ("asyncio", *PEERS, "roundelay", LIMIT)


class NotInstalled(Exception):
    """The loop cannot be imported here; the message says why."""


@dataclass(frozen=True)
class Loop:
    """One of `LOOPS`, ready in this process."""

    name: str
    make: MakeLoop
    """Makes a loop. The limit has none to make."""


def prepare(name: str) -> Loop:
    """Makes the loop ready in this process."""
    if name == LIMIT:
        return Loop(name, _no_loop)
    if name == "asyncio":
        return Loop(name, asyncio.new_event_loop)
    module = _import(name)
    if name == "roundelay":
        # The way users run it: asyncio's own names become native, the program stays as it is.
        module.install()
        return Loop(name, asyncio.new_event_loop)
    return Loop(name, module.new_event_loop)


def version(name: str) -> str:
    """The installed version, or raises NotInstalled."""
    if name == "asyncio":
        return "of this Python"
    if name == LIMIT:
        if reason := load.missing():
            raise NotInstalled(reason)
        return "an echo server in Rust, of roundelay-bench"
    _import(name)
    return importlib.metadata.version(name)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotInstalled(str(error)) from error


def _no_loop() -> asyncio.AbstractEventLoop:
    raise NotInstalled("the limit is no loop, but a server")
