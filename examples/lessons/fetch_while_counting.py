"""An algorithm counts on while data is being fetched; the data is there before the counting has ended."""

import asyncio


async def fetch_data():
    print("Start fetching")
    await asyncio.sleep(2)  # As long as a slow network would take.
    print("Done fetching")
    return [1, 2, 3]


async def run_algorithm():
    for i in range(10):
        print(i)
        await asyncio.sleep(0.5)


async def main():
    data, _ = await asyncio.gather(fetch_data(), run_algorithm())
    print(data)


asyncio.run(main())
