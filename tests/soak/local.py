"""What the soak does without its servers: processes, pipes, threads, and tasks that coordinate."""

import asyncio
import os
import signal
import sys

from clients import Client, Scenario, Wrong


async def process_output(client: Client) -> int:
    data = client.data(50_000)
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(data)
    if (output, process.returncode) != (data, 0):
        raise Wrong("cat did not give back what it was given")
    return len(data)


async def process_killed(client: Client) -> int:
    process = await asyncio.create_subprocess_exec("sleep", "60", stdout=asyncio.subprocess.PIPE)
    waiter = asyncio.create_task(process.wait())
    await asyncio.sleep(client.random.random() * 0.005)
    process.kill()
    if await waiter != -signal.SIGKILL:
        raise Wrong(f"a killed process ended with {process.returncode}")
    return 0


async def process_status(client: Client) -> int:
    process = await asyncio.create_subprocess_shell("exit 3", stderr=asyncio.subprocess.DEVNULL)
    if await process.wait() != 3:
        raise Wrong(f"the shell ended with {process.returncode}")
    return 0


async def pipes(client: Client) -> int:
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0))
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(writing, "wb", 0))
    data = client.data()
    transport.write(data)
    transport.close()
    if await reader.read() != data:
        raise Wrong("what went through a pipe is changed")
    return len(data)


async def threads(client: Client) -> int:
    loop = asyncio.get_running_loop()
    numbers = [client.random.getrandbits(30) for _ in range(10)]
    done = asyncio.Event()

    def work(number: int) -> int:
        loop.call_soon_threadsafe(done.set)
        return number**2

    if await asyncio.gather(*(asyncio.to_thread(work, number) for number in numbers)) != [
        number**2 for number in numbers
    ]:
        raise Wrong("threads gave back something else")
    await done.wait()
    await loop.getaddrinfo("127.0.0.1", client.random.randint(1, 60000))
    return 0


async def queues(client: Client) -> int:
    queue: asyncio.Queue[int] = asyncio.Queue(5)
    limit = asyncio.Semaphore(3)
    seen: list[int] = []

    async def consume() -> None:
        while True:
            item = await queue.get()
            async with limit:
                await asyncio.sleep(0)
                seen.append(item)
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _ in range(5)]
    for number in range(200):
        await queue.put(number)
    await queue.join()
    for task in consumers:
        task.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    if sorted(seen) != list(range(200)):
        raise Wrong("a queue lost or doubled something")
    return 0


async def groups(client: Client) -> int:
    """A task group one of whose tasks fails, while others wait for what never comes."""

    class Failure(Exception):
        pass

    async def fail() -> None:
        await asyncio.sleep(client.random.random() * 0.002)
        raise Failure

    event = asyncio.Event()
    failures: tuple[BaseException, ...] = ()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(event.wait())
                group.create_task(asyncio.sleep(100))
            group.create_task(fail())
    except* Failure as found:
        failures = found.exceptions
    if len(failures) != 1:
        raise Wrong("the group did not fail as it should")
    return 0


async def timers(client: Client) -> int:
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(1000, sys.exit) for _ in range(200)]
    order: list[int] = []
    for number in range(5):
        loop.call_later(number * 0.0005, order.append, number)
    await asyncio.sleep(0.004)
    for handle in handles:
        handle.cancel()
    while len(order) < 5:
        await asyncio.sleep(0.001)
    if order != sorted(order):
        raise Wrong(f"timers ran in the order {order}")
    return 0


# Of a hundred; those of processes are dear.
LOCAL: dict[Scenario, int] = {
    process_output: 1,
    process_killed: 1,
    process_status: 1,
    pipes: 3,
    threads: 2,
    queues: 2,
    groups: 2,
    timers: 2,
}
