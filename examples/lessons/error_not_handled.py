"""An error that nobody handles ends the program, through gather() and main(); the other task is cancelled."""

import asyncio


async def works():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        print("works: cancelled, as the program is ending")
        raise


async def fails():
    await asyncio.sleep(0.1)
    raise RuntimeError("nobody handles this")


async def main():
    await asyncio.gather(works(), fails())
    print("never printed")


asyncio.run(main())
