"""The same three tasks run one after the other, under gather(), and as tasks of their own.

One after the other they take the sum of their times, about 6 seconds. At the same time they take as long
as the longest of them, about 3 seconds, whether gather() starts them or create_task().
"""

import asyncio
import time


async def do_task(name, seconds):
    print(f"  Task {name} starting...")
    await asyncio.sleep(seconds)
    print(f"  Task {name} done after {seconds} second{'' if seconds == 1 else 's'}")
    return f"{name} result"


async def run_sequential():
    print("--- Sequential execution ---")
    start = time.time()
    await do_task("A", 2)
    await do_task("B", 1)
    await do_task("C", 3)
    print(f"Sequential total: ~{time.time() - start:.0f} seconds\n")


async def run_concurrent():
    print("--- Concurrent execution ---")
    start = time.time()
    results = await asyncio.gather(do_task("A", 2), do_task("B", 1), do_task("C", 3))
    print(f"Concurrent total: ~{time.time() - start:.0f} seconds")
    print(f"Results: {results}\n")


async def run_with_create_task():
    print("--- Using create_task() ---")
    start = time.time()
    task_a = asyncio.create_task(do_task("A", 2))
    task_b = asyncio.create_task(do_task("B", 1))
    task_c = asyncio.create_task(do_task("C", 3))
    await task_a
    await task_b
    await task_c
    print(f"create_task total: ~{time.time() - start:.0f} seconds")


async def main():
    await run_sequential()
    await run_concurrent()
    await run_with_create_task()


if __name__ == "__main__":
    asyncio.run(main())
