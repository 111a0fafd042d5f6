"""The loop itself, tasks and futures: what everything else stands on."""

import asyncio

from .registry import clock, timed


async def trivial() -> int:
    return 1


@timed("switch", "sleep(0) in each of 100 tasks, one switch", 200_000)
async def switch(n: int) -> float:
    async def spin() -> None:
        for _ in range(n // 100):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(spin()) for _ in range(100)]
    await asyncio.sleep(0)
    start = clock()
    for task in tasks:
        await task
    return clock() - start


@timed("switch_alone", "sleep(0) in the only task, one turn of the loop", 100_000)
async def switch_alone(n: int) -> float:
    start = clock()
    for _ in range(n):
        await asyncio.sleep(0)
    return clock() - start


@timed("gather", "gather of 100,000 trivial coroutines, one of them", 100_000)
async def gather(n: int) -> float:
    start = clock()
    results = await asyncio.gather(*[trivial() for _ in range(n)])
    elapsed = clock() - start
    assert sum(results) == n
    return elapsed


@timed("sleepers", "gather of 100,000 short sleeps, one of them", 100_000)
async def sleepers(n: int) -> float:
    async def nap() -> None:
        await asyncio.sleep(0.001)

    start = clock()
    await asyncio.gather(*[nap() for _ in range(n)])
    return clock() - start


@timed("create_await", "create one task and await it", 50_000)
async def create_await(n: int) -> float:
    start = clock()
    for _ in range(n):
        await asyncio.create_task(trivial())
    return clock() - start


@timed("ping_pong", "two tasks handing a future to each other, one hand-over", 100_000)
async def ping_pong(n: int) -> float:
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[None]] = [loop.create_future(), loop.create_future()]

    async def player(me: int) -> None:
        other = 1 - me
        for _ in range(n // 2):
            await waiting[me]
            waiting[me] = loop.create_future()
            waiting[other].set_result(None)

    players = [asyncio.create_task(player(0)), asyncio.create_task(player(1))]
    await asyncio.sleep(0)
    start = clock()
    waiting[0].set_result(None)
    for task in players:
        await task
    return clock() - start


@timed("call_soon", "call_soon from within the callback before", 200_000)
async def call_soon(n: int) -> float:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = n

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            done.set_result(None)

    start = clock()
    loop.call_soon(step)
    await done
    return clock() - start


@timed("timers", "schedule a timer and cancel it", 100_000)
async def timers(n: int) -> float:
    loop = asyncio.get_running_loop()
    start = clock()
    for _ in range(n // 1000):
        for _ in range(1000):
            loop.call_later(60.0, trivial).cancel()
        # The loop gets its turn to clean up, which is part of the price.
        await asyncio.sleep(0)
    return clock() - start
