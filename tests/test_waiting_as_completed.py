"""as_completed(), as a plain iterator of awaitables and, since 3.13, as an asynchronous one."""

import asyncio
import gc
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, forever, same_in_every_mixture, turns

with_async_for = pytest.mark.skipif(sys.version_info < (3, 13), reason="async for came with 3.13")


async def _work(aio: Any, turns_left: int, result: Any = None) -> Any:
    await turns(aio, turns_left)
    if isinstance(result, BaseException):
        raise result
    return turns_left if result is None else result


def _tasks(aio: Any, *turns_left: int) -> list[Any]:
    return [aio.create_task(_work(aio, count), name=f"task {count}") for count in turns_left]


@same_in_every_mixture
def test_results_come_as_they_are_completed(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for awaitable in aio.as_completed(_tasks(aio, 5, 1, 3)):
            see(aio.iscoroutine(awaitable), type(awaitable).__name__)
            see(await awaitable)
        see([await awaitable for awaitable in aio.as_completed({_work(aio, count) for count in (2, 1)})])

    see.run(main())


@with_async_for
@same_in_every_mixture
def test_results_come_as_they_are_completed_async(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        tasks = _tasks(aio, 5, 1, 3)
        async for task in aio.as_completed(tasks):
            see(task, task in tasks, await task)
        async for task in aio.as_completed([_work(aio, 2, "a coroutine")]):
            see(type(task).__name__, task.done(), task.result())
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "a future")
        async for done in aio.as_completed([future]):
            see(done is future, await done)

    see.run(main())


@same_in_every_mixture
def test_failures_and_cancellations_among_them(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        tasks = [
            aio.create_task(_work(aio, 1, ValueError("wrong")), name="fails"),
            aio.create_task(forever(aio), name="is cancelled"),
            aio.create_task(_work(aio, 4), name="returns"),
        ]
        asyncio.get_running_loop().call_soon(tasks[1].cancel)
        for awaitable in aio.as_completed(tasks):
            await see.attempt_await(awaitable)
        if sys.version_info >= (3, 13):
            # All are done by now, and come in no order.
            done = [task async for task in aio.as_completed(tasks)]
            see(sorted(task.get_name() for task in done), all(task.done() for task in done))

    see.run(main())


@pytest.mark.parametrize("timeout", [0.02, 0, -1, None, 1000], ids=repr)
@same_in_every_mixture
def test_timeouts(aio: ModuleType, see: Witness, timeout: Any) -> None:
    async def main() -> None:
        tasks = [*_tasks(aio, 1, 2), aio.create_task(forever(aio), name="slow")]
        if timeout is None or timeout == 1000:
            asyncio.get_running_loop().call_later(0.02, tasks[-1].cancel)
        for awaitable in aio.as_completed(tasks, timeout=timeout):
            await see.attempt_await(awaitable)
        # Nobody was cancelled by the timeout.
        see(tasks)
        for task in tasks:
            task.cancel()
        await aio.wait(tasks)

    see.run(main())


@with_async_for
@pytest.mark.parametrize("timeout", [0.02, 0, -1, None, 1000], ids=repr)
@same_in_every_mixture
def test_timeouts_async(aio: ModuleType, see: Witness, timeout: Any) -> None:
    async def main() -> None:
        tasks = [*_tasks(aio, 1, 2), aio.create_task(forever(aio), name="slow")]
        if timeout is None or timeout == 1000:
            asyncio.get_running_loop().call_later(0.02, tasks[-1].cancel)

        async def iterate() -> None:
            async for task in aio.as_completed(tasks, timeout=timeout):
                see(task)

        await see.attempt_await(iterate())
        see(tasks)
        for task in tasks:
            task.cancel()
        await aio.wait(tasks)

    see.run(main())


@same_in_every_mixture
def test_after_the_timeout(aio: ModuleType, see: Witness) -> None:
    """Who asks on after the timeout is told again, and what was done before it can still be had."""

    async def main() -> None:
        tasks = [*_tasks(aio, 1, 1), aio.create_task(forever(aio), name="slow")]
        awaitables = list(aio.as_completed(tasks, timeout=0.02))
        await aio.sleep(0.05)
        for awaitable in awaitables:
            await see.attempt_await(awaitable)
        tasks[2].cancel()
        await aio.wait(tasks)

    see.run(main())


@same_in_every_mixture
def test_an_iteration_that_stops_half_way(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        tasks = _tasks(aio, 1, 2, 3)
        iterator = iter(aio.as_completed(tasks))
        see(await next(iterator))
        del iterator
        gc.collect()
        await turns(aio, 4)
        see(tasks)
        iterator = iter(aio.as_completed(_tasks(aio, 1)))
        unawaited = next(iterator)
        see.attempt(next, iterator)
        see.attempt(next, iterator)
        del unawaited  # and a warning says so
        gc.collect()
        see(list(aio.as_completed([])), list(aio.as_completed(set())))

    see.run(main())


@same_in_every_mixture
def test_awaited_out_of_order_and_at_once(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        tasks = _tasks(aio, 3, 1, 2)
        awaitables = list(aio.as_completed(tasks))
        cast = Cast(aio)

        async def wait(awaitable: Any) -> Any:
            return await awaitable

        for number, awaitable in reversed(list(enumerate(awaitables))):
            cast.start(f"awaits {number}", lambda awaitable=awaitable: wait(awaitable))
        await turns(aio, 2)
        cast.cancel("awaits 1")
        await turns(aio, 5)
        see(cast.trace)
        await cast.end()
        await see.attempt_await(awaitables[0])

    see.run(main())


@with_async_for
@same_in_every_mixture
def test_both_forms_on_one_object(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        iterator = aio.as_completed(_tasks(aio, 1, 2, 3))
        see(hasattr(iterator, "__aiter__"), hasattr(iterator, "__anext__"), hasattr(iterator, "__next__"))
        see(iter(iterator) is iterator, aiter(iterator) is iterator, type(iterator).__name__)
        see(await next(iterator))
        see(await anext(iterator))
        see(await next(iterator))
        see.attempt(next, iterator)
        await see.attempt_await(anext(iterator))
        await see.attempt_await(anext(iterator))

    see.run(main())


@with_async_for
@same_in_every_mixture
def test_the_one_who_iterates_is_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        done = asyncio.get_running_loop().create_future()
        done.set_result("done")

        async def iterate() -> None:
            async for one in aio.as_completed([future, done]):
                see("got", one.done())

        task = aio.create_task(iterate(), name="iterates")
        await turns(aio, 3)
        task.cancel("enough")
        await see.attempt_await(task)
        see(future)
        del task
        gc.collect()
        see(future)

    see.run(main())


@same_in_every_mixture
def test_the_same_thing_twice(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        coro = _work(aio, 1)
        task = aio.create_task(_work(aio, 2))
        see([await one for one in aio.as_completed([coro, coro, task, task])])

    see.run(main())


@same_in_every_mixture
def test_what_is_refused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        coro = _work(aio, 0)
        for thing in (future, coro, 1, None, [1], [None]):
            see.attempt(lambda thing=thing: [type(one).__name__ for one in aio.as_completed(thing)])
        see.attempt(aio.as_completed)
        see.attempt(aio.as_completed, [], 1)
        see.attempt(lambda: aio.as_completed([], loop=None))
        try:
            list(aio.as_completed([future], timeout="1"))
        except TypeError as error:
            see(type(error).__name__)
        coro.close()

    see.run(main())


@same_in_every_mixture
def test_collections_of_every_kind(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for make in (list, tuple, set, iter, dict.fromkeys, lambda items: (one for one in items)):
            see([await one for one in aio.as_completed(make(_tasks(aio, 2, 1)))])

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 14), reason="older Pythons make a loop up")
@same_in_every_mixture
def test_without_a_running_loop(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    futures = [loop.create_future() for _ in range(2)]
    see.attempt(lambda: list(aio.as_completed(futures)))


@same_in_every_mixture
def test_who_waits_is_told_in_the_order_of_completion(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(4)]
        cast = Cast(aio)
        for number, awaitable in enumerate(aio.as_completed(futures)):
            cast.start(f"awaits {number}", lambda awaitable=awaitable: awaitable)
        await turns(aio, 2)
        for number in (2, 0, 3, 1):
            futures[number].set_result(number)
        for turn in range(3):
            cast.note(f"turn {turn}")
            await turns(aio)
        await cast.end()
        see(cast.trace)

    see.run(main())
