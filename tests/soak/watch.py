"""Hears everything that goes wrong without an exception reaching anybody, and runs a program on a loop."""

import asyncio
import gc
import logging
import sys
import traceback
import warnings
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

THREADS = 4
MOST = 20
"""Complaints that are kept; one that is made a thousand times is understood before."""


class Watch(logging.Handler):
    """Collects complaints: warnings, log records, calls of the exception handler, lost exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found: list[str] = []

    def __enter__(self) -> Self:
        warnings.simplefilter("always")
        warnings.showwarning = self._warning
        sys.unraisablehook = self._unraisable
        logging.getLogger("asyncio").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("asyncio").removeHandler(self)
        sys.unraisablehook = sys.__unraisablehook__

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of what the loop reports, and start all threads of its executor, which then stay."""
        loop.set_exception_handler(self._handler)
        executor = ThreadPoolExecutor(THREADS)
        loop.set_default_executor(executor)

    def complain(self, text: str) -> None:
        if len(self._found) < MOST:
            self._found.append(text)

    def taken(self) -> list[str]:
        """The complaints since this was called last."""
        gc.collect()
        found, self._found = self._found, []
        return found

    def emit(self, record: logging.LogRecord) -> None:
        self.complain(f"log: {record.getMessage()}")

    def _warning(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        self.complain(f"{category.__name__}: {message}")

    def _unraisable(self, unraisable: Any) -> None:
        self.complain(f"unraisable: {unraisable.exc_value!r} in {unraisable.object!r}")

    def _handler(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        lines = traceback.format_exception(error)[-3:] if error else []
        self.complain(f"{context['message']}: {error!r}\n{''.join(lines)}".rstrip())

    def run(self, program: Coroutine[Any, Any, Any], loop: str) -> Any:
        """Run it on "roundelay" or on "asyncio"."""
        if loop == "roundelay":
            import roundelay

            roundelay.install()
        return asyncio.run(program)
