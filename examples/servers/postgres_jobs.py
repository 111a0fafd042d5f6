"""A queue of jobs in PostgreSQL, shared by several workers, on asyncpg.

    roundelay run examples/servers/postgres_jobs.py postgresql://USER@localhost/DATABASE

A job is taken by one worker, and is open again if that worker fails. Workers with nothing to do sleep
until the database tells them of new jobs. The table is made for the run and dropped after it.
"""

import asyncio
import sys
from collections import Counter

import asyncpg

JOBS = 200
WORKERS = 8

MAKE = "CREATE TABLE jobs (id serial PRIMARY KEY, number bigint NOT NULL, answer bigint)"
ADD = "INSERT INTO jobs (number) SELECT generate_series($1::bigint, $2::bigint)"
# Skips what other workers have locked, so that none of them waits for another.
TAKE = "SELECT id, number FROM jobs WHERE answer IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
FINISH = "UPDATE jobs SET answer = $2 WHERE id = $1"


async def do_one_job(pool: asyncpg.Pool) -> bool:
    """Take a job and do it; false if there is none."""
    async with pool.acquire() as connection, connection.transaction():
        job = await connection.fetchrow(TAKE)
        if job is not None:
            await connection.execute(FINISH, job["id"], job["number"] ** 2)
        return job is not None


async def work(name: int, pool: asyncpg.Pool, news: asyncio.Event, done: Counter[int]) -> None:
    while True:
        # Before looking, so that no news is lost: what comes while this worker looks sets it again.
        news.clear()
        while await do_one_job(pool):
            done[name] += 1
        if done.total() == JOBS:
            news.set()  # so that the others see it too
            return
        await news.wait()


async def main(address: str) -> None:
    news = asyncio.Event()
    done: Counter[int] = Counter()
    async with asyncpg.create_pool(address, min_size=1, max_size=WORKERS) as pool:
        await pool.execute(MAKE)
        listener = await asyncpg.connect(address)
        await listener.add_listener("jobs", lambda *_: news.set())
        try:
            async with asyncio.TaskGroup() as group:
                for name in range(WORKERS):
                    group.create_task(work(name, pool, news, done))
                for first in range(0, JOBS, 50):
                    await asyncio.sleep(0.05)
                    await pool.execute(ADD, first, first + 49)
                    await pool.execute("NOTIFY jobs")
            total = await pool.fetchval("SELECT sum(answer) FROM jobs")
            print(f"{done.total()} jobs, sum of their answers {total}")
        finally:
            await listener.close()
            await pool.execute("DROP TABLE jobs")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
