"""create_task() in place of gather(): each task is now a thing of its own, to look at and to cancel."""

import asyncio
import time


async def do_task(name, seconds):
    print(f"  Task {name} starting...")
    await asyncio.sleep(seconds)
    print(f"  Task {name} done after {seconds} second{'' if seconds == 1 else 's'}")
    return f"{name} result"


async def main():
    start = time.time()
    tasks = [
        asyncio.create_task(do_task(name, seconds), name=name)
        for name, seconds in [("A", 2), ("B", 1), ("C", 3)]
    ]
    print("made, and none has started yet")

    await tasks[1]
    print("done:", [task.get_name() for task in tasks if task.done()])

    tasks[2].cancel()
    for task in tasks:
        try:
            print(task.get_name(), "gave", await task)
        except asyncio.CancelledError:
            print(task.get_name(), "was cancelled")
    print(f"total: ~{time.time() - start:.0f} seconds")


asyncio.run(main())
