"""The same primitives when nobody else wants them, and their rarer forms: where the time of the others goes.

Measured with `--all` only; nobody waits in most of them, so the loop does not matter.
"""

import asyncio

from .coordination import FAR, one_turn
from .registry import clock, timed


@timed("lock_free", "async with a Lock that nobody holds", 100_000)
async def lock_free(n: int) -> float:
    shared = asyncio.Lock()
    held = 0
    start = clock()
    for _ in range(n):
        async with shared:
            held += 1
    elapsed = clock() - start
    assert held == n
    assert not shared.locked()
    return elapsed


@timed("semaphore_free", "async with a Semaphore that has room", 100_000)
async def semaphore_free(n: int) -> float:
    room = asyncio.Semaphore(2)
    held = 0
    start = clock()
    for _ in range(n):
        async with room:
            held += 1
    elapsed = clock() - start
    assert held == n
    assert not room.locked()
    return elapsed


@timed("event_set", "wait for an Event that is set", 100_000)
async def event_set(n: int) -> float:
    open_door = asyncio.Event()
    open_door.set()
    passed = 0
    start = clock()
    for _ in range(n):
        passed += await open_door.wait()
    elapsed = clock() - start
    assert passed == n
    return elapsed


@timed("queue_free", "put into a Queue and get from it in one task", 100_000)
async def queue_free(n: int) -> float:
    own: asyncio.Queue[int] = asyncio.Queue()
    sent, received = list(range(n)), []
    start = clock()
    for item in sent:
        await own.put(item)
        received.append(await own.get())
    elapsed = clock() - start
    assert received == sent
    assert own.empty()
    return elapsed


@timed("queue_of_one", "Queue(1) between a producer and a consumer, one item", 20_000)
async def queue_of_one(n: int) -> float:
    between: asyncio.Queue[int] = asyncio.Queue(1)
    sent = list(range(n))

    async def produce() -> None:
        for item in sent:
            await between.put(item)

    start = clock()
    producer = asyncio.create_task(produce())
    received = [await between.get() for _ in sent]
    elapsed = clock() - start
    await producer
    assert received == sent
    return elapsed


@timed("condition", "two tasks taking turns by a Condition, one turn", 20_000)
async def condition(n: int) -> float:
    shared = asyncio.Condition()
    turn = 0

    async def player(me: int) -> None:
        nonlocal turn

        def is_mine() -> bool:
            return turn % 2 == me

        for _ in range(n // 2):
            async with shared:
                await shared.wait_for(is_mine)
                turn += 1
                shared.notify()

    start = clock()
    players = [asyncio.create_task(player(0)), asyncio.create_task(player(1))]
    for task in players:
        await task
    elapsed = clock() - start
    assert turn == n
    return elapsed


@timed("timeout_free", "async with timeout around nothing", 50_000)
async def timeout_free(n: int) -> float:
    passed = 0
    start = clock()
    for _ in range(n):
        async with asyncio.timeout(FAR):
            passed += 1
    elapsed = clock() - start
    assert passed == n
    return elapsed


@timed("shield", "shield a coroutine of one sleep(0)", 20_000)
async def shield(n: int) -> float:
    total = 0
    start = clock()
    for _ in range(n):
        total += await asyncio.shield(one_turn())
    elapsed = clock() - start
    assert total == n
    return elapsed


@timed("as_completed", "as_completed over 1,000 coroutines of one sleep(0), one of them", 20_000)
async def as_completed(n: int) -> float:
    total = 0
    start = clock()
    for _ in range(n // 1000):
        for earliest in asyncio.as_completed([one_turn() for _ in range(1000)]):
            total += await earliest
    elapsed = clock() - start
    assert total == n
    return elapsed


@timed("wait_all", "wait for all of 1,000 tasks of one sleep(0), one of them", 20_000)
async def wait_all(n: int) -> float:
    total = 0
    start = clock()
    for _ in range(n // 1000):
        done, pending = await asyncio.wait([asyncio.create_task(one_turn()) for _ in range(1000)])
        assert not pending
        total += sum(task.result() for task in done)
    elapsed = clock() - start
    assert total == n
    return elapsed
