"""An async generator waits between its items. `async for` takes them; a plain `for` is a TypeError."""

import asyncio


async def gen(n):
    for i in range(n):
        yield i
        await asyncio.sleep(0.5)


async def main():
    async for i in gen(10):
        print(i)

    for i in gen(10):
        print(i)


asyncio.run(main())
