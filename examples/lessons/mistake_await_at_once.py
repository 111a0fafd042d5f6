"""The mistake: each task is awaited right after it is made. The next one is made only when it has ended."""

import asyncio
import time


async def do_task(name, seconds):
    print(f"  Task {name} starting...")
    await asyncio.sleep(seconds)
    print(f"  Task {name} done")


async def awaited_at_once():
    await asyncio.create_task(do_task("A", 0.4))
    await asyncio.create_task(do_task("B", 0.2))
    await asyncio.create_task(do_task("C", 0.6))


async def made_first():
    tasks = [
        asyncio.create_task(do_task(name, seconds)) for name, seconds in [("A", 0.4), ("B", 0.2), ("C", 0.6)]
    ]
    for task in tasks:
        await task


async def timed(what, coroutine):
    print(f"--- {what} ---")
    start = time.time()
    await coroutine
    print(f"total: ~{time.time() - start:.1f} seconds")


async def main():
    await timed("awaited at once", awaited_at_once())
    await timed("all made first", made_first())


asyncio.run(main())
