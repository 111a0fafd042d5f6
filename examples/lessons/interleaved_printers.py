"""Two printers take turns, always in the same order, without a lock: a task is only left at an await."""

import asyncio


async def print_values(values, delay):
    for item in values:
        print(item)
        await asyncio.sleep(delay)
    return delay


async def main():
    odd = asyncio.create_task(print_values([1, 3, 5], 0.2))
    even = asyncio.create_task(print_values([2, 4], 0.3))
    await odd
    await even


asyncio.run(main())
