"""Timeouts and cancellations that meet: whose it is decides what comes out."""

import asyncio
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import same_in_every_mixture, turns


async def _body(aio: Any, see: Any, delay: Any, timeouts: list[Any]) -> str:
    async with aio.timeout(delay) as timeout:
        timeouts.append(timeout)
        try:
            await aio.sleep(1000)
        finally:
            see("body ends", asyncio.current_task().cancelling(), timeout)
    return "result"


@pytest.mark.parametrize("delay", [None, 1000], ids=repr)
@pytest.mark.parametrize("moment", range(3))
@same_in_every_mixture
def test_cancelled_from_outside(aio: ModuleType, see: Witness, moment: int, delay: Any) -> None:
    async def main() -> None:
        timeouts: list[Any] = []
        task = aio.create_task(_body(aio, see, delay, timeouts), name="task")
        await turns(aio, moment)
        see(task.cancel("from outside"))
        await see.attempt_await(task)
        see(timeouts, task, task.cancelling())

    see.run(main())


@pytest.mark.parametrize("first", ["the timeout", "the cancellation"])
@pytest.mark.parametrize("between", range(3))
@same_in_every_mixture
def test_both_at_once(aio: ModuleType, see: Witness, between: int, first: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        timeouts: list[Any] = []
        task = aio.create_task(_body(aio, see, 1000, timeouts), name="task")
        await turns(aio)
        # The timeout's callback runs in the next turn.
        steps = {
            "the timeout": lambda: timeouts[0].reschedule(loop.time() - 1),
            "the cancellation": lambda: see(task.cancel("from outside")),
        }
        second = next(name for name in steps if name != first)
        steps[first]()
        await turns(aio, between)
        if not task.done():
            try:
                steps[second]()
            except RuntimeError as error:
                see(error)
        await see.attempt_await(task)
        see(timeouts, task.cancelling(), task.cancelled())

    see.run(main())


@pytest.mark.parametrize("times", [1, 2, 3])
@same_in_every_mixture
def test_counts_of_cancellations_come_out_even(aio: ModuleType, see: Witness, times: int) -> None:
    async def main() -> None:
        async def body() -> None:
            task = asyncio.current_task()
            for _ in range(times):
                task.cancel("before")
            try:
                await aio.sleep(0)
            except asyncio.CancelledError:
                see(task.cancelling())
            try:
                async with aio.timeout(0):
                    await aio.sleep(1000)
            except TimeoutError as error:
                see("timeout", error, task.cancelling())
            for _ in range(times):
                see(task.uncancel())
            async with aio.timeout(1000):
                await aio.sleep(0)
            see(task.cancelling())

        await see.attempt_await(aio.create_task(body(), name="body"))

    see.run(main())


@same_in_every_mixture
def test_uncancelled_within(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def body() -> None:
            task = asyncio.current_task()
            async with aio.timeout(0) as timeout:
                try:
                    await aio.sleep(1000)
                except asyncio.CancelledError:
                    see(task.cancelling(), task.uncancel())
                    raise
            see(timeout)

        await see.attempt_await(body())
        see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_cancelled_by_the_body_itself(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for delay in (None, 1000, 0):

            async def body(delay: Any = delay) -> None:
                async with aio.timeout(delay):
                    asyncio.current_task().cancel("by itself")
                    await aio.sleep(1000)

            task = aio.create_task(body(), name="body")
            await see.attempt_await(task)
            see(delay, task.cancelled(), task.cancelling())

    see.run(main())


@same_in_every_mixture
def test_cancelled_in_the_turn_of_the_end(aio: ModuleType, see: Witness) -> None:
    """The body is woken, and cancelled or out of time before it runs."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for then in ("cancel", "expire"):
            future = loop.create_future()
            timeouts: list[Any] = []

            async def body(future: Any = future, timeouts: Any = timeouts) -> Any:
                async with aio.timeout(1000) as timeout:
                    timeouts.append(timeout)
                    result = await future
                await aio.sleep(0)
                return result

            task = aio.create_task(body(), name="body")
            await turns(aio)
            future.set_result("result")
            if then == "cancel":
                task.cancel("too late")
            else:
                timeouts[0].reschedule(loop.time() - 1)
            await see.attempt_await(task)
            see(then, timeouts, task.cancelling())

    see.run(main())


@same_in_every_mixture
def test_a_timeout_around_tasks(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def child(name: str) -> None:
            try:
                await aio.sleep(1000)
            finally:
                see(name, "ends", asyncio.current_task().cancelling())

        async def with_group() -> None:
            async with aio.timeout(0.002):
                async with aio.TaskGroup() as group:
                    group.create_task(child("a"))

        async def within_group() -> None:
            async with aio.TaskGroup() as group:
                async with aio.timeout(0.002):
                    group.create_task(child("c"))
                    await aio.sleep(1000)

        await see.attempt_await(with_group())
        await see.attempt_await(within_group())
        await see.attempt_await(aio.wait_for(with_group(), 1000))
        see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_the_context_manager_used_by_hand(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        timeout = aio.timeout(1000)
        see(await timeout.__aenter__() is timeout)
        error = ValueError("told")
        see(await timeout.__aexit__(ValueError, error, None), timeout)
        timeout = aio.timeout(0)
        await timeout.__aenter__()
        try:
            await aio.sleep(1000)
        except asyncio.CancelledError as cancelled:
            await see.attempt_await(timeout.__aexit__(type(cancelled), cancelled, None))
        see(timeout, asyncio.current_task().cancelling())
        # An expired one that is told of no error.
        timeout = aio.timeout(0)
        await timeout.__aenter__()
        try:
            await aio.sleep(1000)
        except asyncio.CancelledError:
            await see.attempt_await(timeout.__aexit__(None, None, None))
        see(timeout, asyncio.current_task().cancelling())

    see.run(main())
