"""How programs end badly: generators left half way, executors busy, tasks pending, loops open."""

import asyncio
import concurrent.futures
import gc
import threading
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both


async def _numbers(aio: Any, see: Any, name: str, fails: bool = False) -> Any:
    try:
        for number in range(10):
            await aio.sleep(0)
            yield number
    finally:
        see(name, "ends")
        if fails:
            raise ValueError(f"{name} fails at the end")


@same_on_both
def test_generators_left_half_way_are_closed_by_the_loop(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for name, fails in (("first", False), ("second", True), ("third", False)):
            generator = _numbers(aio, see, name, fails)
            kept.append(generator)
            see(await anext(generator))

    kept: list[Any] = []
    loop = see.new_loop()
    loop.run_until_complete(main())
    see(len(loop._asyncgens))
    loop.run_until_complete(loop.shutdown_asyncgens())
    # They are closed in the order of a set, which is no order.
    see.records[4:] = sorted(see.records[4:], key=str)
    see("all closed", len(loop._asyncgens))


@same_on_both
def test_generators_that_are_forgotten_are_closed_soon(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async for number in _numbers(aio, see, "forgotten"):
            see(number)
            break
        gc.collect()
        for _ in range(4):
            await aio.sleep(0)
        see("main ends")

    see.run(main())


@same_on_both
def test_a_generator_begun_after_the_shutdown(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().shutdown_asyncgens()
        async for _ in _numbers(aio, see, "late"):
            break
        gc.collect()
        await aio.sleep(0)
        await aio.sleep(0)

    see.run(main())


@same_on_both
def test_what_run_does_with_what_is_left(aio: ModuleType, see: Witness) -> None:
    async def stubborn(name: str) -> None:
        try:
            await aio.sleep(1000)
        except asyncio.CancelledError as error:
            see(name, "is cancelled", error)
            raise ValueError(f"{name} fails while it is cancelled") from None

    async def obedient(name: str) -> None:
        try:
            await aio.sleep(1000)
        finally:
            see(name, "ends", asyncio.current_task().cancelling())  # type: ignore[union-attr]

    async def main() -> str:
        asyncio.get_running_loop().set_exception_handler(see.exception_handler)
        kept.extend(aio.create_task(work(work.__name__), name=work.__name__) for work in (stubborn, obedient))
        kept.append(_numbers(aio, see, "generator"))
        await anext(kept[-1])
        return "result"

    kept: list[Any] = []
    see(aio.run(main()))
    see(kept[:2])
    # run() cancels what is left in the order of a set, which is no order.
    see.records.sort(key=str)


@pytest.mark.parametrize(
    "error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit]
)
@same_on_both
def test_what_comes_out_of_run(aio: ModuleType, see: Witness, error: Any) -> None:
    async def main() -> None:
        await aio.sleep(0)
        raise error("from main")

    see.attempt(aio.run, main())


@same_on_both
def test_main_cancels_itself(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        asyncio.current_task().cancel("enough")  # type: ignore[union-attr]
        await aio.sleep(0)

    see.attempt(aio.run, main())


@same_on_both
def test_the_default_executor_is_shut_down(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        see(await loop.run_in_executor(None, threading.current_thread().name.__len__) > 0)
        await loop.shutdown_default_executor()
        await see.attempt_await(loop.shutdown_default_executor())
        see.attempt(loop.run_in_executor, None, print)

    see.run(main())


@same_on_both
def test_executors_of_the_wrong_kind(aio: ModuleType, see: Witness) -> None:
    async def coroutine_function() -> None:
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        see.attempt(loop.set_default_executor, None)
        see.attempt(loop.set_default_executor, object())
        see.attempt(loop.run_in_executor, object(), print)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            loop.set_default_executor(pool)
            see(await loop.run_in_executor(None, int, "3"))
            await see.attempt_await(loop.run_in_executor(None, int, "x"))
        await see.attempt_await(asyncio.to_thread(int, "y"))

    see.run(main())
    loop = see.new_loop(debug=True)

    async def in_debug_mode() -> None:
        see.attempt(loop.run_in_executor, None, coroutine_function)
        coro = coroutine_function()
        see.attempt(loop.run_in_executor, None, coro)
        coro.close()

    loop.run_until_complete(in_debug_mode())


@same_on_both
def test_waiting_for_a_thread_is_cancelled(aio: ModuleType, see: Witness) -> None:
    release = threading.Event()

    async def main() -> None:
        future = asyncio.get_running_loop().run_in_executor(None, release.wait, 10)
        task = aio.create_task(asyncio.wait_for(future, 0.001), name="waits")
        await see.attempt_await(task)
        see(future.cancelled())
        release.set()
        await asyncio.get_running_loop().shutdown_default_executor()

    see.run(main())


@same_on_both
def test_a_thread_that_ends_after_its_loop(aio: ModuleType, see: Witness) -> None:
    release, released = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(10)

    loop = see.new_loop()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = loop.run_in_executor(pool, work)
        loop.run_until_complete(aio.sleep(0))
        loop.close()
        release.set()
        pool.submit(released.set).result(10)
    see(released.is_set(), future.done())


@same_on_both
def test_runners_used_wrongly(aio: ModuleType, see: Witness) -> None:
    async def nothing() -> str:
        return "ran"

    runner = aio.Runner()
    see.attempt(runner.run, 1)
    see.attempt(runner.run, nothing)
    see(runner.run(nothing()), runner.run(nothing()))
    loop = runner.get_loop()
    runner.close()
    see(loop.is_closed())
    see.attempt(runner.close)
    coro = nothing()
    see.attempt(runner.run, coro)
    coro.close()
    see.attempt(runner.get_loop)
    see.attempt(runner.__enter__)


@same_on_both
def test_a_loop_closed_inside_run(aio: ModuleType, see: Witness) -> None:
    async def main() -> str:
        see.attempt(asyncio.get_running_loop().close)
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
        await aio.sleep(0)
        await aio.sleep(0)
        return "never"

    with aio.Runner() as runner:
        see.attempt(runner.run, main())
