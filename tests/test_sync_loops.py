"""Locks and their like between loops: bound to the first one they wait on, and to no other."""

import asyncio
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns


def _held(aio: Any) -> Any:
    lock = aio.Lock()
    drive(lock.acquire())
    return lock


def drive(coro: Any) -> Any:
    """Run a coroutine that does not wait."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def _full(aio: Any) -> Any:
    queue = aio.Queue(1)
    queue.put_nowait("there")
    return queue


# How to make what makes everyone wait, and how to wait for it.
WAITS: dict[str, tuple[Any, Any]] = {
    "a lock": (_held, lambda thing: thing.acquire()),
    "an event": (lambda aio: aio.Event(), lambda thing: thing.wait()),
    "a semaphore": (lambda aio: aio.Semaphore(0), lambda thing: thing.acquire()),
    "a bounded semaphore": (lambda aio: aio.BoundedSemaphore(0), lambda thing: thing.acquire()),
    "a barrier": (lambda aio: aio.Barrier(2), lambda thing: thing.wait()),
    "an empty queue": (lambda aio: aio.Queue(), lambda thing: thing.get()),
    "a full queue": (_full, lambda thing: thing.put("more")),
    "an empty stack": (lambda aio: aio.LifoQueue(), lambda thing: thing.get()),
    "an empty heap": (lambda aio: aio.PriorityQueue(), lambda thing: thing.get()),
    "the end of the work": (_full, lambda thing: thing.join()),
}

each_wait = pytest.mark.parametrize("kind", WAITS)


@each_wait
@same_in_every_mixture
def test_waiting_on_a_second_loop_is_an_error(aio: ModuleType, see: Witness, kind: str) -> None:
    make, wait = WAITS[kind]
    thing = make(aio)

    async def cancelled_soon() -> None:
        task = aio.create_task(wait(thing), name="waits")
        await turns(aio, 2)
        task.cancel()
        await see.attempt_await(task)

    first, second = see.new_loop(), see.new_loop()
    first.run_until_complete(cancelled_soon())
    # The text has a repr in it, and that may show the state.
    second.run_until_complete(see.attempt_await(wait(thing)))
    first.run_until_complete(cancelled_soon())
    first.close()
    # That the first is closed changes nothing.
    second.run_until_complete(see.attempt_await(wait(thing)))
    see(str(thing))


@same_in_every_mixture
def test_what_never_waits_is_bound_to_no_loop(aio: ModuleType, see: Witness) -> None:
    lock, event, semaphore, queue = aio.Lock(), aio.Event(), aio.Semaphore(2), aio.Queue()

    async def use() -> None:
        async with lock, semaphore:
            event.set()
            see(await event.wait())
            queue.put_nowait(1)
            await queue.put(2)
            see(await queue.get(), queue.get_nowait())
            queue.task_done()
            queue.task_done()
            await queue.join()
        see(repr(lock), repr(semaphore), repr(event), str(queue))

    for _ in range(3):
        see.run(use())


@same_in_every_mixture
def test_a_barrier_of_one_is_bound_to_no_loop(aio: ModuleType, see: Witness) -> None:
    barrier = aio.Barrier(1)

    async def use() -> None:
        see(await barrier.wait())
        await barrier.reset()
        see(repr(barrier))

    for _ in range(2):
        see.run(use())


@same_in_every_mixture
def test_the_parts_of_a_condition_on_two_loops(aio: ModuleType, see: Witness) -> None:
    condition = aio.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    async def one_waits() -> None:
        task = aio.create_task(wait(), name="waits")
        await turns(aio, 2)
        async with condition:
            condition.notify()
        await task

    first, second = see.new_loop(), see.new_loop()
    first.run_until_complete(one_waits())
    # The lock was never waited for, so it can be taken on another loop; waiting cannot be.
    second.run_until_complete(see.attempt_await(condition.acquire()))
    second.run_until_complete(see.attempt_await(condition.wait()))
    see(repr(condition))


@same_in_every_mixture
def test_released_and_set_from_another_loop(aio: ModuleType, see: Witness) -> None:
    """Nothing forbids it: who waits is woken on its own loop, when that runs again."""
    lock, event, queue = _held(aio), aio.Event(), aio.Queue()
    first, second = see.new_loop(), see.new_loop()
    cast = Cast(aio)

    async def start() -> None:
        cast.start("lock", lock.acquire)
        cast.start("event", event.wait)
        cast.start("queue", queue.get)
        await turns(aio)

    async def release() -> None:
        lock.release()
        event.set()
        queue.put_nowait("item")
        see(repr(lock), repr(event), str(queue))

    async def finish() -> None:
        await aio.wait(list(cast.tasks.values()))

    first.run_until_complete(start())
    second.run_until_complete(release())
    first.run_until_complete(finish())
    see(cast.trace)


@each_wait
def test_waiters_of_both_kinds_wait_together(kind: str) -> None:
    """Stock and native primitives, loops and tasks, in all eight combinations."""
    make, wait = WAITS[kind]
    seen: list[Any] = []
    for primitives in (asyncio, roundelay):
        for new_loop in (asyncio.SelectorEventLoop, roundelay.new_event_loop):
            loop = new_loop()
            thing = make(primitives)

            async def live(thing: Any, name: str, trace: list[Any]) -> None:
                try:
                    result = await wait(thing)
                except asyncio.CancelledError as error:
                    trace.append((name, "cancelled", error.args))
                    raise
                except Exception as error:
                    trace.append((name, repr(error)))
                else:
                    trace.append((name, result))

            async def main(loop: Any, thing: Any) -> None:
                trace: list[Any] = []
                tasks = [
                    class_(live(thing, name, trace), loop=loop)
                    for name, class_ in (
                        ("a", asyncio.tasks.Task),
                        ("b", roundelay.Task),
                        ("c", asyncio.tasks.Task),
                        ("d", roundelay.Task),
                    )
                ]
                await asyncio.sleep(0)
                tasks[1].cancel("not b")
                await asyncio.sleep(0)
                for _ in range(4):
                    for action in ("release", "set", "get_nowait", "task_done"):
                        if hasattr(thing, action) and "empty" not in kind:
                            try:
                                getattr(thing, action)()
                            except (RuntimeError, ValueError, asyncio.QueueEmpty) as error:
                                trace.append(str(error))
                    if "empty" in kind:
                        thing.put_nowait("item")
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel("over")
                await asyncio.wait(tasks)
                trace.append(str(thing).split(" at ")[-1].split(" ", 1)[1])
                seen.append(trace)

            loop.run_until_complete(main(loop, thing))
            loop.close()
    assert len(seen) == 4
    assert any(record[0] == "a" for record in seen[0])
    for other in seen[1:]:
        assert other == seen[0]
