"""Two greetings at once: the one with the shorter wait comes first, though it was started second."""

import asyncio


async def greet(name, delay):
    await asyncio.sleep(delay)  # Others run meanwhile.
    print(f"Hello, {name}!")


async def main():
    await asyncio.gather(greet("Alice", 2), greet("Bob", 1))


asyncio.run(main())
