"""One task fails. With return_exceptions=True its error is one of the results; without, gather() raises it.

In both cases the other tasks run on to their end.
"""

import asyncio


async def do_task(name, seconds):
    await asyncio.sleep(seconds)
    if name == "B":
        raise ValueError(f"task {name} went wrong")
    print(f"  Task {name} done")
    return f"{name} result"


async def main():
    print("--- return_exceptions=True ---")
    results = await asyncio.gather(
        do_task("A", 0.4), do_task("B", 0.2), do_task("C", 0.6), return_exceptions=True
    )
    for result in results:
        print(repr(result))

    print("--- without it ---")
    tasks = [
        asyncio.create_task(do_task(name, seconds)) for name, seconds in [("A", 0.4), ("B", 0.2), ("C", 0.6)]
    ]
    try:
        await asyncio.gather(*tasks)
    except ValueError as error:
        print("gather raised:", error)
    print("done by then:", [task.done() for task in tasks])
    print(await tasks[0], "and", await tasks[2])


asyncio.run(main())
