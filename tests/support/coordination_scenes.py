"""Scenes over each primitive that leave behind what they can: waiters, cancelled ones, errors, cycles."""

import asyncio
import contextlib
import sys
import threading
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
    left = in_a_cycle(aio.timeout_at(asyncio.get_running_loop().time() + 1000))
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


async def shut_down_queues(aio: Any) -> None:
    """Getters, putters and joiners of queues that are shut down, at once and in good order."""
    for immediate in (False, True):
        empty, full = in_a_cycle(aio.Queue()), in_a_cycle(_full(aio))
        waiting = [aio.create_task(one) for one in (empty.get(), full.put(Payload()), full.join())]
        await turns(aio, 2)
        for queue in (empty, full):
            queue.shutdown(immediate)
            queue.waiting = waiting
        await turns(aio, 2)
        await cancelled(aio, *waiting)


async def broken_barriers(aio: Any) -> None:
    for end in ("abort", "reset", "cancel"):
        barrier = in_a_cycle(aio.Barrier(3))
        waiting = [aio.create_task(barrier.wait()) for _ in range(2)]
        await turns(aio, 2)
        if end == "cancel":
            waiting[0].cancel()
        else:
            await getattr(barrier, end)()
        await turns(aio, 2)
        barrier.waiting = waiting
        await cancelled(aio, *waiting)


async def conditions_of_predicates(aio: Any) -> None:
    condition = in_a_cycle(aio.Condition())

    async def wait(predicate: Callable[[], Any]) -> None:
        async with condition:
            await condition.wait_for(predicate)

    def fails() -> None:
        if hasattr(condition, "ready"):
            raise LeakError(condition)

    waiting = [aio.create_task(wait(predicate)) for predicate in (fails, lambda: Payload() is None)]
    await turns(aio, 2)
    async with condition:
        condition.ready = True
        condition.notify_all()
    await turns(aio, 4)
    condition.waiting = waiting
    await cancelled(aio, *waiting)


async def gather(aio: Any) -> None:
    async def fails() -> None:
        await aio.sleep(0)
        raise LeakError(Payload())

    for exceptions in (False, True):
        pending = [in_a_cycle(asyncio.get_running_loop().create_future()) for _ in range(2)]
        outer = in_a_cycle(aio.gather(fails(), *pending, forever(aio), return_exceptions=exceptions))
        await turns(aio, 3)
        pending[0].set_result(outer)
        outer.cancel()
        with contextlib.suppress(LeakError, aio.CancelledError):
            await outer
    left = in_a_cycle(asyncio.get_running_loop().create_future())
    left.outer = aio.gather(left)


async def iterated_as_completed(aio: Any) -> None:
    async def fails() -> None:
        raise LeakError(Payload())

    tasks = [in_a_cycle(aio.create_task(one)) for one in (fails(), aio.sleep(0, Payload()))]
    async for task in aio.as_completed(tasks):
        task.others = tasks
    slow = in_a_cycle(aio.create_task(forever(aio)))
    with contextlib.suppress(TimeoutError):
        async for _ in aio.as_completed([slow], timeout=0.001):
            pass
    slow.iterator = aio.as_completed([slow])
    await cancelled(aio, slow)


async def threads(aio: Any) -> None:
    """Work in threads that returns, that fails and that nobody waits for; and work that threads send."""
    loop = asyncio.get_running_loop()
    go_on = threading.Event()

    def fails() -> None:
        raise LeakError(Payload())

    def holds(payload: Payload) -> Payload:
        go_on.wait()
        return payload

    async def answers(payload: Payload) -> Payload:
        await aio.sleep(0)
        return payload

    async def refuses() -> None:
        await aio.sleep(0)
        raise LeakError(Payload())

    def sends() -> Any:
        with contextlib.suppress(LeakError):
            aio.run_coroutine_threadsafe(refuses(), loop).result()
        return aio.run_coroutine_threadsafe(answers(Payload()), loop).result()

    await aio.to_thread(Payload)
    await aio.to_thread(sends)
    with contextlib.suppress(LeakError):
        await aio.to_thread(fails)
    held = aio.create_task(aio.to_thread(holds, Payload()))
    await turns(aio, 2)
    await cancelled(aio, held)
    go_on.set()
    sent = aio.run_coroutine_threadsafe(forever(aio), loop)
    await turns(aio, 2)
    sent.cancel()
    await turns(aio, 3)
    await loop.shutdown_default_executor()


SCENES: dict[str, Scene] = {
    "a lock with waiters": waiters(_held, lambda lock: lock.acquire(), lambda lock: lock.release()),
    "an event with waiters": waiters(lambda aio: aio.Event(), lambda event: event.wait(), lambda event: None),
    "a set event": waiters(lambda aio: aio.Event(), lambda event: event.wait(), lambda event: event.set()),
    "a semaphore with waiters": waiters(
        lambda aio: aio.Semaphore(0), lambda one: one.acquire(), lambda one: one.release()
    ),
    "a bounded semaphore with waiters": waiters(
        lambda aio: aio.BoundedSemaphore(0), lambda one: one.acquire(), lambda one: None
    ),
    "a condition with waiters": waiters(lambda aio: aio.Condition(), _notified, _notify),
    "a barrier with waiters": waiters(
        lambda aio: aio.Barrier(5), lambda barrier: barrier.wait(), lambda _: None
    ),
    "a queue with getters": waiters(
        lambda aio: aio.Queue(), lambda queue: queue.get(), lambda queue: queue.put_nowait(Payload())
    ),
    "a heap with getters": waiters(
        lambda aio: aio.PriorityQueue(), lambda queue: queue.get(), lambda queue: queue.put_nowait(Payload())
    ),
    "a stack with getters": waiters(
        lambda aio: aio.LifoQueue(), lambda queue: queue.get(), lambda queue: queue.put_nowait(Payload())
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
    "barriers that are broken": broken_barriers,
    "conditions of predicates": conditions_of_predicates,
    "gather": gather,
    "threads": threads,
}  # fmt: skip
if sys.version_info >= (3, 13):
    SCENES["queues that are shut down"] = shut_down_queues
    SCENES["as_completed by async for"] = iterated_as_completed
