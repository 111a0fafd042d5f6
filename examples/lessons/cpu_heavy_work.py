"""Heavy computing stops the loop. In a thread or in another process, the loop goes on meanwhile."""

import asyncio
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor


def count_primes(limit):
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def where_am_i():
    return threading.get_ident(), os.getpid()


async def tick(ticks):
    while True:
        ticks.append(1)
        await asyncio.sleep(0.001)


async def show(what, awaitable):
    ticks = []
    ticker = asyncio.create_task(tick(ticks))
    result = await awaitable
    ticker.cancel()
    print(f"{what}: {result} primes; the loop went on meanwhile: {len(ticks) > 1}")


async def in_the_loop():
    return count_primes(60_000)


async def main():
    loop = asyncio.get_running_loop()
    thread, process = where_am_i()

    await show("in the loop", in_the_loop())
    await show("run_in_executor", loop.run_in_executor(None, count_primes, 60_000))
    await show("to_thread", asyncio.to_thread(count_primes, 60_000))
    other_thread, same_process = await asyncio.to_thread(where_am_i)
    print("another thread:", other_thread != thread, "- another process:", same_process != process)

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        await show("process pool", loop.run_in_executor(pool, count_primes, 60_000))
        _, other_process = await loop.run_in_executor(pool, where_am_i)
        print("another process:", other_process != process)


if __name__ == "__main__":
    asyncio.run(main())
