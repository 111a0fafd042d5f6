"""Tasks that wait for one another: queues, locks, events, timeouts, groups."""

import asyncio
from collections.abc import AsyncIterator

from .registry import clock, timed

FAR = 1000.0
"""Seconds until a timeout that is not to be reached."""


async def one_turn() -> int:
    await asyncio.sleep(0)
    return 1


async def trivial() -> int:
    return 1


@timed("queue", "Queue(100) between a producer and a consumer, one item", 100_000)
async def queue(n: int) -> float:
    between: asyncio.Queue[int] = asyncio.Queue(100)
    sent = list(range(n))

    async def produce() -> None:
        for item in sent:
            await between.put(item)

    async def consume() -> list[int]:
        return [await between.get() for _ in sent]

    start = clock()
    producer = asyncio.create_task(produce())
    received = await asyncio.create_task(consume())
    elapsed = clock() - start
    await producer
    assert received == sent
    return elapsed


@timed("lock", "Lock that ten tasks want, held for one sleep(0), one of them", 20_000)
async def lock(n: int) -> float:
    shared = asyncio.Lock()
    held = 0

    async def worker() -> None:
        nonlocal held
        for _ in range(n // 10):
            async with shared:
                # An update would be lost if another task came in meanwhile.
                before = held
                await asyncio.sleep(0)
                held = before + 1

    start = clock()
    workers = [asyncio.create_task(worker()) for _ in range(10)]
    for task in workers:
        await task
    elapsed = clock() - start
    assert held == n
    assert not shared.locked()
    return elapsed


@timed("event", "two tasks waking each other by Events, one hand-over", 50_000)
async def event(n: int) -> float:
    turns = [asyncio.Event(), asyncio.Event()]

    async def player(me: int) -> None:
        mine, other = turns[me], turns[1 - me]
        for _ in range(n // 2):
            await mine.wait()
            mine.clear()
            other.set()

    players = [asyncio.create_task(player(0)), asyncio.create_task(player(1))]
    await asyncio.sleep(0)
    start = clock()
    turns[0].set()
    for task in players:
        await task
    elapsed = clock() - start
    # The last one to play handed over to the first.
    assert [turn.is_set() for turn in turns] == [True, False]
    return elapsed


@timed("timeout", "async with timeout around one sleep(0)", 20_000)
async def timeout(n: int) -> float:
    expired = 0
    start = clock()
    for _ in range(n):
        async with asyncio.timeout(FAR) as scope:
            await asyncio.sleep(0)
        expired += scope.expired()
    elapsed = clock() - start
    assert expired == 0
    return elapsed


@timed("wait_for", "wait_for a coroutine of one sleep(0)", 20_000)
async def wait_for(n: int) -> float:
    total = 0
    start = clock()
    for _ in range(n):
        total += await asyncio.wait_for(one_turn(), FAR)
    elapsed = clock() - start
    assert total == n
    return elapsed


@timed("wait_first", "wait FIRST_COMPLETED over nine tasks, of which one ends", 5_000)
async def wait_first(n: int) -> float:
    never = asyncio.get_running_loop().create_future()

    async def park() -> None:
        await never

    parked = {asyncio.create_task(park()) for _ in range(8)}
    await asyncio.sleep(0)
    start = clock()
    for _ in range(n):
        ninth = asyncio.create_task(one_turn())
        done, pending = await asyncio.wait({ninth, *parked}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {ninth}
        assert len(pending) == 8
    elapsed = clock() - start
    never.set_result(None)
    await asyncio.wait(parked)
    return elapsed


@timed("task_group", "TaskGroup of 100,000 trivial coroutines, one of them", 100_000)
async def task_group(n: int) -> float:
    start = clock()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(trivial()) for _ in range(n)]
    elapsed = clock() - start
    assert sum(task.result() for task in tasks) == n
    return elapsed


@timed("async_generator", "async for over a generator with a sleep(0), one item", 50_000)
async def async_generator(n: int) -> float:
    async def numbers() -> AsyncIterator[int]:
        for number in range(n):
            await asyncio.sleep(0)
            yield number

    total = 0
    start = clock()
    async for number in numbers():
        total += number
    elapsed = clock() - start
    assert total == n * (n - 1) // 2
    return elapsed
