"""``run`` and ``Runner``: asyncio's, with roundelay's loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .loop import new_event_loop

__all__ = ["Runner", "run"]

_T = TypeVar("_T")


class Runner(asyncio.Runner):  # type: ignore[misc]  # final for type checkers only
    """``asyncio.Runner`` whose loop is roundelay's unless ``loop_factory`` says otherwise."""

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        super().__init__(debug=debug, loop_factory=loop_factory or new_event_loop)


def run(
    main: Coroutine[Any, Any, _T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> _T:
    """Run the coroutine on a new loop and return its result; like ``asyncio.run()``."""
    if asyncio.events._get_running_loop() is not None:
        # As asyncio.run() does, before the coroutine is touched.
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")
    with Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)
