"""A fourth task, of 1.5 seconds: one after the other adds all of its time, at the same time adds none."""

import asyncio
import time

TASKS = [("A", 2), ("B", 1), ("C", 3), ("D", 1.5)]


async def do_task(name, seconds):
    print(f"  Task {name} starting...")
    await asyncio.sleep(seconds)
    print(f"  Task {name} done after {seconds} second{'' if seconds == 1 else 's'}")


async def run_sequential():
    print("--- Sequential execution ---")
    start = time.time()
    for name, seconds in TASKS:
        await do_task(name, seconds)
    print(f"Sequential total: ~{time.time() - start:.1f} seconds\n")


async def run_concurrent():
    print("--- Concurrent execution ---")
    start = time.time()
    await asyncio.gather(*(do_task(name, seconds) for name, seconds in TASKS))
    print(f"Concurrent total: ~{time.time() - start:.1f} seconds")


async def main():
    await run_sequential()
    await run_concurrent()


asyncio.run(main())
