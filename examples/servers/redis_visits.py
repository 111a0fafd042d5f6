"""Counts visits to pages in a Redis stream: several readers share the work, on redis-py.

    roundelay run examples/servers/redis_visits.py redis://localhost

Each visit is read by one reader of the group, which acknowledges it in the same transaction in which it
counts it. The keys are deleted at the end.
"""

import asyncio
import random
import sys

from redis.asyncio import Redis

VISITS = 2000
READERS = 4
STREAM, GROUP, SCORES = "visits", "counters", "visits-by-page"


async def visit(redis: Redis, pages: list[str]) -> None:
    """Write all visits, in batches: one answer is waited for, not a hundred."""
    for _ in range(VISITS // 100):
        async with redis.pipeline(transaction=False) as batch:
            for page in random.choices(pages, weights=range(len(pages), 0, -1), k=100):
                batch.xadd(STREAM, {"page": page})
            await batch.execute()
        await asyncio.sleep(0)


async def count(redis: Redis, name: str) -> int:
    """Read and count until nothing comes for a while; how many visits this reader had."""
    visits = 0
    while answer := await redis.xreadgroup(GROUP, name, {STREAM: ">"}, count=50, block=500):
        ((_, entries),) = answer
        async with redis.pipeline(transaction=True) as batch:
            for identity, fields in entries:
                batch.zincrby(SCORES, 1, fields["page"])
                batch.xack(STREAM, GROUP, identity)
            await batch.execute()
        visits += len(entries)
    return visits


async def main(address: str) -> None:
    pages = [f"/page/{number}" for number in range(10)]
    async with Redis.from_url(address, decode_responses=True) as redis:
        await redis.xgroup_create(STREAM, GROUP, mkstream=True)
        try:
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(count(redis, f"reader-{number}")) for number in range(READERS)]
                group.create_task(visit(redis, pages))
            print(f"{sum(reader.result() for reader in readers)} visits counted by {READERS} readers")
            for page, visits in await redis.zrevrange(SCORES, 0, 2, withscores=True):
                print(f"{int(visits):6} {page}")
        finally:
            await redis.delete(STREAM, SCORES)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
