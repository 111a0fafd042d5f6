"""The end of a queue, which Python 3.13 brought: who is told, and what can still be got."""

import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns

pytestmark = pytest.mark.skipif(sys.version_info < (3, 13), reason="queues shut down since 3.13")

each_class = pytest.mark.parametrize("name", ["Queue", "PriorityQueue", "LifoQueue"])
each_way = pytest.mark.parametrize("immediate", [False, True, 0, "yes"], ids=repr)


@each_class
@each_way
@same_in_every_mixture
def test_what_is_left_can_be_got(aio: ModuleType, see: Witness, name: str, immediate: Any) -> None:
    async def main() -> None:
        queue = getattr(aio, name)(3)
        for item in (2, 1):
            queue.put_nowait(item)
        see(queue.shutdown(immediate))
        see(str(queue), queue.qsize())
        see.attempt(queue.put_nowait, 3)
        await see.attempt_await(queue.put(4))
        see.attempt(queue.get_nowait)
        await see.attempt_await(queue.get())
        see.attempt(queue.get_nowait)
        await see.attempt_await(queue.get())
        see(str(queue), queue.empty(), queue.full())
        for _ in range(3):
            see.attempt(queue.task_done)
        await queue.join()
        see(queue.shutdown(immediate=immediate), str(queue))

    see.run(main())


@each_way
@same_in_every_mixture
def test_everyone_who_waits_is_told(aio: ModuleType, see: Witness, immediate: Any) -> None:
    async def main() -> None:
        for fill in (False, True):
            queue = aio.Queue(1)
            cast = Cast(aio)
            if fill:
                queue.put_nowait("there")
            for number in range(3):
                if fill:
                    cast.start(f"put {number}", lambda queue=queue, number=number: queue.put(number))
                else:
                    cast.start(f"get {number}", queue.get)
            cast.start("join", queue.join)
            await turns(aio)
            see(str(queue))
            cast.cancel(next(iter(cast.tasks)))
            queue.shutdown(immediate)
            see(str(queue))
            await turns(aio, 3)
            see(cast.trace, str(queue))
            await cast.end()
            see(cast.trace)

    see.run(main())


@same_in_every_mixture
def test_shut_down_with_work_unfinished(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for taken in range(4):
            queue = aio.Queue()
            cast = Cast(aio)
            for item in range(3):
                queue.put_nowait(item)
            for _ in range(taken):
                queue.get_nowait()
            cast.start("join", queue.join)
            await turns(aio)
            queue.shutdown(immediate=True)
            await turns(aio, 2)
            see(taken, cast.trace, str(queue), queue._unfinished_tasks)
            for _ in range(taken):
                see.attempt(queue.task_done)
            await turns(aio, 2)
            see(cast.trace)
            see.attempt(queue.task_done)

    see.run(main())


@same_in_every_mixture
def test_shut_down_twice_the_second_time_for_good(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue()
        queue.put_nowait(1)
        queue.put_nowait(2)
        queue.shutdown()
        see(await queue.get(), str(queue))
        queue.shutdown(immediate=True)
        await see.attempt_await(queue.get())
        see(str(queue))
        see.attempt(queue.task_done)
        await queue.join()

    see.run(main())


@same_in_every_mixture
def test_a_derived_queue_is_emptied_by_its_own_get(aio: ModuleType, see: Witness) -> None:
    class Watched(aio.Queue):  # type: ignore[misc, name-defined]
        def _get(self) -> Any:
            item = super()._get()
            see("_get", item)
            return item

        def empty(self) -> bool:
            see("empty")
            return bool(super().empty())

        def task_done(self) -> None:
            see("task_done")
            super().task_done()

    async def main() -> None:
        queue = Watched()
        for item in "ab":
            queue.put_nowait(item)
        queue.shutdown(immediate=True)
        see.attempt(queue.get_nowait)
        await queue.join()

    see.run(main())


@same_in_every_mixture
def test_the_error_of_a_queue_that_has_ended(aio: ModuleType, see: Witness) -> None:
    see(aio.QueueShutDown.__name__, aio.QueueShutDown.__mro__, aio.QueueShutDown.__module__)
    see(str(aio.QueueShutDown("text")))


@same_in_every_mixture
def test_consumers_that_end_by_themselves(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue(2)
        trace: list[str] = []

        async def consume(name: str) -> str:
            try:
                while True:
                    trace.append(f"{name} got {await queue.get()}")
                    queue.task_done()
                    await aio.sleep(0)
            except aio.QueueShutDown:
                return f"{name} ends"

        async def produce() -> None:
            for item in range(5):
                await queue.put(item)
            queue.shutdown()
            await queue.join()
            trace.append("joined")

        see(await aio.gather(consume("x"), consume("y"), produce()), trace, str(queue))

    see.run(main())
