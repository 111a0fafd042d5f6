"""Scenes over each primitive that leave behind what they can: waiters, cancelled ones, errors, cycles."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from support.coordination import forever, turns
from support.coordination_leaks import LeakError, Payload, Scene


def in_a_cycle(thing: Any) -> Any:
    """The thing, with a reference to itself."""
    thing.itself = [thing]
    return thing


async def cancelled(aio: Any, *tasks: Any) -> None:
    for task in tasks:
        task.cancel()
    await aio.gather(*tasks, return_exceptions=True)


def waiters(make: Callable[[Any], Any], wait: Callable[[Any], Any], release: Callable[[Any], Any]) -> Scene:
    """Three wait for the thing: one gets it, one is cancelled, and one still waits when all is dropped."""

    async def scene(aio: Any) -> None:
        thing = in_a_cycle(make(aio))
        payload = Payload()

        async def live() -> Any:
            kept = payload
            with contextlib.suppress(LeakError):
                await wait(thing)
            return kept

        tasks = [aio.create_task(live()) for _ in range(3)]
        await turns(aio, 2)
        await cancelled(aio, tasks[1])
        release(thing)
        await turns(aio, 4)
        for task in tasks:
            # It is let go of while it waits, which is what this is about.
            task._log_destroy_pending = False
        thing.waiting = tasks

    return scene


def _held(aio: Any) -> Any:
    lock = aio.Lock()
    with contextlib.suppress(StopIteration):
        lock.acquire().send(None)
    return lock


def _full(aio: Any) -> Any:
    queue = aio.Queue(1)
    queue.put_nowait(Payload())
    return queue


async def _notified(condition: Any) -> None:
    async with condition:
        await condition.wait()


def _notify(condition: Any) -> None:
    with contextlib.suppress(StopIteration):
        condition.acquire().send(None)
    condition.notify()
    condition.release()


async def failing_bodies(aio: Any) -> None:
    """Every `async with` with an error in it, and the error refers to what it came out of."""
    for name in ("Lock", "Semaphore", "BoundedSemaphore", "Condition"):
        thing = in_a_cycle(getattr(aio, name)())
        try:
            async with thing:
                raise LeakError(thing)
        except LeakError as error:
            thing.error = error
    with contextlib.suppress(TimeoutError):
        async with aio.timeout(0) as timeout:
            timeout.itself = timeout
            await forever(aio)


async def refused(aio: Any) -> None:
    """Errors of the primitives themselves, kept by what raised them."""
    lock, queue, semaphore = (in_a_cycle(one) for one in (aio.Lock(), aio.Queue(1), aio.BoundedSemaphore()))
    for thing, call in (
        (lock, lock.release),
        (queue, queue.get_nowait),
        (queue, queue.task_done),
        (semaphore, semaphore.release),
    ):
        try:
            call()
        except Exception as error:
            thing.error = error


async def timeouts(aio: Any) -> None:
    """In time, too late, cancelled from outside, and left running."""
    async with aio.timeout(1000) as timeout:
        in_a_cycle(timeout).payload = Payload()
    for delay in (0, 0.001):
        try:
            async with aio.timeout(delay) as timeout:
                in_a_cycle(timeout)
                await forever(aio)
        except TimeoutError as error:
            timeout.error = error

    async def outer() -> None:
        async with aio.timeout(1000) as timeout:
            in_a_cycle(timeout)
            await forever(aio)

    task = aio.create_task(outer())
    await turns(aio)
    await cancelled(aio, task)
    left = in_a_cycle(aio.timeout(1000))
    await left.__aenter__()
    left.task = aio.current_task()


async def wait_for(aio: Any) -> None:
    async def fails() -> None:
        raise LeakError(Payload())

    for thing, timeout in ((fails(), 1000), (fails(), None), (forever(aio), 0), (forever(aio), 0.001)):
        try:
            await aio.wait_for(thing, timeout)
        except (LeakError, TimeoutError) as error:
            error.itself = error  # type: ignore[union-attr]
    task = aio.create_task(aio.wait_for(forever(aio), 1000))
    await turns(aio, 2)
    await cancelled(aio, task)


async def wait(aio: Any) -> None:
    loop = asyncio.get_running_loop()
    for mode in (aio.ALL_COMPLETED, aio.FIRST_COMPLETED, aio.FIRST_EXCEPTION):
        futures = [loop.create_future() for _ in range(3)]
        for future in futures:
            future.others = futures
        loop.call_soon(futures[0].set_exception, LeakError(futures))
        await aio.wait(futures, return_when=mode, timeout=0.001)
        task = aio.create_task(aio.wait(futures))
        await turns(aio)
        await cancelled(aio, task)


async def shield(aio: Any) -> None:
    async def fails() -> None:
        await aio.sleep(0)
        raise LeakError(Payload())

    inner = in_a_cycle(aio.create_task(fails()))
    outer = in_a_cycle(aio.shield(inner))
    outer.cancel()
    await turns(aio, 4)
    with contextlib.suppress(LeakError):
        await aio.shield(fails())
    pending = in_a_cycle(asyncio.get_running_loop().create_future())
    pending.outer = aio.shield(pending)


async def as_completed(aio: Any) -> None:
    async def work(result: Any) -> Any:
        await aio.sleep(0)
        if isinstance(result, Exception):
            raise result
        return result

    for awaitable in aio.as_completed([work(1), work(LeakError(Payload())), work(Payload())]):
        with contextlib.suppress(LeakError):
            await awaitable
    tasks = [aio.create_task(work(number)) for number in range(3)]
    for awaitable in aio.as_completed(tasks):
        await awaitable
        break
    await aio.wait(tasks)
    slow = aio.create_task(forever(aio))
    for awaitable in aio.as_completed([slow], timeout=0.001):
        with contextlib.suppress(TimeoutError):
            await awaitable
    await cancelled(aio, slow)


async def task_groups(aio: Any) -> None:
    async def fails() -> None:
        raise LeakError(Payload())

    async with aio.TaskGroup() as group:
        in_a_cycle(group).task = group.create_task(aio.sleep(0))
    for body_fails in (False, True):
        group = in_a_cycle(aio.TaskGroup())
        try:
            async with group:
                group.task = group.create_task(forever(aio))
                if body_fails:
                    raise LeakError(group)
                group.create_task(fails())
        except* LeakError as errors:
            group.errors = errors

    async def outer() -> None:
        async with aio.TaskGroup() as group:
            in_a_cycle(group).task = group.create_task(forever(aio))

    task = aio.create_task(outer())
    await turns(aio, 3)
    await cancelled(aio, task)


async def queues(aio: Any) -> None:
    """Queues that hold themselves, and tasks that wait for them."""
    for name in ("Queue", "LifoQueue", "PriorityQueue"):
        queue = in_a_cycle(getattr(aio, name)(2))
        queue.put_nowait(Payload())
        if name != "PriorityQueue":
            queue.put_nowait(queue)
        getter = aio.create_task(queue.get())
        await getter
        join = aio.create_task(queue.join())
        await turns(aio)
        await cancelled(aio, join)


SCENES: dict[str, Scene] = {
    "a lock with waiters": waiters(_held, lambda lock: lock.acquire(), lambda lock: lock.release()),
    "an event with waiters": waiters(lambda aio: aio.Event(), lambda event: event.wait(), lambda event: None),
    "a set event": waiters(lambda aio: aio.Event(), lambda event: event.wait(), lambda event: event.set()),
    "a semaphore with waiters": waiters(
        lambda aio: aio.Semaphore(0), lambda one: one.acquire(), lambda one: one.release()
    ),
    "a condition with waiters": waiters(lambda aio: aio.Condition(), _notified, _notify),
    "a barrier with waiters": waiters(
        lambda aio: aio.Barrier(5), lambda barrier: barrier.wait(), lambda _: None
    ),
    "a queue with getters": waiters(
        lambda aio: aio.Queue(), lambda queue: queue.get(), lambda queue: queue.put_nowait(Payload())
    ),
    "a queue with putters": waiters(
        _full, lambda queue: queue.put(Payload()), lambda queue: queue.get_nowait()
    ),
    "a queue with joiners": waiters(_full, lambda queue: queue.join(), lambda queue: None),
    "bodies that fail": failing_bodies,
    "errors of misuse": refused,
    "timeouts": timeouts,
    "wait_for": wait_for,
    "wait": wait,
    "shield": shield,
    "as_completed": as_completed,
    "task groups": task_groups,
    "queues": queues,
}  # fmt: skip
