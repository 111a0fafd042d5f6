"""to_thread() and run_coroutine_threadsafe(): between the loop's thread and others."""

import asyncio
import concurrent.futures
import contextvars
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import forever, same_in_real_time, turns

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

# What a thread waits for takes no time; nobody waits longer than this.
PATIENCE = 20


async def close_executor() -> None:
    await asyncio.get_running_loop().shutdown_default_executor()


@same_in_real_time
def test_functions_run_in_another_thread(aio: ModuleType, see: Witness) -> None:
    def work(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs, threading.current_thread() is threading.main_thread()

    def fails() -> None:
        raise ValueError("in the thread")

    async def main() -> None:
        see(await aio.to_thread(work))
        see(await aio.to_thread(work, 1, "two", three=3, func=4, loop=5))
        await see.attempt_await(aio.to_thread(fails))
        await see.attempt_await(aio.to_thread(len))
        await see.attempt_await(aio.to_thread(1))
        see.attempt(aio.to_thread)
        see(await aio.gather(*(aio.to_thread(str, number) for number in range(10))))
        await close_executor()

    see.run(main())


@same_in_real_time
def test_the_context_goes_along(aio: ModuleType, see: Witness) -> None:
    def work() -> str:
        before = VARIABLE.get()
        VARIABLE.set("set in the thread")
        return before

    async def main() -> None:
        VARIABLE.set("set outside")
        see(await aio.to_thread(work), VARIABLE.get())
        coro = aio.to_thread(work)
        # The context is that of the time when it is awaited first, not that of the call.
        VARIABLE.set("set later")
        see(await coro)
        await close_executor()

    see.run(main())


@same_in_real_time
def test_cancelled_while_the_thread_works(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        begun, go_on = threading.Event(), threading.Event()

        def work() -> str:
            begun.set()
            assert go_on.wait(PATIENCE)
            return "done none the less"

        task = aio.create_task(aio.to_thread(work), name="task")
        while not begun.is_set():
            await aio.sleep(0.001)
        task.cancel("enough")
        await see.attempt_await(task)
        go_on.set()
        await close_executor()

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="older asyncio never ends then")
@same_in_real_time
def test_errors_that_a_future_cannot_carry(aio: ModuleType, see: Witness) -> None:
    def stop() -> None:
        raise StopIteration(1)

    async def main() -> None:
        await see.attempt_await(aio.to_thread(stop))
        await close_executor()

    see.run(main())


@same_in_real_time
def test_without_a_loop(aio: ModuleType, see: Witness) -> None:
    coro = aio.to_thread(print)
    see.attempt(coro.send, None)
    coro.close()


def in_a_thread(function: Callable[..., Any], *args: Any) -> tuple[threading.Thread, list[Any]]:
    """Run a function in a thread; the list gets what it returns or raises."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(function(*args))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


async def joined(aio: Any, thread: threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive():
        assert time.monotonic() < deadline
        await aio.sleep(0.001)
    thread.join()


@same_in_real_time
def test_coroutines_run_for_another_thread(aio: ModuleType, see: Witness) -> None:
    async def work(result: Any) -> Any:
        await turns(aio, 2)
        if isinstance(result, BaseException):
            raise result
        return result, threading.current_thread() is threading.main_thread()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def ask() -> None:
            for result in ("result", ValueError("wrong"), asyncio.CancelledError("by itself"), KeyError("k")):
                future = aio.run_coroutine_threadsafe(work(result), loop)
                see(type(future).__module__, type(future).__name__)
                see.attempt(future.result, PATIENCE)
                see(future.done(), future.cancelled())

        thread, outcome = in_a_thread(ask)
        await joined(aio, thread)
        see(outcome)

    see.run(main())


@same_in_real_time
def test_awaitables_of_every_kind(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        lock, queue = aio.Lock(), aio.Queue()
        queue.put_nowait("item")
        event = aio.Event()
        event.set()

        def ask() -> None:
            for make in (lock.acquire, queue.get, event.wait, lambda: aio.sleep(0, "slept")):
                see.attempt(aio.run_coroutine_threadsafe(make(), loop).result, PATIENCE)

        thread, outcome = in_a_thread(ask)
        await joined(aio, thread)
        see(outcome, lock.locked())

    see.run(main())


@same_in_real_time
def test_cancelled_by_the_other_thread(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun = threading.Event()
        caught: list[Any] = []
        ended = asyncio.get_running_loop().create_future()

        async def work() -> None:
            begun.set()
            try:
                await aio.sleep(1000)
            except asyncio.CancelledError as error:
                caught.append(error)
                ended.set_result(None)
                raise

        def ask() -> Any:
            future = aio.run_coroutine_threadsafe(work(), loop)
            assert begun.wait(PATIENCE)
            with pytest.raises(concurrent.futures.TimeoutError):
                future.result(0.001)
            see(future.cancel(), future.cancelled())
            see.attempt(future.result, PATIENCE)

        thread, outcome = in_a_thread(ask)
        await ended
        await joined(aio, thread)
        see(outcome, caught)

    see.run(main())


@same_in_real_time
def test_cancelled_by_the_loop(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks: list[Any] = []

        async def work() -> None:
            tasks.append(asyncio.current_task())
            await forever(aio)

        def ask() -> None:
            future = aio.run_coroutine_threadsafe(work(), loop)
            see.attempt(future.result, PATIENCE)
            see(future.cancelled())

        thread, outcome = in_a_thread(ask)
        while not tasks:
            await aio.sleep(0.001)
        tasks[0].cancel("by the loop")
        await joined(aio, thread)
        see(outcome)

    see.run(main())


@same_in_real_time
def test_asked_for_by_the_loops_own_thread(aio: ModuleType, see: Witness) -> None:
    async def work() -> str:
        return "result"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = aio.run_coroutine_threadsafe(work(), loop)
        see(future.done())
        see(await asyncio.wrap_future(future))

        # Cancelled before the loop has come to it.
        future = aio.run_coroutine_threadsafe(work(), loop)
        see(future.cancel())
        await turns(aio, 4)
        see(future.cancelled(), future.done())

    see.run(main())


@same_in_real_time
def test_a_loop_that_cannot_make_the_task(aio: ModuleType, see: Witness) -> None:
    async def work() -> None:
        pass

    coro = work()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
            coro.close()
            raise RuntimeError("no tasks today")

        future = aio.run_coroutine_threadsafe(coro, loop)
        loop.set_task_factory(factory)
        await aio.sleep(0)
        loop.set_task_factory(None)
        await see.attempt_await(asyncio.wrap_future(future))

    see.run(main())


@same_in_real_time
def test_what_is_refused(aio: ModuleType, see: Witness) -> None:
    async def work() -> None:
        pass

    loop = see.new_loop()
    for thing in (1, None, work, loop.create_future()):
        see.attempt(aio.run_coroutine_threadsafe, thing, loop)
    coro = work()
    see.attempt(aio.run_coroutine_threadsafe)
    see.attempt(aio.run_coroutine_threadsafe, coro)
    see.attempt(aio.run_coroutine_threadsafe, coro, loop, 1)
    loop.close()
    see.attempt(aio.run_coroutine_threadsafe, coro, loop)
    coro.close()
