"""A method can be a coroutine, a static one too: it is awaited through its class."""

import asyncio


class MyClass:
    @staticmethod
    async def test():
        print("hi")


async def main():
    await MyClass.test()


asyncio.run(main())
