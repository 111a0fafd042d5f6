"""Queues in use: order, sizes, tasks, errors, and everything that shows of their state."""

import asyncio
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns

each_class = pytest.mark.parametrize("name", ["Queue", "PriorityQueue", "LifoQueue"])


@each_class
@same_in_every_mixture
def test_items_come_in_the_order_of_the_class(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        queue = getattr(aio, name)()
        for item in (3, 1, 4, 1, 5, 9, 2, 6):
            queue.put_nowait(item)
            see(str(queue), queue.qsize())
        await queue.put(0)
        got = [queue.get_nowait() for _ in range(4)]
        queue.put_nowait(7)
        got += [await queue.get() for _ in range(queue.qsize())]
        see(got, queue.empty(), queue.full(), str(queue))

    see.run(main())


@each_class
@pytest.mark.parametrize("maxsize", [0, 1, 2, -1, 1.5, True, None, "2"], ids=repr)
@same_in_every_mixture
def test_sizes(aio: ModuleType, see: Witness, name: str, maxsize: Any) -> None:
    async def main() -> None:
        made = see.attempt(getattr(aio, name), maxsize)
        if isinstance(made, Exception):
            return
        see(str(made), made.maxsize, made.qsize(), made.empty())
        see.attempt(made.full)
        for item in range(3):
            see.attempt(made.put_nowait, item)
            see(str(made), made.qsize(), made.empty())
            see.attempt(made.full)
        for _ in range(4):
            see.attempt(made.get_nowait)
        for _ in range(4):
            see.attempt(made.task_done)

    see.run(main())


@same_in_every_mixture
def test_errors_of_the_impatient(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue(1)
        see.attempt(queue.get_nowait)
        see.attempt(queue.put_nowait, 1)
        see.attempt(queue.put_nowait, 2)
        see(str(queue))
        see.attempt(queue.get_nowait)
        see.attempt(queue.get_nowait)
        see(issubclass(aio.QueueEmpty, Exception), aio.QueueEmpty is asyncio.QueueEmpty)

    see.run(main())


@same_in_every_mixture
def test_items_that_cannot_be_compared(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.PriorityQueue()
        queue.put_nowait((1, "a"))
        see.attempt(queue.put_nowait, "text")
        see(str(queue), queue.qsize())
        see.attempt(queue.put_nowait, (1, None))
        see(queue.qsize(), queue._unfinished_tasks)
        # The item that failed is in the heap none the less.
        for _ in range(4):
            see.attempt(queue.get_nowait)
        see(str(queue))

    see.run(main())


@same_in_every_mixture
def test_comparisons_that_use_the_queue(aio: ModuleType, see: Witness) -> None:
    """An item's own comparison puts and gets while the heap is being ordered."""

    class Item:
        armed = False

        def __init__(self, value: int) -> None:
            self.value = value

        def __lt__(self, other: Any) -> bool:
            if Item.armed:
                Item.armed = False
                see("within", queue.qsize(), queue.get_nowait())
            return bool(self.value < other.value)

        def __repr__(self) -> str:
            return f"Item {self.value}"

    queue = aio.PriorityQueue()

    async def main() -> None:
        for value in (5, 3, 8, 1):
            queue.put_nowait(Item(value))
        Item.armed = True
        see.attempt(queue.put_nowait, Item(2))
        Item.armed = True
        see.attempt(queue.get_nowait)
        Item.armed = False
        # heapq promises nothing about the order now.
        see(sorted(queue.get_nowait().value for _ in range(queue.qsize())))

    see.run(main())


@each_class
@same_in_every_mixture
def test_producers_and_consumers(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        queue = getattr(aio, name)(2)
        trace: list[str] = []

        async def produce(start: int) -> None:
            for item in range(start, start + 4):
                await queue.put(item)
                trace.append(f"put {item} {queue.qsize()}")

        async def consume(name: str) -> None:
            while True:
                item = await queue.get()
                trace.append(f"{name} got {item} {queue.qsize()}")
                if item % 3 == 0:
                    await aio.sleep(0)
                queue.task_done()

        consumers = [aio.create_task(consume(one)) for one in ("x", "y")]
        await aio.gather(produce(10), produce(20), produce(30))
        await queue.join()
        for task in consumers:
            task.cancel()
        await aio.gather(*consumers, return_exceptions=True)
        see(trace, str(queue))

    see.run(main())


@same_in_every_mixture
def test_join_and_task_done(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue()
        see.attempt(queue.task_done)
        await queue.join()
        cast = Cast(aio)
        queue.put_nowait(1)
        queue.put_nowait(2)
        for name in "ab":
            cast.start(name, queue.join)
        await turns(aio)
        see.attempt(queue.task_done)
        await turns(aio)
        see(cast.trace, str(queue))
        queue.get_nowait()
        cast.cancel("a")
        see.attempt(queue.task_done)
        # Done and more work at once: who waits to join has been told.
        queue.put_nowait(3)
        await turns(aio, 2)
        see(cast.trace, str(queue))
        see.attempt(queue.task_done)
        see.attempt(queue.task_done)
        await cast.end()
        see(cast.trace, str(queue))

    see.run(main())


@same_in_every_mixture
def test_who_gets_what_when_many_wait(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue()
        cast = Cast(aio)
        for name in "abcd":
            cast.start(name, queue.get)
        await turns(aio)
        see(str(queue))
        queue.put_nowait(1)
        queue.put_nowait(2)
        # Woken, and robbed before it runs.
        see(queue.get_nowait(), str(queue))
        await turns(aio)
        see(cast.trace, str(queue))
        queue.put_nowait(3)
        cast.cancel("b")
        await turns(aio, 2)
        see(cast.trace, str(queue))
        cast.cancel("c")
        queue.put_nowait(4)
        await cast.end()
        see(cast.trace, str(queue))

    see.run(main())


@same_in_every_mixture
def test_who_puts_when_many_wait(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue(2)
        cast = Cast(aio)
        for name in "abcde":
            cast.start(name, lambda name=name: queue.put(name))
        await turns(aio)
        see(str(queue))
        see(queue.get_nowait())
        # Woken, and its place is taken before it runs.
        see.attempt(queue.put_nowait, "intruder")
        see.attempt(queue.put_nowait, "one too many")
        await turns(aio)
        see(cast.trace, str(queue))
        see(queue.get_nowait(), queue.get_nowait())
        cast.cancel("c")
        await turns(aio, 2)
        see(cast.trace, str(queue))
        see([queue.get_nowait() for _ in range(queue.qsize())])
        await cast.end()
        see(cast.trace, str(queue))

    see.run(main())


@same_in_every_mixture
def test_get_with_a_timeout_loses_nothing(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue()
        for _ in range(3):
            await see.attempt_await(aio.wait_for(queue.get(), 0.001))
        see(str(queue))
        queue.put_nowait("item")
        see(await aio.wait_for(queue.get(), 1000))
        waiting = aio.create_task(aio.wait_for(queue.get(), 1000))
        await turns(aio, 3)
        queue.put_nowait("late")
        waiting.cancel()
        await see.attempt_await(waiting)
        see(str(queue))

    see.run(main())


@same_in_every_mixture
def test_items_of_every_kind(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue()
        items = [None, False, 0, "", ValueError("an error"), StopIteration(1), (), aio.QueueEmpty]
        for item in items:
            await queue.put(item)
        see([await queue.get() for _ in items])
        cast = Cast(aio)
        for number in range(len(items)):
            cast.start(str(number), queue.get)
        await turns(aio)
        for item in items:
            queue.put_nowait(item)
        await cast.end()
        see(cast.trace)
        # It can hold itself, and shows that.
        queue.put_nowait(queue)
        see(queue.get_nowait() is queue)

    see.run(main())


@same_in_every_mixture
def test_shown_states(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for name in ("Queue", "PriorityQueue", "LifoQueue"):
            queue = getattr(aio, name)(1)
            see(repr(queue), str(queue))
            getters = [aio.create_task(queue.get()) for _ in range(2)]
            await turns(aio)
            see(repr(queue), str(queue))
            for task in getters:
                task.cancel()
            await turns(aio)
            see(repr(queue), str(queue))
            await queue.put("text")
            putter = aio.create_task(queue.put("more"))
            await turns(aio)
            see(repr(queue), str(queue))
            queue.get_nowait()
            see(repr(queue), str(queue))
            await putter
            queue.task_done()
            see(repr(queue), str(queue))

    see.run(main())
