"""The mistake: asyncio.run() where a loop is running already. One loop runs in a thread at a time."""

import asyncio


async def other():
    return "the result"


async def main():
    coroutine = other()
    try:
        asyncio.run(coroutine)
    except RuntimeError as error:
        print("RuntimeError:", error)
    print("the fix:", await coroutine)

    try:
        asyncio.get_running_loop().run_until_complete(asyncio.sleep(0))
    except RuntimeError as error:
        print("RuntimeError:", error)

    asyncio.run(other())


asyncio.run(main())
