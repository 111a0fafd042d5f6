"""Sends files to the service of aiohttp_word_count.py, several at a time, and prints what it says.

roundelay run examples/servers/aiohttp_client.py http://127.0.0.1:8080 *.md
"""

import asyncio
import sys
from pathlib import Path

import aiohttp

AT_ONCE = 8
TRIES = 3


async def count(session: aiohttp.ClientSession, slots: asyncio.Semaphore, path: Path) -> int:
    async with slots:
        for attempt in range(1, TRIES + 1):
            try:
                with path.open("rb") as file:
                    async with session.post("/count", data=file) as answer:
                        answer.raise_for_status()
                        return (await answer.json())["words"]
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientConnectorError):
                if attempt == TRIES:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")


async def main(address: str, paths: list[Path]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(address, timeout=timeout) as session:
        async with asyncio.TaskGroup() as group:
            tasks = {path: group.create_task(count(session, slots, path)) for path in paths}
        for path, task in tasks.items():
            print(f"{task.result():8} {path}")
        print(f"{sum(task.result() for task in tasks.values()):8} total")

        async with session.get("/most", params={"n": 3}) as answer:
            print("most frequent:", ", ".join(f"{word} ({times})" for word, times in await answer.json()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
