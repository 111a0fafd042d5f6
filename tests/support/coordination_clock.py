"""Loops whose clock stands still while anything is ready, and then jumps: time without waiting or luck."""

import asyncio
import selectors
from typing import Any

import roundelay


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting until a timer is due, it moves the clock there."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        # Without a timer only another thread or a descriptor can end the wait, and that takes real time.
        if timeout is not None and timeout > 0:
            self.now += timeout
            timeout = 0
        return super().select(timeout)


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop under a virtual clock. (It is named as ours is, for the reprs that show it.)"""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        return self._jumping_selector.now


def native_loop() -> Any:
    return roundelay.EventLoop(clock="virtual")
