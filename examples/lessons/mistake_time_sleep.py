"""The mistake: time.sleep() in a coroutine. It stops the whole loop, so tasks run one after the other."""

import asyncio
import time


async def polite(name, seconds):
    await asyncio.sleep(seconds)
    print(f"  {name}")


async def blocking(name, seconds):
    time.sleep(seconds)
    print(f"  {name}")


async def timed(what, do_task):
    print(f"--- {what} ---")
    start = time.time()
    await asyncio.gather(do_task("A", 1), do_task("B", 0.5), do_task("C", 1.5))
    print(f"total: ~{time.time() - start:.1f} seconds")


async def main():
    await timed("time.sleep()", blocking)
    await timed("asyncio.sleep()", polite)


asyncio.run(main())
