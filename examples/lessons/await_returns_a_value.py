"""`await` waits for a coroutine and gives what it returns; what stands below it runs afterwards."""

import asyncio


async def print_something():
    await asyncio.sleep(1)
    print("something")
    return "finished"


async def main():
    result = await print_something()
    print(result)


asyncio.run(main())
