"""The programs that run under injected faults, by name. Each does one thing that a loop can do."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from support.fault_scene import Scene

# Runs on the scene's loop, or is a plain function that makes loops of its own.
Program = Callable[[Scene], Awaitable[None] | None]

PROGRAMS: dict[str, Program] = {}


def program(name: str, *args: Any) -> Callable[[Any], Any]:
    """Enter a function of a scene and of `args` under a name."""

    def register(function: Any) -> Any:
        PROGRAMS[name] = functools.partial(_call, function, args)
        return function

    return register


def _call(function: Any, args: tuple[Any, ...], scene: Scene) -> Any:
    return function(scene, *args)
