"""Nothing stays of locks, queues, timeouts and groups: neither in cycles, nor round by round."""

import asyncio
import gc
import sys
import weakref
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.coordination import MIXTURES, turns
from support.coordination_leaks import (
    LeakError,
    Payload,
    counts,
    growth_of_memory,
    what_needs_the_collector,
    what_stays,
)
from support.coordination_scenes import SCENES

MODULES: dict[str, Any] = {"asyncio": asyncio, "roundelay": roundelay, **MIXTURES}

each_scene = pytest.mark.parametrize("scene", SCENES)


@pytest.fixture(autouse=True)
def nobody_keeps_what_is_unraisable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter that is dropped after its loop was closed cannot tell the next one, and asyncio says so."""
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)


@each_scene
@pytest.mark.parametrize("module", MODULES)
def test_everything_is_collected(module: str, scene: str) -> None:
    assert what_stays(MODULES[module], SCENES[scene]) == {}
    assert len(Payload.alive) == 0


@each_scene
@pytest.mark.parametrize("module", ["roundelay", "native on stock"])
def test_no_more_cycles_than_in_asyncio(module: str, scene: str) -> None:
    """What asyncio frees at once, without the collector, native objects free at once as well."""
    ours = what_needs_the_collector(MODULES[module], SCENES[scene])
    stock = what_needs_the_collector(asyncio, SCENES[scene])
    assert ours.total() <= stock.total(), (ours - stock, stock)


def test_the_count_finds_what_stays() -> None:
    kept: list[Any] = []

    async def scene(aio: Any) -> None:
        kept.append(aio.Lock())
        kept.append(aio.Queue())

    for module in (asyncio, roundelay):
        found = what_stays(module, scene)
        assert found["Lock"] == found["Queue"] == 1

    async def cycle(aio: Any) -> None:
        lock = aio.Lock()
        lock.itself = lock

    for module in (asyncio, roundelay):
        assert what_needs_the_collector(module, cycle)["Lock"] == 1


async def _lock(aio: Any) -> None:
    lock = aio.Lock()
    async with lock:
        task = aio.create_task(lock.acquire())
        await aio.sleep(0)
    await task


async def _cancelled_lock(aio: Any) -> None:
    lock = aio.Lock()
    async with lock:
        task = aio.create_task(lock.acquire())
        await aio.sleep(0)
        task.cancel()
        await aio.wait([task])


async def _event(aio: Any) -> None:
    event = aio.Event()
    task = aio.create_task(event.wait())
    await aio.sleep(0)
    event.set()
    await task


async def _semaphore(aio: Any) -> None:
    semaphore = aio.BoundedSemaphore(1)
    async with semaphore:
        task = aio.create_task(semaphore.acquire())
        await aio.sleep(0)
    await task


async def _condition(aio: Any) -> None:
    condition = aio.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait_for(lambda: condition.__dict__.get("ready"))

    task = aio.create_task(wait())
    await aio.sleep(0)
    async with condition:
        condition.ready = True
        condition.notify_all()
    await task


async def _barrier(aio: Any) -> None:
    barrier = aio.Barrier(2)
    task = aio.create_task(barrier.wait())
    await barrier.wait()
    await task


async def _queue(aio: Any) -> None:
    queue = aio.Queue(1)
    putters = [aio.create_task(queue.put(number)) for number in range(2)]
    for _ in range(2):
        await queue.get()
        queue.task_done()
    await queue.join()
    await aio.wait(putters)


async def _heap_and_stack(aio: Any) -> None:
    for queue in (aio.PriorityQueue(), aio.LifoQueue()):
        task = aio.create_task(queue.get())
        await aio.sleep(0)
        queue.put_nowait(1)
        await task


async def _timeout(aio: Any) -> None:
    async with aio.timeout(1000):
        await aio.sleep(0)
    try:
        async with aio.timeout(0):
            await aio.sleep(1000)
    except TimeoutError:
        pass


async def _wait_for(aio: Any) -> None:
    await aio.wait_for(aio.sleep(0), 1000)
    try:
        await aio.wait_for(aio.sleep(1000), 0)
    except TimeoutError:
        pass


async def _wait(aio: Any) -> None:
    tasks = [aio.create_task(turns(aio, count)) for count in range(3)]
    await aio.wait(tasks, return_when=aio.FIRST_COMPLETED)
    await aio.wait(tasks, timeout=1000)


async def _shield(aio: Any) -> None:
    await aio.shield(aio.sleep(0))
    outer = aio.shield(aio.create_task(aio.sleep(0)))
    outer.cancel()
    await turns(aio, 2)


async def _as_completed(aio: Any) -> None:
    for awaitable in aio.as_completed([aio.sleep(0, number) for number in range(3)]):
        await awaitable


async def _task_group(aio: Any) -> None:
    async with aio.TaskGroup() as group:
        group.create_task(aio.sleep(0))

    async def fails() -> None:
        raise LeakError

    try:
        async with aio.TaskGroup() as group:
            group.create_task(fails())
    except* LeakError:
        pass


async def _gather(aio: Any) -> None:
    await aio.gather(aio.sleep(0), turns(aio, 2), aio.create_task(aio.sleep(0)))


async def _to_thread(aio: Any) -> None:
    await aio.to_thread(int)


async def _threadsafe(aio: Any) -> None:
    await asyncio.wrap_future(aio.run_coroutine_threadsafe(aio.sleep(0), asyncio.get_running_loop()))


async def _errors(aio: Any) -> None:
    queue, lock = aio.Queue(1), aio.Lock()
    for call in (queue.get_nowait, queue.task_done, lock.release):
        try:
            call()
        except (asyncio.QueueEmpty, ValueError, RuntimeError):
            pass
    for call in (queue.get, lock.acquire, aio.Event().wait):
        call().close()


ROUNDS = {
    round_.__name__[1:]: round_
    for round_ in (
        _lock, _cancelled_lock, _event, _semaphore, _condition, _barrier, _queue, _heap_and_stack, _timeout,
        _wait_for, _wait, _shield, _as_completed, _task_group, _gather, _to_thread, _threadsafe, _errors,
    )
}  # fmt: skip


@pytest.mark.parametrize("round_", ROUNDS)
def test_ten_thousand_rounds_take_no_memory(round_: str) -> None:
    # One block a round would be 10,000; what tables and free lists take is far below one in ten.
    assert growth_of_memory(roundelay, ROUNDS[round_], 10_000) < 1_000


@pytest.mark.parametrize("module", MODULES)
def test_waiters_are_let_go_of_with_their_loop(module: str) -> None:
    """Tasks that wait when their loop is closed and dropped go with the thing they wait for."""
    aio: ModuleType = MODULES[module]
    before = counts()
    things = [aio.Lock(), aio.Event(), aio.Semaphore(0), aio.Queue(), aio.Barrier(2), aio.Condition()]
    references = [weakref.ref(thing) for thing in things]

    async def main() -> None:
        await things[0].acquire()
        lock, event, semaphore, queue, barrier, _ = things
        for wait in (lock.acquire, event.wait, semaphore.acquire, queue.get, queue.join, barrier.wait):
            aio.create_task(wait())._log_destroy_pending = False
        await turns(aio, 2)

    loop = aio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    del loop, main
    things.clear()
    gc.collect()
    assert [reference() for reference in references] == [None] * 6
    assert counts() - before == {}


@pytest.mark.parametrize("module", MODULES)
def test_items_are_let_go_of_when_they_are_got(module: str) -> None:
    aio: ModuleType = MODULES[module]

    async def main() -> None:
        for name in ("Queue", "PriorityQueue", "LifoQueue"):
            queue = getattr(aio, name)()
            queue.put_nowait(Payload())
            assert len(Payload.alive) == 1
            await queue.get()
            assert len(Payload.alive) == 0, name
            task = aio.create_task(queue.get())
            await aio.sleep(0)
            queue.put_nowait(Payload())
            await task
            del task
            await aio.sleep(0)
            assert len(Payload.alive) == 0, name

    loop = aio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


@pytest.mark.parametrize("module", MODULES)
def test_cancelled_waiters_leave_at_once(module: str) -> None:
    """A waiter that is cancelled frees its task without the collector, and leaves no place behind."""
    aio: ModuleType = MODULES[module]

    async def main() -> None:
        lock, event, queue, semaphore = aio.Lock(), aio.Event(), aio.Queue(), aio.Semaphore(0)
        await lock.acquire()

        async def live(wait: Any, payload: Payload) -> None:
            await wait()

        for wait in (lock.acquire, event.wait, queue.get, semaphore.acquire):
            tasks = [aio.create_task(live(wait, Payload())) for _ in range(100)]
            await aio.sleep(0)
            for task in tasks:
                task.cancel()
            del task, tasks
            await turns(aio, 3)
            assert len(Payload.alive) == 0, wait
        # asyncio leaves cancelled getters in the queue until somebody puts.
        assert [repr(thing).count("waiters") for thing in (lock, event, semaphore)] == [0, 0, 0]

    gc.disable()
    try:
        loop = aio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    finally:
        gc.enable()
