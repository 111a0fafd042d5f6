"""Runs programs over asyncio's coordination in every mixture of native and stock, and compares.

Locks, queues, timeouts and groups must behave as asyncio's do wherever they are used: on roundelay under its
own name, with asyncio's names made native, on stock loops with stock tasks, and, as asyncio's own, on
roundelay.
"""

import asyncio
import difflib
import inspect
import re
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest
import roundelay

from support import coordination_clock
from support.both import OURS, Witness, observe

# What coordinates tasks, by the name that asyncio has for it. Whatever else a program uses is a loop, a task,
# a future, or made of these.
COORDINATION = (
    "Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier", "BrokenBarrierError",
    "Queue", "PriorityQueue", "LifoQueue", "QueueEmpty", "QueueFull", "QueueShutDown",
    "wait", "wait_for", "as_completed", "shield", "timeout", "timeout_at", "Timeout", "TaskGroup",
    "to_thread", "run_coroutine_threadsafe",
)  # fmt: skip

# The same for streams, which have tests of their own.
STREAMS = (
    "StreamReader", "StreamWriter", "StreamReaderProtocol",
    "open_connection", "start_server", "open_unix_connection", "start_unix_server",
)  # fmt: skip

CLASSES = tuple(
    name
    for name in COORDINATION
    if isinstance(getattr(asyncio, name, None), type) and not issubclass(getattr(asyncio, name), Exception)
)
FUNCTIONS = tuple(
    name for name in COORDINATION if hasattr(asyncio, name) and not isinstance(getattr(asyncio, name), type)
)


class Mixture:
    """Stands for the module `asyncio`, with coordination and streams from one module and everything else from
    another."""

    def __init__(self, coordination: ModuleType, rest: ModuleType) -> None:
        self._coordination = coordination
        self._rest = rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coordination if name in COORDINATION + STREAMS else self._rest, name)


# The ways in which native and stock objects meet. Today's asyncio is the reference for each.
MIXTURES = {
    "native on stock": Mixture(roundelay, asyncio),
    "stock on native": Mixture(asyncio, roundelay),
}

# On whose loop each way of running a program takes place.
_VIRTUAL_LOOPS: dict[str, Callable[[], Any]] = {
    "asyncio": coordination_clock.EventLoop,
    "roundelay": coordination_clock.native_loop,
    "installed": coordination_clock.native_loop,
    "native on stock": coordination_clock.EventLoop,
    "stock on native": coordination_clock.native_loop,
}

# The module of a class shows in the repr of some; one test looks at it, and all others do without.
_MODULE = re.compile(rf"<(?:asyncio\.\w+|roundelay)\.(?=(?:{'|'.join(CLASSES + STREAMS)})\b)")
# A time of the loop's, as deadlines show it.
_TIME = re.compile(r"\bwhen=-?\d+\.\d+")


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _TIME.sub("when=...", _MODULE.sub("<", value))
    if isinstance(value, tuple | list):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


class _VirtualTime:
    """The module `asyncio` of a program whose loops have a virtual clock."""

    def __init__(self, aio: Any, new_event_loop: Callable[[], Any]) -> None:
        self._aio = aio
        self.new_event_loop = new_event_loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._aio, name)


def seen(program: Callable[..., Any], way: str, *args: Any, real_time: bool = False) -> list[Any]:
    """What the program shows in one way of running it: "asyncio", "roundelay", "installed" or a mixture."""

    def arranged(aio: Any, see: Witness, *args: Any) -> Any:
        aio = MIXTURES.get(way, aio)
        if not real_time:
            aio = _VirtualTime(aio, _VIRTUAL_LOOPS[way])
        see.aio = aio
        return program(aio, see, *args)

    records = observe(arranged, "asyncio" if way in MIXTURES else way, *args)
    return [_plain(record) for record in records]


def same_in_every_mixture(program: Callable[..., Any]) -> Callable[..., None]:
    """Make a test of a program: it must show something, and the same in all ways of running it.

    Its loops have a virtual clock, so that what is quick comes before what is slow on any machine.
    """
    return _make_test(program, real_time=False)


def same_in_real_time(program: Callable[..., Any]) -> Callable[..., None]:
    """The same, for a program that does something in the meantime: work in a thread, or a busy wait."""
    return _make_test(program, real_time=True)


def _make_test(program: Callable[..., Any], *, real_time: bool) -> Callable[..., None]:
    def test(*args: Any, **kwargs: Any) -> None:
        values = [kwargs[name] for name in names]
        expected = seen(program, "asyncio", *values, real_time=real_time)
        assert expected, "the program shows nothing, so there is nothing to compare"
        for way in (*OURS, *MIXTURES):
            found = seen(program, way, *values, real_time=real_time)
            if found != expected:
                lines = difflib.unified_diff(
                    [str(record) for record in expected],
                    [str(record) for record in found],
                    "asyncio",
                    way,
                    lineterm="",
                    n=2,
                )
                pytest.fail("\n".join(lines)[:20_000], pytrace=False)

    signature = inspect.signature(program)
    parameters = list(signature.parameters.values())[2:]
    names = [parameter.name for parameter in parameters]
    test.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(test, name, getattr(program, name))
    return test


async def turns(aio: Any, count: int = 1) -> None:
    """Let others run for some turns of the loop."""
    for _ in range(count):
        await aio.sleep(0)


class Cast:
    """Tasks with names, and in order what each of them lived through."""

    def __init__(self, aio: Any) -> None:
        self.aio = aio
        self.trace: list[Any] = []
        self.tasks: dict[str, Any] = {}

    def note(self, *what: Any) -> None:
        self.trace.append(" ".join(str(item) for item in what))

    def start(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """Start a task that awaits what `make` makes and notes how it ended."""
        self.tasks[name] = task = self.aio.create_task(self._live(name, make), name=name)
        return task

    async def _live(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await make()
        except asyncio.CancelledError as error:
            self.note(name, "cancelled", *error.args)
            raise
        except Exception as error:
            self.note(name, "failed:", repr(error))
            raise
        self.note(name, "got", result)
        return result

    def cancel(self, name: str) -> None:
        self.note("cancel", name, self.tasks[name].cancel(f"by script, {name}"))

    async def end(self, turns_left: int = 6) -> None:
        """Let everyone come to rest, cancel who has not, and look at all results."""
        await turns(self.aio, turns_left)
        for name, task in self.tasks.items():
            if not task.done():
                self.note(name, "is left over")
                task.cancel("left over")
        await turns(self.aio, turns_left)
        for name, task in self.tasks.items():
            if not task.done():
                self.note(name, "cannot be cancelled")
            elif not task.cancelled():
                task.exception()


async def forever(aio: Any) -> None:
    """Sleep until cancelled. (A task over a native sleep shows less of itself than one over this.)"""
    await aio.sleep(1000)
