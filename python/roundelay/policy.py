"""An event loop policy, for programs and tools that still choose their loop by policy."""

from . import compat
from .loop import EventLoop

__all__ = ["EventLoopPolicy"]


class EventLoopPolicy(compat.policy_base()):  # type: ignore[misc]
    """asyncio's default policy, making roundelay's loops."""

    _loop_factory = EventLoop
