"""A task is only scheduled when it is made: the line below runs first. It can be awaited twice."""

import asyncio


async def print_something():
    await asyncio.sleep(1)
    print("something")
    return "finished"


async def main():
    task = asyncio.create_task(print_something())
    print("main continues immediately")
    await task
    result = await task  # It has ended by now; this gives its value once more.
    print(result)


asyncio.run(main())
