"""Puts roundelay where CPython's test modules look for asyncio's own classes and loops.

Everything here happens inside a worker process that runs one module in one variant.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from names import Names
from plan import Variant

CHILD_SITE = Path(__file__).with_name("child_site")
"""Holds the `sitecustomize` of processes that a test starts and then looks into."""


class Stage:
    """The process in which the tests of one variant run."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.names = Names()
        self.policy: Any = None

    def prepare(self, module: str) -> None:
        """Makes the variant active. Must run before the test module is imported."""
        if self.variant.is_stock:
            return
        if module == "test.test_external_inspection":
            inherited = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHILD_SITE), inherited]))
            os.environ["ROUNDELAY_TEST_NAMES"] = self.variant.names
        # Taken before install() puts its own policy there.
        stock_policy = _current_policy()
        import roundelay

        if self.variant.names == "roundelay":
            roundelay.install()
        _set_policy(roundelay.EventLoopPolicy() if self.variant.loop == "roundelay" else stock_policy)
        self.policy = _current_policy()
        # Only here: imported before asyncio is, `_asyncio` leaves asyncio without its C classes.
        import _asyncio

        providers = {"roundelay": roundelay, "asyncio": _asyncio}
        asyncio.tasks._CTask = providers[self.variant.task].Task
        asyncio.futures._CFuture = providers[self.variant.future].Future
        _use_public_calls_only()
        if self.variant.loop == "roundelay":
            _bring_own_loop(roundelay.EventLoop)
            # Our loop makes connections of this class; test_sslproto makes some of its own.
            asyncio.sslproto.SSLProtocol = roundelay._core.SSLProtocol

    def before_each_test(self) -> None:
        """Some modules reset asyncio's policy after each test, which takes our loop out again."""
        if self.policy is not None and _current_policy() is not self.policy:
            _set_policy(self.policy)

    def adapt(self, module: Any) -> None:
        """Rewrites helpers of the loaded module that reach into a loop's private queue.

        Also makes sure that what the module found when it was imported is what the variant promises.
        """
        if self.variant.is_stock:
            return
        self.names.check(module, self.variant.names)
        gather_base = getattr(module, "GatherTestsBase", None)
        if gather_base is not None and self.variant.loop == "roundelay":
            gather_base._run_loop = _run_until_quiet


def _current_policy() -> Any:
    # The name without the underscore warns since 3.14; the other one is new there.
    getter = getattr(asyncio.events, "_get_event_loop_policy", None)
    return (getter or asyncio.get_event_loop_policy)()


def _set_policy(policy: Any) -> None:
    setter = getattr(asyncio.events, "_set_event_loop_policy", None)
    (setter or asyncio.set_event_loop_policy)(policy)


def _use_public_calls_only() -> None:
    """CPython's helper closes a loop by way of its private `_default_executor`."""
    from test.test_asyncio import utils

    original = utils.TestCase.close_loop

    def close_loop(loop: Any) -> None:
        if hasattr(loop, "_default_executor"):
            original(loop)
            return
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    utils.TestCase.close_loop = staticmethod(close_loop)


def _bring_own_loop(event_loop: type) -> None:
    """Tests that make a loop of their own get one of ours.

    A test that passes a generator of clock readings keeps CPython's `TestLoop`: the generator
    is resumed from inside that loop's `_run_once`, so the two cannot be told apart.
    """
    from test.test_asyncio import utils

    test_loop = utils.TestLoop

    class Loop(event_loop):  # type: ignore[misc]
        """Tests hang mocks and notes on their loops, so it must take attributes."""

        def __init__(self, selector: Any = None) -> None:
            """Tests of sockets run once with each kind of selector; ours is none of them."""
            if selector is not None:
                selector.close()
            super().__init__()

    def new_test_loop(self: Any, gen: Any = None) -> Any:
        loop = Loop() if gen is None else test_loop(gen)
        self.set_event_loop(loop)
        return loop

    utils.TestCase.new_test_loop = new_test_loop
    # test_runners and test_pep492 build `asyncio.BaseEventLoop()` and mock its selector.
    asyncio.BaseEventLoop = Loop
    # Tests of sockets build this one.
    asyncio.SelectorEventLoop = Loop
    # A name that install() leaves alone; since 3.13 there, and test_taskgroups makes its loops from it.
    if hasattr(asyncio, "EventLoop"):
        asyncio.EventLoop = Loop


def _run_until_quiet(self: Any, loop: Any) -> None:
    """Stands for `while loop._ready: run_briefly(loop)` without looking into the loop.

    A callback that a test schedules can schedule one more, and gather's children add one turn;
    ten turns are more than any of these tests needs.
    """
    from test.test_asyncio import utils

    for _ in range(10):
        utils.run_briefly(loop)
