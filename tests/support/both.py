"""Runs one program on stock asyncio and on roundelay, and compares everything that can be seen.

A program is a function that takes `aio`, which stands for the module `asyncio`, and a `Witness`, to which it
tells what it sees. The witness also takes down what reaches the program from outside: warnings, log records,
calls of the loop's exception handler, and exceptions that nobody can catch.
"""

import asyncio
import contextvars
import difflib
import gc
import inspect
import logging
import re
import ssl
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import pytest
import roundelay

# The ways to run on roundelay that must not differ from stock asyncio: under its own name, and in asyncio's
# place.
OURS = ("roundelay", "installed")


class Witness:
    """What one run of a program shows, in order."""

    def __init__(self, aio: ModuleType) -> None:
        self.aio = aio
        self.records: list[Any] = []
        self._loops: list[asyncio.AbstractEventLoop] = []

    def __call__(self, *what: Any) -> None:
        """Take down what the program saw."""
        self.records.append(tuple(shown(item) for item in what))

    def attempt(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function and take down what it returned or raised."""
        try:
            result = function(*args, **kwargs)
        except pytest.fail.Exception:  # the time limit of the test
            raise
        except BaseException as error:
            self("raised", error)
            return error
        self("returned", result)
        return result

    async def attempt_await(self, awaitable: Any) -> Any:
        """Await something and take down what it gave or raised."""
        try:
            result = await awaitable
        except pytest.fail.Exception:
            raise
        except BaseException as error:
            self("raised", error)
            return error
        self("gave", result)
        return result

    def new_loop(self, *, debug: bool = False) -> asyncio.AbstractEventLoop:
        """A new loop whose exception handler is watched; closed after the program, if not by it."""
        loop = self.aio.new_event_loop()
        loop.set_debug(debug)
        loop.set_exception_handler(self.exception_handler)
        self._loops.append(loop)
        return loop

    def exception_handler(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # In the order of the keys, as the default handler writes them. Source tracebacks end in frames of
        # asyncio's own where the call was made in Python, so the last frame outside of it is compared.
        items = []
        for key in sorted(context):
            value = context[key]
            if key == "source_traceback" and value is not None:
                value = [frame.name for frame in value if not _OWN_FILE.search(frame.filename)][-1]
            items.append((key, shown(value)))
        self("exception handler", *items)

    def run(self, coro: Any, *, debug: bool = False) -> Any:
        """Run a coroutine on a new loop to its end, take down what it gave, and close the loop."""
        loop = self.new_loop(debug=debug)
        try:
            self.attempt(loop.run_until_complete, coro)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def close_loops(self) -> None:
        for loop in self._loops:
            if not loop.is_closed():
                loop.close()
        self._loops.clear()


# What errors of TLS say besides their text.
_OF_TLS_ERRORS = ("errno", "library", "reason", "verify_code", "verify_message")


def shown(value: Any) -> Any:
    """A form of the value that can be compared between two runs."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, BaseException):
        chain = {
            name: shown(link)
            for name, link in (("cause", value.__cause__), ("context", value.__context__))
            if link is not None
        }
        if isinstance(value, ssl.SSLError):
            chain |= {name: getattr(value, name, None) for name in _OF_TLS_ERRORS}
        inner = [shown(item) for item in value.exceptions] if isinstance(value, BaseExceptionGroup) else []
        return (type(value).__name__, str(value), chain, inner)
    if isinstance(value, tuple | list):
        return type(value)(shown(item) for item in value)
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, type):
        return f"class {value.__name__}"
    return repr(value)


# What differs between two runs of the same program, or is a name that must differ.
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
_PLACE = re.compile(r" at (?:<frozen )?[^\s\[\]<>]*?(?:asyncio|roundelay)[^\s\[\]<>]*\.py>?:\d+")
_OWN_FILE = re.compile(r"\b(?:asyncio|roundelay)/\w+\.py$")
_CREATED = re.compile(r" created at [^\s\[\]<>]+:\d+")
_WHEN = re.compile(r" when=[\d.]+")
_SECONDS = re.compile(r"took \d+\.\d+ seconds")
_LOOP_CLASS = re.compile(r"\b_UnixSelectorEventLoop\b")
_MODULE = re.compile(r"<(?:_asyncio|roundelay)\.(?=\w+ object)")
_DESCRIPTOR = re.compile(r"\bfd=\d+")
_PROCESS = re.compile(r"\b(pid[= ]|Process |subprocess )\d+")
_PORT = re.compile(r"(\b[lr]addr=\('[^']*', )\d+")
_TASK_NUMBER = re.compile(r"\bTask-(\d+)\b")


def comparable(records: list[Any]) -> list[Any]:
    """The records without addresses, and with tasks that have no name numbered by their first appearance."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"Task-#{numbers.setdefault(match[1], len(numbers) + 1)}"

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            value = _ADDRESS.sub("0x...", value)
            value = _MODULE.sub("<", value)
            value = _CREATED.sub(" created", value)
            value = _WHEN.sub(" when=...", value)
            value = _PLACE.sub("", value)
            value = _SECONDS.sub("took ... seconds", value)
            value = _LOOP_CLASS.sub("EventLoop", value)
            value = _DESCRIPTOR.sub("fd=N", value)
            value = _PROCESS.sub(r"\g<1>N", value)
            value = _PORT.sub(r"\1PORT", value)
            return _TASK_NUMBER.sub(number, value)
        if isinstance(value, tuple | list):
            return type(value)(plain(item) for item in value)
        if isinstance(value, dict):
            return {plain(key): plain(item) for key, item in value.items()}
        return value

    return [plain(record) for record in records]


@contextmanager
def _watched(witness: Witness) -> Iterator[None]:
    """Tells the witness of warnings, log records and exceptions that nobody can catch."""

    class LogHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # The traceback that follows the first line differs in asyncio's own frames.
            witness("log", record.levelname, record.getMessage())

    def showwarning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        # Where a coroutine was made follows in lines of its own, with frames of these helpers among them.
        lines = str(message).splitlines()
        witness("warning", category.__name__, lines[0], len(lines) > 1)

    def unraisablehook(unraisable: Any) -> None:
        witness("unraisable", unraisable.exc_value, unraisable.err_msg, unraisable.object is None)

    logger, log_handler = logging.getLogger("asyncio"), LogHandler()
    old_hook, old_propagate = sys.unraisablehook, logger.propagate
    logger.addHandler(log_handler)
    logger.propagate = False
    sys.unraisablehook = unraisablehook
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = showwarning
            yield
    finally:
        sys.unraisablehook = old_hook
        logger.propagate = old_propagate
        logger.removeHandler(log_handler)


def observe(program: Callable[..., Any], way: str, *args: Any) -> list[Any]:
    """Run the program in one way ("asyncio", "roundelay" or "installed") and return what was seen."""
    aio: ModuleType = roundelay if way == "roundelay" else asyncio
    witness = Witness(aio)
    # What earlier tests have left is none of this program's business.
    gc.collect()
    with ExitStack() as stack:
        stack.callback(gc.collect)
        if way == "installed":
            roundelay.install()
            stack.callback(roundelay.uninstall)
        # A loop that is run wrongly may leave its hooks behind (asyncio 3.13.0 does).
        stack.callback(sys.set_asyncgen_hooks, *sys.get_asyncgen_hooks())
        stack.enter_context(_watched(witness))
        # In a context of its own, so that no run sees what another has set.
        contextvars.copy_context().run(program, aio, witness, *args)
        witness.close_loops()
        gc.collect()
    return comparable(witness.records)


# A machine that stands still for some milliseconds brings timers of either loop together that are apart else.
# What the loops do differently is there each time.
ATTEMPTS = 3


def same_on_both(program: Callable[..., Any]) -> Callable[..., None]:
    """Make a test of a program: it must show something, and the same on stock asyncio and on roundelay."""

    def test(*args: Any, **kwargs: Any) -> None:
        # Parameters come by name from pytest; the program takes them in its own order.
        values = [kwargs[name] for name in names]
        expected = observe(program, "asyncio", *values)
        assert expected, "the program shows nothing, so there is nothing to compare"
        for way in OURS:
            found = observe(program, way, *values)
            for _ in range(ATTEMPTS - 1):
                if found == expected:
                    break
                expected, found = observe(program, "asyncio", *values), observe(program, way, *values)
            if found != expected:
                lines = difflib.unified_diff(
                    [str(record) for record in expected],
                    [str(record) for record in found],
                    "asyncio",
                    way,
                    lineterm="",
                )
                pytest.fail("\n".join(lines), pytrace=False)

    signature = inspect.signature(program)
    parameters = list(signature.parameters.values())[2:]
    names = [parameter.name for parameter in parameters]
    test.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(test, name, getattr(program, name))
    return test
