"""On what a program runs: stock asyncio under a virtual clock of its own, and roundelay in every mixture with
it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import selectors
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import roundelay
from support.coordination import MIXTURES

from .machine import InlineExecutor, Machine, comparable
from .program import Program


class _VirtualSelector(selectors.DefaultSelector):
    """Moves its loop's clock on instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen again: the machine's guard is gone"
        if timeout > 0:
            self.now += timeout
        return []


class StockLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop under a virtual clock: time jumps to the next timer when nothing is ready."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def native_loop() -> Any:
    return roundelay.EventLoop(clock="virtual")


@dataclass(frozen=True)
class Way:
    """One way to run a program: whose names it uses, on which loop."""

    name: str
    aio: Any
    make_loop: Callable[[], Any]
    installed: bool = False


STOCK = Way("asyncio", asyncio, StockLoop)
OURS = Way("roundelay", roundelay, native_loop)
OTHERS = (
    Way("installed", asyncio, native_loop, installed=True),
    Way("native on stock", MIXTURES["native on stock"], StockLoop),
    Way("stock on native", MIXTURES["stock on native"], native_loop),
)


def _python_factory(task_class: Any) -> Callable[..., Any]:
    def make_task(loop: Any, coro: Any, **options: Any) -> Any:
        return task_class(coro, loop=loop, **options)

    return make_task


@contextmanager
def quiet() -> Iterator[None]:
    """Programs forget coroutines and lose exceptions; the trace tells.

    The collector runs between programs only, because what it finds when is no promise of anybody's.
    """
    logging.disable()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if was_enabled:
            gc.enable()
        logging.disable(logging.NOTSET)


def _run_to_the_end(machine: Machine, task: Any) -> None:
    """Run the loop until the task is done, also after a SystemExit, which ends the loop's run."""
    while True:
        try:
            machine.loop.run_until_complete(task)
            return
        except SystemExit as error:
            machine.note("the loop stops with", error)


def _run(program: Program, way: Way) -> Machine:
    loop = way.make_loop()
    machine = Machine(way.aio, loop, program)
    loop.set_exception_handler(machine.report)
    loop.set_default_executor(InlineExecutor())
    if program.tasks == "factory":
        loop.set_task_factory(_python_factory(way.aio.Task))
    elif program.tasks == "derived":
        loop.set_task_factory(_python_factory(type("Task", (way.aio.Task,), {})))
    elif program.tasks == "eager":
        loop.set_task_factory(way.aio.eager_task_factory)
    try:
        _run_to_the_end(machine, loop.create_task(machine.main()))
        _run_to_the_end(machine, loop.create_task(loop.shutdown_asyncgens()))
    except RuntimeError as error:
        machine.note("the run ends with", error)
    finally:
        loop.close()
    return machine


def run(program: Program, way: Way) -> list[str]:
    """The trace of the program, run in one way. To be called inside of `quiet()`."""
    gc.collect(1)
    hooks = sys.get_asyncgen_hooks()
    if way.installed:
        roundelay.install()
    try:
        # In a context of its own, so that no run sees what another has set.
        machine = contextvars.Context().run(_run, program, way)
        machine.forget()
        gc.collect(1)
        return comparable([*machine.trace, *sorted(machine.reports)])
    finally:
        if way.installed:
            roundelay.uninstall()
        sys.set_asyncgen_hooks(*hooks)


def differing(program: Program, reference: Way, ways: tuple[Way, ...]) -> Way | None:
    """The first way in which the program takes another course than on the reference."""
    try:
        expected = run(program, reference)
        for way in ways:
            if run(program, way) != expected:
                return way
    except BaseException as error:
        # The time limit, for one.
        error.add_note(f"while this program ran:\n\n{program.source()}\n\n{program!r}")
        raise
    return None
