"""gather() returns what its coroutines return, in the order in which they were given."""

import asyncio


async def print_values(values, delay):
    for item in values:
        print(item)
        await asyncio.sleep(delay)
    return delay


async def main():
    results = await asyncio.gather(print_values([1, 3, 5], 0.2), print_values([2, 4], 0.3))
    print(results)


asyncio.run(main())
