"""When the program ends before a task has, the task is cancelled: its last line is never printed."""

import asyncio


async def slow():
    print("slow: started")
    try:
        await asyncio.sleep(10)
        print("slow: finished")
    except asyncio.CancelledError:
        print("slow: cancelled")
        raise


async def main():
    task = asyncio.create_task(slow())
    await asyncio.sleep(0.1)
    print("main: ends without waiting for", "a finished task" if task.done() else "the task")


asyncio.run(main())
