"""wait_for(): timeouts of every kind, and every race between the end, the timeout and a cancellation."""

import asyncio
import contextvars
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, forever, same_in_every_mixture, turns

TIMEOUTS = {
    "None": None,
    "0": 0,
    "0.0": 0.0,
    "-1": -1,
    "False": False,
    "0.02": 0.02,
    "1000": 1000,
    "inf": 1e300,
}
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def _work(aio: Any, turns_left: int, result: Any = "result") -> Any:
    await turns(aio, turns_left)
    if isinstance(result, BaseException):
        raise result
    return result


@pytest.mark.parametrize("turns_left", [0, 1, 3])
@pytest.mark.parametrize("timeout", TIMEOUTS)
@same_in_every_mixture
def test_something_quick(aio: ModuleType, see: Witness, timeout: str, turns_left: int) -> None:
    async def main() -> None:
        for result in (
            "result",
            ValueError("wrong"),
            TimeoutError("its own"),
            asyncio.CancelledError("its own"),
        ):
            await see.attempt_await(aio.wait_for(_work(aio, turns_left, result), TIMEOUTS[timeout]))
            task = aio.create_task(_work(aio, turns_left, result), name="task")
            await see.attempt_await(aio.wait_for(task, timeout=TIMEOUTS[timeout]))
            see(task.result(), task.cancelling(), asyncio.current_task().cancelling())

    see.run(main())


@pytest.mark.parametrize("timeout", ["0", "-1", "0.02"])
@pytest.mark.parametrize("kind", ["coroutine", "task", "future", "gather", "shield"])
@same_in_every_mixture
def test_something_that_never_ends(aio: ModuleType, see: Witness, kind: str, timeout: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        thing = {
            "coroutine": lambda: forever(aio),
            "task": lambda: aio.create_task(forever(aio), name="task"),
            "future": lambda: future,
            "gather": lambda: aio.gather(future, forever(aio)),
            "shield": lambda: aio.shield(future),
        }[kind]()
        await see.attempt_await(aio.wait_for(thing, TIMEOUTS[timeout]))
        if kind != "coroutine":
            see(thing)
        see(future, asyncio.current_task().cancelling())
        await turns(aio, 2)
        see(future)

    see.run(main())


@same_in_every_mixture
def test_done_already(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for timeout in TIMEOUTS.values():
            for end in ("set_result", "set_exception", "cancel"):
                future = loop.create_future()
                getattr(future, end)({"set_result": 1, "set_exception": KeyError("k"), "cancel": "c"}[end])
                ran: list[str] = []
                loop.call_soon(ran.append, "another ran")
                await see.attempt_await(aio.wait_for(future, timeout))
                see(ran)
                await turns(aio)

    see.run(main())


@pytest.mark.parametrize("ends", ["returns", "fails", "is slow to end", "waits on"])
@pytest.mark.parametrize("timeout", ["0", "0.02"])
@same_in_every_mixture
def test_something_that_resists_the_timeout(aio: ModuleType, see: Witness, timeout: str, ends: str) -> None:
    async def main() -> None:
        async def resists() -> str:
            try:
                await aio.sleep(1000)
            except asyncio.CancelledError:
                see("cancelled", asyncio.current_task().cancelling())
                if ends == "fails":
                    raise ValueError("instead of ending") from None
                if ends == "is slow to end":
                    await aio.sleep(0.001)
                    raise
                if ends == "waits on":
                    await turns(aio, 3)
            return "a result"

        task = aio.create_task(resists(), name="resists")
        await turns(aio)
        await see.attempt_await(aio.wait_for(task, TIMEOUTS[timeout]))
        see(task)
        await see.attempt_await(aio.wait_for(resists(), TIMEOUTS[timeout]))
        see(asyncio.current_task().cancelling())

    see.run(main())


@pytest.mark.parametrize(
    "order", ["result, cancel", "cancel, result", "cancel, turn, result", "result, turn, cancel"]
)
@pytest.mark.parametrize("timeout", ["None", "1000"])
@same_in_every_mixture
def test_a_result_and_a_cancellation_at_once(aio: ModuleType, see: Witness, timeout: str, order: str) -> None:
    async def main() -> None:
        for make in ("future", "task", "coroutine"):
            future = asyncio.get_running_loop().create_future()

            async def wait(future: Any = future) -> Any:
                try:
                    return await future
                finally:
                    see("inner ends")

            thing = future if make == "future" else wait()
            if make == "task":
                thing = aio.create_task(thing)
            cast = Cast(aio)
            cast.start("waits", lambda thing=thing: aio.wait_for(thing, TIMEOUTS[timeout]))
            await turns(aio, 3)
            for step in order.split(", "):
                if step == "result" and not future.done():
                    future.set_result("result")
                elif step == "cancel":
                    cast.cancel("waits")
                else:
                    await turns(aio)
            await cast.end()
            see(make, cast.trace, future, cast.tasks["waits"].cancelling())

    see.run(main())


@same_in_every_mixture
def test_the_inner_task_is_cancelled_by_others(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for timeout in (None, 1000):
            task = aio.create_task(forever(aio), name="task")
            asyncio.get_running_loop().call_soon(task.cancel, "by others")
            await see.attempt_await(aio.wait_for(task, timeout))
            see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_cancelled_before_it_begins(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for timeout in (None, 0, 1000):
            ran: list[str] = []

            async def work(ran: list[str] = ran) -> str:
                ran.append("ran")
                await aio.sleep(0)
                return "result"

            async def outer(timeout: Any = timeout, work: Any = work) -> Any:
                asyncio.current_task().cancel("before")
                return await aio.wait_for(work(), timeout)

            task = aio.create_task(outer(), name="outer")
            await see.attempt_await(task)
            see(ran, task.cancelling())
            task = aio.create_task(outer(), name="never began")
            task.cancel()
            await see.attempt_await(task)

    see.run(main())


@same_in_every_mixture
def test_nested(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        await see.attempt_await(aio.wait_for(aio.wait_for(forever(aio), 0.02), 1000))
        await see.attempt_await(aio.wait_for(aio.wait_for(forever(aio), 1000), 0.02))
        see(await aio.wait_for(aio.wait_for(_work(aio, 2), 1000), 1000))
        # Never begun. Closed, because the moment at which it would be found unawaited is not asyncio's: the
        # traceback of the error has no frames of wait_for here, which would hold it.
        never_begun = forever(aio)
        await see.attempt_await(aio.wait_for(aio.wait_for(never_begun, 0), 0))
        never_begun.close()

        async def within_a_timeout() -> None:
            async with aio.timeout(0.02):
                await aio.wait_for(forever(aio), 1000)

        await see.attempt_await(within_a_timeout())
        see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_in_which_task_and_context_the_awaited_runs(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        outer = asyncio.current_task()

        async def work() -> bool:
            VARIABLE.set("set within")
            return asyncio.current_task() is outer

        for timeout in (None, 1000, 0):
            VARIABLE.set("set outside")
            await see.attempt_await(aio.wait_for(work(), timeout))
            see(VARIABLE.get())

    see.run(main())


@same_in_every_mixture
def test_what_is_refused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        for timeout in (None, 1000, 0):
            for thing in (1, None, "text", [future], object()):
                # Where asyncio awaits the thing itself, the interpreter says what it thinks of it.
                try:
                    await aio.wait_for(thing, timeout)
                except TypeError as error:
                    see("refused", type(error).__name__)
        for timeout in ("1", [], object()):
            try:
                await aio.wait_for(future, timeout)
            except TypeError as error:
                see("refused", type(error).__name__)
        see(future)
        see.attempt(aio.wait_for)
        see.attempt(lambda: aio.wait_for(future))
        see.attempt(lambda: aio.wait_for(future, 1, 2))
        see.attempt(lambda: aio.wait_for(future, 1, loop=None))

    see.run(main())


@same_in_every_mixture
def test_awaitables_of_any_class(aio: ModuleType, see: Witness) -> None:
    class Awaitable:
        def __await__(self) -> Any:
            yield from aio.sleep(0).__await__()
            return "awaited"

    class Endless:
        def __await__(self) -> Any:
            yield from aio.sleep(1000).__await__()

    async def main() -> None:
        for timeout in (None, 1000, 0):
            await see.attempt_await(aio.wait_for(Awaitable(), timeout))
        await see.attempt_await(aio.wait_for(Endless(), 0.02))

    see.run(main())


@same_in_every_mixture
def test_the_timer_does_not_outlive_the_wait(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        task = aio.create_task(aio.wait_for(_work(aio, 1), 0.02), name="task")
        see(await task)
        await aio.sleep(0.04)
        see(task.result(), task.cancelling(), asyncio.current_task().cancelling())
        # A later wait of the same task is not hit by an earlier one's timer.
        see(await aio.wait_for(_work(aio, 1), 0.03))
        await aio.sleep(0.06)
        see("not cancelled")

    see.run(main())


@same_in_every_mixture
def test_errors_that_end_the_program(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        class End(BaseException):
            pass

        await see.attempt_await(aio.wait_for(_work(aio, 1, End("the end")), None))

    see.run(main())


@same_in_every_mixture
def test_used_outside_of_a_task(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def drive() -> None:
        coro = aio.wait_for(loop.create_future(), 1000)
        see.attempt(coro.send, None)
        coro.close()

    drive()
    if sys.version_info >= (3, 12):
        loop.call_soon(drive)
        loop.call_soon(loop.stop)
        loop.run_forever()
