"""The mistake: a coroutine is called without await. It does not run, and Python warns that it never did."""

import asyncio


async def do_task(name, seconds):
    print(f"  Task {name} starting...")
    await asyncio.sleep(seconds)
    return f"{name} result"


async def main():
    result = do_task("A", 2)
    print("the result is a", type(result).__name__)
    del result
    print("the fix:", await do_task("A", 0.1))


asyncio.run(main())
