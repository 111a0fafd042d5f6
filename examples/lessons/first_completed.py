"""asyncio.wait() with FIRST_COMPLETED comes back as soon as one task is done, and says which ones are not."""

import asyncio


async def do_task(name, seconds):
    await asyncio.sleep(seconds)
    return f"{name} result"


def names(tasks):
    return sorted(task.get_name() for task in tasks)


async def main():
    pending = {
        asyncio.create_task(do_task(name, s), name=name) for name, s in [("A", 0.4), ("B", 0.2), ("C", 0.6)]
    }
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        print("done:", names(done), "pending:", names(pending), "result:", *(task.result() for task in done))


asyncio.run(main())
