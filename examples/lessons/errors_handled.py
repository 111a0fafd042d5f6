"""try/except around each task: one that fails is reported, and the group goes on without it."""

import asyncio


async def do_task(name, seconds):
    await asyncio.sleep(seconds)
    if name == "B":
        raise ConnectionError(f"task {name} lost its connection")
    return f"{name} result"


async def guarded(name, seconds):
    try:
        return await do_task(name, seconds)
    except ConnectionError as error:
        print(f"  {error}")
        return f"{name} failed"


async def main():
    print(await asyncio.gather(guarded("A", 0.3), guarded("B", 0.1), guarded("C", 0.5)))

    tasks = [
        asyncio.create_task(do_task(name, seconds)) for name, seconds in [("A", 0.3), ("B", 0.1), ("C", 0.5)]
    ]
    for task in tasks:
        try:
            print(await task)
        except ConnectionError as error:
            print("caught:", error)


asyncio.run(main())
