"""Types of coordination, as a type checker sees them (mypy reads this file) and at run time."""

import asyncio
import typing
from typing import assert_type

import roundelay


class Numbers(roundelay.Queue[int]):
    """A queue that overrides the documented hooks, and says what is in it."""

    def _init(self, maxsize: int) -> None:
        self.numbers: list[int] = []

    def _put(self, item: int) -> None:
        self.numbers.append(-item)

    def _get(self) -> int:
        return -self.numbers.pop()

    def qsize(self) -> int:
        return len(self.numbers)

    def empty(self) -> bool:
        return not self.numbers


async def work(number: int) -> str:
    await roundelay.sleep(0)
    return str(number)


async def queues() -> None:
    queue: roundelay.Queue[int] = roundelay.Queue(1)
    of_asyncio: asyncio.Queue[int] = queue
    await of_asyncio.put(1)
    assert assert_type(await queue.get(), int) == 1
    heap: roundelay.PriorityQueue[tuple[int, str]] = roundelay.PriorityQueue()
    heap.put_nowait((1, "one"))
    assert assert_type(heap.get_nowait(), tuple[int, str]) == (1, "one")
    numbers = Numbers()
    await numbers.put(3)
    assert numbers.numbers == [-3]
    assert assert_type(await numbers.get(), int) == 3
    assert type(roundelay.LifoQueue[str](3)) is roundelay.LifoQueue


async def functions() -> None:
    async with roundelay.TaskGroup() as group:
        task = group.create_task(work(1))
    assert assert_type(await task, str) == "1"
    assert assert_type(await roundelay.wait_for(work(2), 1), str) == "2"
    assert assert_type(await roundelay.shield(work(3)), str) == "3"
    assert assert_type(await roundelay.to_thread(int, "4"), int) == 4
    done, pending = await roundelay.wait([task])
    assert assert_type(done.pop().result(), str) == "1"
    assert not assert_type(pending, set[asyncio.Task[str]])
    for coming in roundelay.as_completed([work(5)]):
        assert assert_type(await coming, str) == "5"
    assert assert_type(await roundelay.gather(work(6), work(7)), tuple[str, str]) is not None


async def locks() -> None:
    async with roundelay.timeout(1) as timeout:
        assert not assert_type(timeout, roundelay.Timeout).expired()
    async with roundelay.Lock() as nothing, roundelay.Semaphore(), roundelay.Condition() as condition:
        assert_type(nothing, None)
        assert_type(condition, None)
        assert nothing is condition is None
    event = roundelay.Event()
    event.set()
    assert await event.wait() is True


def test_what_is_said_of_types_is_so() -> None:
    async def main() -> None:
        await queues()
        await functions()
        await locks()

    roundelay.run(main())


def test_annotations_are_kept() -> None:
    def use(queue: roundelay.Queue[int], task: roundelay.Task[str], future: roundelay.Future[str]) -> None:
        pass

    hints = typing.get_type_hints(use)
    del hints["return"]
    arguments = {name: typing.get_args(hint) for name, hint in hints.items()}
    assert arguments == {"queue": (int,), "task": (str,), "future": (str,)}
    assert typing.get_origin(hints["queue"]) is roundelay.Queue
    assert Numbers.__orig_bases__ == (roundelay.Queue[int],)  # type: ignore[attr-defined]
