"""`async def` makes a function. Calling it runs nothing: it gives a coroutine, which wants to be run."""

import asyncio


async def main():
    print("main")


print(type(main))
coroutine = main()
print(type(coroutine))
asyncio.run(coroutine)
