"""Runs random asyncio programs until time is up, and checks after each that everything it made is gone.

    python stress.py SEED SECONDS [asyncio]

Started by test_stress.py with a debugging allocator. Each round runs on a new loop: a crowd of tasks does
whatever the dice say, everything is cancelled in the middle of it, and the loop is closed. Afterwards no
task, future, handle, coroutine or frame may be left, no descriptor may be open, and memory may not grow from
round to round.
"""

import asyncio
import contextvars
import faulthandler
import functools
import gc
import itertools
import os
import random
import statistics
import sys
import threading
import time
import warnings
import weakref
from collections import Counter
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

import roundelay

# The collector runs this often, so that it meets objects in every state.
GC_THRESHOLD = 7
TASKS = 120
TURNS = 40
DEPTH = 5

TAG: contextvars.ContextVar[Any] = contextvars.ContextVar("tag")


# Reports of exceptions that no program raises on purpose.
unexpected: list[str] = []


class Oops(Exception):
    pass


class Payload:
    """An argument and result whose references are counted at the end."""


@functools.cache
def own_classes(aio: Any) -> tuple[Any, Any]:
    """A task and a future as users derive them."""

    class OwnTask(aio.Task):
        def __init__(self, *args: Any, note: str = "", **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.note = note
            self.itself = self

    class OwnFuture(aio.Future):
        pass

    return OwnTask, OwnFuture


class Round:
    """One random program on one loop."""

    def __init__(self, aio: Any, seed: str) -> None:
        self.aio = aio
        self.rng = random.Random(seed)
        self.payload = Payload()
        self.tasks: list[Any] = []
        self.futures: list[Any] = []
        self.made: list[weakref.ref[Any]] = []
        self.thread: Any = None

        self.own_task, self.own_future = own_classes(aio)

    def run(self) -> None:
        loop = self.loop = self.aio.new_event_loop()
        loop.set_debug(self.rng.random() < 0.2)
        # Slow callbacks and the like are not what this is about.
        loop.slow_callback_duration = 1000
        loop.set_exception_handler(self.report)
        try:
            main = loop.create_task(self.main())
            loop.run_until_complete(main)
            if self.rng.random() < 0.7:
                self.cancel_all()
                loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            # What is still pending now is dropped as it is.
            loop.close()
            if self.thread is not None:
                self.thread.join()

    def report(self, loop: Any, context: dict[str, Any]) -> None:
        if not isinstance(
            context.get("exception"), Oops | asyncio.CancelledError | asyncio.InvalidStateError | None
        ):
            unexpected.append(repr(context))

    def cancel_all(self) -> None:
        for _ in range(20):
            pending = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
            if not pending:
                break
            for task in pending:
                task.cancel()
            self.loop.run_until_complete(self.aio.sleep(0))
        for future in self.futures:
            if future.done() and not future.cancelled():
                future.exception()

    async def main(self) -> None:
        for _ in range(4):
            self.spawn(0)
        self.thread = threading.Thread(target=self.meddle)
        self.thread.start()
        for turn in range(TURNS):
            await self.aio.sleep(0 if turn % 4 else 0.0005)
            if self.rng.random() < 0.3:
                self.spawn(0)
        self.thread.join()

    def meddle(self) -> None:
        """What another thread does meanwhile."""
        for number in range(10):
            try:
                self.loop.call_soon_threadsafe(self.shake, self.payload, number)
            except RuntimeError:
                break
            time.sleep(0.0002)

    def shake(self, payload: Any, number: int) -> None:
        if self.tasks and number % 3 == 0:
            self.rng.choice(self.tasks).cancel(payload)
        for future in self.futures[-3:]:
            if not future.done():
                future.set_result(payload)
                break

    def spawn(self, depth: int) -> Any:
        if len(self.tasks) >= TASKS:
            return self.new_future()
        coro = self.body(depth)
        kind = self.rng.random()
        context = contextvars.copy_context() if kind > 0.8 else None
        if kind < 0.2:
            task = self.own_task(coro, loop=self.loop, note="mine")
        elif kind < 0.3:
            task = self.aio.ensure_future(coro, loop=self.loop)
        elif kind < 0.4 and sys.version_info >= (3, 12):
            task = self.aio.Task(coro, loop=self.loop, eager_start=True)
        else:
            task = self.loop.create_task(coro, name=self.rng.choice([None, "named"]), context=context)
        return self.note(task, self.tasks)

    def new_future(self) -> Any:
        future = self.own_future(loop=self.loop) if self.rng.random() < 0.2 else self.loop.create_future()
        return self.note(future, self.futures)

    def note(self, future: Any, where: list[Any]) -> Any:
        where.append(future)
        self.made.append(weakref.ref(future))
        return future

    def some_future(self) -> Any:
        return (
            self.rng.choice(self.futures) if self.futures and self.rng.random() < 0.6 else self.new_future()
        )

    def anything(self) -> Any:
        return self.rng.choice([*self.tasks, *self.futures] or [self.new_future()])

    async def body(self, depth: int) -> Any:
        rng = self.rng
        token = TAG.set(self.payload) if rng.random() < 0.5 else None
        mine = TAG.get(None)
        local: dict[str, Any] = {"payload": self.payload, "task": asyncio.current_task()}
        local["cycle"] = local
        for _ in range(rng.randrange(1, 8)):
            action = rng.choice(ACTIONS)
            try:
                await action(self, depth)
            except asyncio.CancelledError:
                if rng.random() < 0.7:
                    raise
                asyncio.current_task().uncancel()  # type: ignore[union-attr]
            except (Oops, TimeoutError, asyncio.InvalidStateError) as error:
                if rng.random() < 0.3:
                    raise Oops(self.payload) from error
            assert TAG.get(None) is mine, "a task sees its own variables only"
        if token is not None and rng.random() < 0.5:
            TAG.reset(token)
        if rng.random() < 0.2:
            raise Oops(self.payload)
        return self.payload

    async def do_yield(self, depth: int) -> None:
        await self.aio.sleep(0)

    async def do_sleep(self, depth: int) -> None:
        assert await self.aio.sleep(self.rng.choice([0, 0.0001, 0.0005, 0.002]), self.payload) is self.payload

    async def do_spawn(self, depth: int) -> None:
        if depth < DEPTH:
            self.spawn(depth + 1)

    async def do_spawn_and_await(self, depth: int) -> None:
        if depth < DEPTH:
            await self.spawn(depth + 1)

    async def do_await(self, depth: int) -> None:
        async with asyncio.timeout(0.002):
            await self.some_future()

    async def do_set(self, depth: int) -> None:
        future = self.some_future()
        if not future.done():
            if self.rng.random() < 0.7:
                future.set_result(self.payload)
            else:
                future.set_exception(Oops(self.payload))

    async def do_cancel(self, depth: int) -> None:
        self.anything().cancel(self.rng.choice([None, self.payload, "message"]))

    async def do_gather(self, depth: int) -> None:
        if depth < DEPTH:
            makers = [self.spawn, lambda depth: self.some_future(), lambda depth: self.aio.sleep(0)]
            parts = [self.rng.choice(makers)(depth + 1) for _ in range(self.rng.randrange(4))]
            gathering = self.aio.gather(*parts, return_exceptions=self.rng.random() < 0.5)
            if self.rng.random() < 0.3:
                gathering.cancel(self.payload)
            if self.rng.random() < 0.7:
                async with asyncio.timeout(0.002):
                    await gathering

    async def do_shield(self, depth: int) -> None:
        async with asyncio.timeout(0.001):
            await asyncio.shield(self.some_future())

    async def do_wait_for(self, depth: int) -> None:
        await asyncio.wait_for(self.some_future(), self.rng.choice([0, 0.001]))

    async def do_wait(self, depth: int) -> None:
        await asyncio.wait(
            [self.some_future() for _ in range(3)], timeout=0.001, return_when=asyncio.FIRST_COMPLETED
        )

    async def do_group(self, depth: int) -> None:
        if depth >= DEPTH:
            return
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.rng.randrange(3)):
                    self.note(group.create_task(self.leaf()), self.tasks)
        except* Oops:
            pass

    async def leaf(self) -> Any:
        await self.aio.sleep(self.rng.choice([0, 0, 0.0005]))
        if self.rng.random() < 0.2:
            raise Oops(self.payload)
        return self.payload

    async def do_watch(self, depth: int) -> None:
        future, payload = self.some_future(), self.payload

        def callback(done: Any) -> None:
            assert done is future
            assert payload is not None

        for _ in range(self.rng.randrange(4)):
            future.add_done_callback(callback)
        if self.rng.random() < 0.3:
            future.remove_done_callback(callback)

    async def do_call(self, depth: int) -> None:
        handles = [
            self.loop.call_soon(self.called, self.payload),
            self.loop.call_soon(self.called),
            self.loop.call_later(0.0005, self.called, self.payload, self.payload),
            self.loop.call_later(1000, self.called, self.payload),
        ]
        self.rng.choice(handles).cancel()
        if self.rng.random() < 0.5:
            handles[-1].cancel()

    def called(self, *args: Any) -> None:
        if self.rng.random() < 0.1:
            raise Oops(self.payload)

    async def do_look(self, depth: int) -> None:
        """Look at everything that can be looked at, as debuggers do."""
        thing = self.anything()
        repr(thing)
        _ = thing._callbacks, thing._state, thing._loop, thing._cancel_message
        if isinstance(thing, asyncio.Task):
            _ = thing._fut_waiter, thing._must_cancel, thing.get_stack(), thing.get_name(), thing.get_coro()
            if sys.version_info >= (3, 12):
                thing.get_context()
        asyncio.all_tasks()

    async def do_drop(self, depth: int) -> None:
        """Forget tasks and futures in whatever state they are, half of them in cycles."""
        for things in (self.tasks, self.futures):
            if things:
                dropped = things.pop(self.rng.randrange(len(things)))
                if self.rng.random() < 0.5:
                    dropped.add_done_callback(lambda done, dropped=dropped: dropped)

    async def do_iterate(self, depth: int) -> None:
        async def numbers() -> Any:
            try:
                for number in range(4):
                    await self.aio.sleep(0)
                    yield number, self.payload
            finally:
                self.called()

        async for number, _ in numbers():
            if number == self.rng.randrange(5):
                break

    async def do_pipe(self, depth: int) -> None:
        reader, writer = os.pipe()
        try:
            readable = self.new_future()
            self.loop.add_reader(reader, lambda: readable.done() or readable.set_result(self.payload))
            os.write(writer, b"x")
            async with asyncio.timeout(1):
                await readable
        finally:
            self.loop.remove_reader(reader)
            os.close(reader)
            os.close(writer)

    async def do_queue(self, depth: int) -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue(1)
        lock = asyncio.Lock()
        producer = self.note(self.aio.create_task(queue.put(self.payload)), self.tasks)
        async with asyncio.timeout(0.005), lock:
            assert await queue.get() is self.payload
        producer.cancel()

    async def do_fail(self, depth: int) -> None:
        raise Oops(self.payload)


ACTIONS = [method for name, method in vars(Round).items() if name.startswith("do_")]

# Types whose objects all belong to the program; after a round there are as many as before.
COUNTED = (
    asyncio.Future,
    asyncio.Handle,
    asyncio.AbstractEventLoop,
    CoroutineType,
    GeneratorType,
    AsyncGeneratorType,
    FrameType,
    BaseException,
    contextvars.Token,
    Round,
    Payload,
)


def census() -> Counter[str]:
    return Counter(type(item).__name__ for item in gc.get_objects() if issubclass(type(item), COUNTED))


def one_round(aio: Any, seed: str) -> None:
    program = Round(aio, seed)
    payload, made = program.payload, program.made
    program.run()
    del program
    gc.collect()
    gc.collect()
    assert not unexpected, unexpected
    # As many as an object has that only this function knows. (How many that is depends on the version.)
    fresh = Payload()
    references = sys.getrefcount(payload) - sys.getrefcount(fresh)
    assert references == 0, f"{references} references to the payload are left: {gc.get_referrers(payload)}"
    left = [ref() for ref in made if ref() is not None]
    assert not left, f"{len(left)} tasks and futures are left: {left}"


def main(seed: str, seconds: float, aio: Any) -> None:
    faulthandler.enable()
    gc.set_threshold(GC_THRESHOLD, 5, 5)
    warnings.simplefilter("ignore")
    # Coroutines that are dropped in the middle may say that they ignored it, or look for their loop.
    sys.unraisablehook = lambda _: None
    end = time.monotonic() + seconds
    blocks: list[int] = []
    rounds = 0
    before: Any = None
    while time.monotonic() < end or rounds < 8:
        one_round(aio, f"{seed}/{rounds}")
        rounds += 1
        seen = census(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        if rounds == 3:
            # By now every cache is filled.
            before = seen
        elif rounds > 3:
            assert seen == before, f"after round {rounds}: {seen}, before {before}"
            blocks.append(sys.getallocatedblocks())
    # A jump now and then is a cache that fills, a module that is loaded; a leak is in every round.
    growth = statistics.median(after - before for before, after in itertools.pairwise(blocks))
    print(f"{rounds} rounds, {growth:.1f} blocks of memory more in each")
    # A round makes about a hundred tasks and thousands of handles, so what leaks once in a task shows at
    # once. The interpreter's own caches grow by a few blocks a round for some hundred rounds, with stock
    # asyncio too.
    assert growth < 30, f"memory grows: {blocks}"


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), asyncio if sys.argv[3:] == ["asyncio"] else roundelay)
