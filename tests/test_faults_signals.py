"""Signals during every kind of wait: they are served at once, and what waits goes on waiting or ends in
order."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.waits import WAITS, and_then

each_wait = pytest.mark.parametrize("name", WAITS)

# To whichever thread the system chooses, or to the very thread that waits.
TO = {
    "process": lambda number: os.kill(os.getpid(), number),
    "thread": lambda number: signal.pthread_kill(threading.main_thread().ident, number),
}
each_way = pytest.mark.parametrize("to", TO)


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Sender:
    """Sends a signal a moment after it was told that the loop is about to wait."""

    def __init__(self, to: str, number: int) -> None:
        self.send: Callable[[], None] = lambda: TO[to](number)
        self.timers: list[threading.Timer] = []

    def soon(self) -> None:
        self.timers.append(threading.Timer(0.05, self.send))
        self.timers[-1].start()

    def end(self) -> None:
        for timer in self.timers:
            timer.join()


@contextlib.contextmanager
def sending(to: str, number: int) -> Iterator[Sender]:
    sender = Sender(to, number)
    try:
        yield sender
    finally:
        sender.end()


def listen(aio: ModuleType, loop: asyncio.AbstractEventLoop) -> None:
    """asyncio misses a signal that comes between its last look and its wait, unless the loop has a handler
    for any signal at all, and with it a wakeup descriptor. Ours always has one."""
    if aio is asyncio:
        loop.add_signal_handler(signal.SIGUSR2, lambda: None)


@each_way
@each_wait
@same_on_both
def test_a_handler_of_the_loop_cancels_what_waits(aio: ModuleType, see: Witness, name: str, to: str) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with sending(to, signal.SIGUSR1) as sender:
            task = aio.ensure_future(and_then(aio, name, sender.soon))

            def handler() -> None:
                see("handler", signal.SIGUSR1.name)
                task.cancel("by a signal")

            loop.add_signal_handler(signal.SIGUSR1, handler)
            await see.attempt_await(task)
            loop.remove_signal_handler(signal.SIGUSR1)

    see.run(main())


@each_way
@each_wait
@same_on_both
def test_a_python_handler_cancels_what_waits(aio: ModuleType, see: Witness, name: str, to: str) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with sending(to, signal.SIGUSR1) as sender:
            task = aio.ensure_future(and_then(aio, name, sender.soon))

            def handler(number: int, frame: Any) -> None:
                see("handler", number)
                loop.call_soon_threadsafe(task.cancel, "by a signal")

            signal.signal(signal.SIGUSR1, handler)
            listen(aio, loop)
            await see.attempt_await(task)

    see.run(main())


@each_wait
def test_what_a_python_handler_does_is_noticed(name: str) -> None:
    # asyncio goes on waiting unless the handler calls call_soon_threadsafe().
    async def main() -> None:
        with sending("process", signal.SIGUSR1) as sender:
            task = roundelay.ensure_future(and_then(roundelay, name, sender.soon))
            signal.signal(signal.SIGUSR1, lambda *_: task.cancel())
            with pytest.raises(asyncio.CancelledError):
                await task

    roundelay.run(main())


@each_wait
@same_on_both
def test_a_signal_that_does_nothing(aio: ModuleType, see: Witness, name: str) -> None:
    # Three of them, and what waits has noticed nothing.
    async def main() -> None:
        loop = aio.get_running_loop()
        served = aio.Event()
        listen(aio, loop)
        with sending("thread", signal.SIGUSR1) as sender:
            task = aio.ensure_future(and_then(aio, name))
            signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(served.set))
            for number in range(3):
                served.clear()
                sender.soon()
                await served.wait()
                see("served", number, task.done())
            task.cancel()
            await see.attempt_await(task)

    see.run(main())


@each_way
@each_wait
@same_on_both
def test_a_handler_that_raises_ends_the_run_and_not_the_wait(
    aio: ModuleType, see: Witness, name: str, to: str
) -> None:
    def handler(number: int, frame: Any) -> None:
        raise RuntimeError("from the handler")

    signal.signal(signal.SIGUSR1, handler)
    loop = see.new_loop()
    listen(aio, loop)
    with sending(to, signal.SIGUSR1) as sender:
        task = loop.create_task(and_then(aio, name, sender.soon))
        see.attempt(loop.run_until_complete, task)
        see("still waits", not task.done())
    task.cancel()
    see.attempt(loop.run_until_complete, task)
    loop.run_until_complete(loop.shutdown_default_executor())


@each_way
@each_wait
@same_on_both
def test_ctrl_c_cancels_the_main_task(aio: ModuleType, see: Witness, name: str, to: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with sending(to, signal.SIGINT) as sender:

        async def main() -> None:
            listen(aio, aio.get_running_loop())
            try:
                await and_then(aio, name, sender.soon)
            except asyncio.CancelledError as error:
                see("cancelled", error, aio.current_task().cancelling())
                await aio.sleep(0)
                see("cleaned up")
                raise
            finally:
                see("finally")

        see.attempt(aio.run, main())
        see("handler", signal.getsignal(signal.SIGINT) is signal.default_int_handler)


@same_on_both
def test_ctrl_c_that_the_main_task_survives(aio: ModuleType, see: Witness) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with sending("thread", signal.SIGINT) as sender:

        async def main() -> str:
            listen(aio, aio.get_running_loop())
            try:
                await and_then(aio, "sleep", sender.soon)
            except asyncio.CancelledError:
                see("cancelled")
            return "a result"

        see.attempt(aio.run, main())


@each_wait
@same_on_both
def test_ctrl_c_a_second_time(aio: ModuleType, see: Witness, name: str) -> None:
    # While the main task cleans up: then the run ends at once.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with sending("thread", signal.SIGINT) as sender:

        async def main() -> None:
            listen(aio, aio.get_running_loop())
            try:
                await and_then(aio, name, sender.soon)
            finally:
                see("cleans up")
                aio.get_running_loop().call_soon(sender.soon)
                try:
                    await aio.sleep(100)
                except asyncio.CancelledError:
                    see("cancelled while it cleans up")
                    raise

        see.attempt(aio.run, main())


@pytest.mark.parametrize("load", ["tasks", "callbacks", "timers"])
@same_on_both
def test_ctrl_c_while_the_loop_is_busy(aio: ModuleType, see: Witness, load: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with sending("process", signal.SIGINT) as sender:

        async def spin() -> None:
            while True:
                await aio.sleep(0)

        def again() -> None:
            loop = asyncio.get_running_loop()
            if load == "callbacks":
                loop.call_soon(again)
            else:
                loop.call_later(0, again)

        async def main() -> None:
            others = [aio.ensure_future(spin()) for _ in range(3)] if load == "tasks" else []
            if not others:
                again()
            sender.soon()
            try:
                await aio.sleep(100)
            except asyncio.CancelledError:
                see("cancelled")
                raise

        see.attempt(aio.run, main())


@pytest.mark.parametrize("aio", ["asyncio", "roundelay"])
def test_a_hundred_signals_at_once(aio: str) -> None:
    # Signals of one number may be merged by the system; each number arrives.
    command = [sys.executable, str(Path(__file__).parent / "support" / "many_signals.py"), aio]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\nTrue\n", "")
