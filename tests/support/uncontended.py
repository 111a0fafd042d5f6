"""What can be done with locks, queues, events and streams where nobody has to wait, round by round."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from support.streams import connected

# Says how often something is done, and looks at what was taken meanwhile.
Rounds = Iterable[None]
Use = Callable[[Any, Rounds], Coroutine[Any, Any, None]]


async def nothing(aio: Any, rounds: Rounds) -> None:
    for _ in rounds:
        pass


async def lock_as_context(aio: Any, rounds: Rounds) -> None:
    lock = aio.Lock()
    for _ in rounds:
        async with lock:
            pass


async def lock_by_calls(aio: Any, rounds: Rounds) -> None:
    lock = aio.Lock()
    for _ in rounds:
        await lock.acquire()
        lock.release()


async def semaphore_as_context(aio: Any, rounds: Rounds) -> None:
    semaphore = aio.Semaphore(2)
    for _ in rounds:
        async with semaphore:
            pass


async def semaphore_by_calls(aio: Any, rounds: Rounds) -> None:
    semaphore = aio.BoundedSemaphore(2)
    for _ in rounds:
        await semaphore.acquire()
        semaphore.release()


async def condition_as_context(aio: Any, rounds: Rounds) -> None:
    condition = aio.Condition()
    for _ in rounds:
        async with condition:
            condition.notify()


async def event_that_is_set(aio: Any, rounds: Rounds) -> None:
    event = aio.Event()
    event.set()
    for _ in rounds:
        await event.wait()


async def event_set_and_cleared(aio: Any, rounds: Rounds) -> None:
    event = aio.Event()
    for _ in rounds:
        event.set()
        await event.wait()
        event.clear()


async def queue(aio: Any, rounds: Rounds) -> None:
    queue = aio.Queue()
    for _ in rounds:
        await queue.put(None)
        await queue.get()


async def queue_with_a_limit(aio: Any, rounds: Rounds) -> None:
    queue = aio.Queue(2)
    for _ in rounds:
        await queue.put(None)
        await queue.get()
        queue.task_done()
        await queue.join()


async def queue_without_waiting(aio: Any, rounds: Rounds) -> None:
    queue = aio.Queue()
    for _ in rounds:
        queue.put_nowait(None)
        queue.get_nowait()


async def heap(aio: Any, rounds: Rounds) -> None:
    queue = aio.PriorityQueue()
    for item in (1, 2):  # a list of one item would give memory back
        await queue.put(item)
    for _ in rounds:
        await queue.put(0)
        await queue.get()


async def stack(aio: Any, rounds: Rounds) -> None:
    queue = aio.LifoQueue()
    for item in (1, 2):
        await queue.put(item)
    for _ in rounds:
        await queue.put(0)
        await queue.get()


async def stream_reads(aio: Any, rounds: Rounds) -> None:
    reader = aio.StreamReader(loop=aio.get_running_loop())
    # Read as a whole, so that nothing is made of it.
    line = b"a line that is read again and again\n"
    for _ in rounds:
        reader.feed_data(line)
        await reader.read(200)
        reader.feed_data(line)
        await reader.readexactly(36)
        reader.feed_data(line)
        await reader.readline()
        reader.feed_data(line)
        await reader.readuntil(b"again\n")


async def stream_writes(aio: Any, rounds: Rounds) -> None:
    _, writer, _, transport = connected(aio, lambda *_: None)
    transport.write = lambda data: None
    for _ in rounds:
        writer.write(b"data")
        await writer.drain()
    writer.close()


USES: dict[str, Use] = {
    use.__name__: use
    for use in (
        lock_as_context, lock_by_calls, semaphore_as_context, semaphore_by_calls, condition_as_context,
        event_that_is_set, event_set_and_cleared, queue, queue_with_a_limit, queue_without_waiting,
        heap, stack, stream_reads, stream_writes,
    )
}  # fmt: skip


def use_on_a_loop(aio: Any, use: Use, rounds: Rounds) -> None:
    loop = aio.new_event_loop()
    try:
        loop.run_until_complete(use(aio, rounds))
    finally:
        loop.close()
