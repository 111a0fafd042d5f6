"""Queues that users derive: the hooks _init, _get and _put, and the methods that asyncio calls itself."""

import collections
import random
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns

each_class = pytest.mark.parametrize("name", ["Queue", "PriorityQueue", "LifoQueue"])


@same_in_every_mixture
def test_a_queue_without_duplicates(aio: ModuleType, see: Witness) -> None:
    class SetQueue(aio.Queue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            see("_init", maxsize)
            self._queue: Any = {}

        def _put(self, item: Any) -> None:
            see("_put", item)
            self._queue[item] = None

        def _get(self) -> Any:
            item = next(iter(self._queue))
            del self._queue[item]
            see("_get", item)
            return item

    async def main() -> None:
        queue = SetQueue(2)
        for item in "aab":
            await queue.put(item)
        see(queue.qsize(), queue.full(), str(queue))
        see(await queue.get(), queue.get_nowait(), queue.empty(), str(queue))
        cast = Cast(aio)
        cast.start("gets", queue.get)
        await turns(aio)
        await queue.put("c")
        await turns(aio, 2)
        see(cast.trace, str(queue), queue._unfinished_tasks)

    see.run(main())


@same_in_every_mixture
def test_a_queue_over_another_container(aio: ModuleType, see: Witness) -> None:
    class Shuffled(aio.Queue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            self.items: collections.Counter[Any] = collections.Counter()
            self.random = random.Random(5)

        def qsize(self) -> int:
            return self.items.total()

        def _put(self, item: Any) -> None:
            self.items[item] += 1

        def _get(self) -> Any:
            item = self.random.choice(sorted(self.items.elements()))
            self.items -= collections.Counter([item])
            return item

    async def main() -> None:
        queue = Shuffled(4)
        # empty() and full() have their own idea where the items are: what works in asyncio works.
        for item in "abca":
            see.attempt(queue.put_nowait, item)
        see.attempt(queue.put_nowait, "d")
        see(queue.qsize())
        see.attempt(queue.empty)
        for _ in range(5):
            see.attempt(queue.get_nowait)

    see.run(main())


@each_class
@same_in_every_mixture
def test_hooks_that_call_their_base(aio: ModuleType, see: Witness, name: str) -> None:
    class Watched(getattr(aio, name)):  # type: ignore[misc]
        def _init(self, maxsize: int) -> None:
            super()._init(maxsize)
            see("_init", maxsize, len(self._queue))

        def _put(self, item: Any) -> None:
            see("_put", item, len(self._queue))
            super()._put(item)

        def _get(self) -> Any:
            item = super()._get()
            see("_get", item, len(self._queue))
            return item

    async def main() -> None:
        queue = Watched(maxsize=2)
        queue.put_nowait(2)
        await queue.put(1)
        cast = Cast(aio)
        cast.start("puts", lambda: queue.put(3))
        await turns(aio)
        see(queue.get_nowait())
        await turns(aio)
        see(await queue.get(), await queue.get(), str(queue))
        cast.start("gets", queue.get)
        await turns(aio)
        queue.put_nowait(4)
        await cast.end()
        see(cast.trace, str(queue))

    see.run(main())


@each_class
@same_in_every_mixture
def test_which_methods_call_which(aio: ModuleType, see: Witness, name: str) -> None:
    """put() goes through put_nowait(), both through full(), and so on, as far as asyncio does."""
    depth = 0

    def wrapped(method: str) -> Any:
        base = getattr(getattr(aio, name), method)

        def call(self: Any, *args: Any) -> Any:
            nonlocal depth
            depth += 1
            see(depth, method, args)
            try:
                return base(self, *args)
            finally:
                depth -= 1

        return call

    methods = ("qsize", "empty", "full", "put_nowait", "get_nowait", "_put", "_get", "_init", "task_done")
    traced = type("Traced", (getattr(aio, name),), {method: wrapped(method) for method in methods})

    async def main() -> None:
        queue = traced(1)
        see("put")
        await queue.put(1)
        see("put that waits")
        task = aio.create_task(queue.put(2))
        await turns(aio)
        see("get")
        await queue.get()
        await task
        see("get_nowait")
        queue.get_nowait()
        see("get that waits")
        task = aio.create_task(queue.get())
        await turns(aio)
        see("put_nowait")
        queue.put_nowait(3)
        await task
        see("errors")
        see.attempt(queue.get_nowait)
        queue.put_nowait(4)
        see.attempt(queue.put_nowait, 5)
        see("join")
        for _ in range(4):
            queue.task_done()
        await queue.join()
        see("show")
        see(str(queue))

    see.run(main())


@same_in_every_mixture
def test_hooks_that_fail(aio: ModuleType, see: Witness) -> None:
    class Failing(aio.Queue):  # type: ignore[misc, name-defined]
        fails = False

        def _put(self, item: Any) -> None:
            if self.fails:
                raise ValueError(f"not {item}")
            super()._put(item)

        def _get(self) -> Any:
            if self.fails:
                raise KeyError("nothing for you")
            return super()._get()

    async def main() -> None:
        queue = Failing(1)
        await queue.put(1)
        cast = Cast(aio)
        cast.start("puts", lambda: queue.put(2))
        await turns(aio)
        queue.fails = True
        see.attempt(queue.get_nowait)
        await see.attempt_await(queue.get())
        see(str(queue), queue._unfinished_tasks)
        queue.fails = False
        see(queue.get_nowait())
        queue.fails = True
        await turns(aio, 2)
        see(cast.trace, str(queue), queue._unfinished_tasks)
        see.attempt(queue.put_nowait, 3)
        await see.attempt_await(queue.put(4))
        cast.start("gets", queue.get)
        await turns(aio)
        see.attempt(queue.put_nowait, 5)
        queue.fails = False
        queue.put_nowait(6)
        await cast.end()
        see(cast.trace, str(queue), queue._unfinished_tasks)

        class FailsAtOnce(aio.Queue):  # type: ignore[misc, name-defined]
            def _init(self, maxsize: int) -> None:
                raise ValueError(f"no queue of {maxsize}")

        see.attempt(FailsAtOnce, 7)

    see.run(main())


@same_in_every_mixture
def test_hooks_that_use_the_queue(aio: ModuleType, see: Witness) -> None:
    class Doubling(aio.Queue):  # type: ignore[misc, name-defined]
        def _put(self, item: Any) -> None:
            super()._put(item)
            if item > 1:
                self.put_nowait(item // 2)

        def _get(self) -> Any:
            item = super()._get()
            if item == 5:
                self.put_nowait(50)
            return item

    async def main() -> None:
        queue = Doubling()
        cast = Cast(aio)
        for name in "abc":
            cast.start(name, queue.get)
        await turns(aio)
        queue.put_nowait(5)
        await cast.end()
        see(cast.trace, str(queue), queue._unfinished_tasks)

    see.run(main())


@same_in_every_mixture
def test_one_object_with_its_own_methods(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue()
        queue._put = lambda item: see("own _put", item)
        await queue.put(1)
        see(str(queue), queue.qsize())
        del queue._put
        queue.put_nowait(2)
        queue._get = lambda: "own _get"
        see(await queue.get(), queue.get_nowait(), str(queue))
        del queue._get
        queue.full = lambda: True
        see.attempt(queue.put_nowait, 3)

    see.run(main())


@same_in_every_mixture
def test_a_queue_with_other_state_and_signature(aio: ModuleType, see: Witness) -> None:
    class Closable(aio.Queue):  # type: ignore[misc, name-defined]
        def __init__(self, name: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.name = name
            self.closed = False

        def close(self) -> None:
            self.closed = True
            self.put_nowait(None)

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> Any:
            item = await self.get()
            if item is None:
                raise StopAsyncIteration
            return item

        def __len__(self) -> int:
            return int(self.qsize())

    async def main() -> None:
        queue = Closable("lines", maxsize=10)

        async def produce() -> None:
            for item in "abc":
                await queue.put(item)
                await aio.sleep(0)
            queue.close()

        task = aio.create_task(produce())
        see([item async for item in queue], len(queue), queue.name)
        await task
        see(isinstance(queue, aio.Queue), bool(queue), str(queue))

    see.run(main())


@same_in_every_mixture
def test_generic_subclasses(aio: ModuleType, see: Witness) -> None:
    class Numbers(aio.Queue[int]):  # type: ignore[misc, name-defined]
        pass

    async def main() -> None:
        queue = Numbers()
        queue.put_nowait(1)
        see(await queue.get(), str(queue), Numbers.__orig_bases__[0].__args__, Numbers.__mro__[1].__name__)
        see(str(aio.Queue[int](3)))

    see.run(main())


@same_in_every_mixture
def test_subclasses_of_subclasses_of_priority_queues(aio: ModuleType, see: Witness) -> None:
    class Stable(aio.PriorityQueue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            super()._init(maxsize)
            self.count = 0

        def _put(self, item: Any) -> None:
            self.count += 1
            super()._put((item["priority"], self.count, item))

        def _get(self) -> Any:
            return super()._get()[-1]

    class Bounded(Stable):
        def __init__(self) -> None:
            super().__init__(3)

    async def main() -> None:
        queue = Bounded()
        for priority in (2, 1, 2):
            queue.put_nowait({"priority": priority})
        see.attempt(queue.put_nowait, {"priority": 0})
        see([queue.get_nowait() for _ in range(3)], queue.count)

    see.run(main())
