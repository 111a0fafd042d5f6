"""Random programs over locks, semaphores, events, conditions and barriers, and a trace of all they did."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

TASKS = 7
STEPS = 12
TURNS = 120


class Boom(Exception):
    """Raised by predicates and bodies now and then."""


class SyncProgram:
    """One program, decided by its seed. `aio` offers the primitives, the loop is whoever runs it.

    Every choice comes from generators of its own (one for each task, one for the stage hand), so that two
    runs differ only if the primitives do.
    """

    def __init__(self, aio: Any, seed: int) -> None:
        self.aio = aio
        self.seed = seed
        self.trace: list[str] = []
        self.turn = 0

    def note(self, *what: Any) -> None:
        self.trace.append(f"{self.turn}: " + " ".join(map(str, what)))

    async def run(self) -> list[str]:
        aio, luck = self.aio, random.Random(f"{self.seed} hand")
        self.lock, self.event = aio.Lock(), aio.Event()
        self.semaphore = aio.Semaphore(luck.randrange(3))
        self.bounded = aio.BoundedSemaphore(luck.randrange(1, 3))
        self.condition, self.barrier = aio.Condition(), aio.Barrier(luck.randrange(1, 4))
        self.shared = aio.Condition(self.lock)
        self.number = 0
        tasks = [asyncio.create_task(self.live(name), name=f"t{name}") for name in range(TASKS)]
        for self.turn in range(TURNS):
            await asyncio.sleep(0)
            if luck.random() < 0.25:
                victim = luck.choice(tasks)
                self.note("cancel", victim.get_name(), victim.cancel("by the hand"))
            if luck.random() < 0.3:
                self.meddle(luck)
        for round in range(40):
            left = [task for task in tasks if not task.done()]
            if not left:
                break
            self.note("left", *(task.get_name() for task in left))
            for task in left:
                task.cancel(f"end {round}")
            for _ in range(3):
                self.turn += 1
                await asyncio.sleep(0)
        self.note("states", *(self.shown(thing) for thing in self.things()))
        self.note("done", *(task.done() and task.cancelled() for task in tasks))
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()
        return self.trace

    def things(self) -> tuple[Any, ...]:
        return (
            self.lock,
            self.event,
            self.semaphore,
            self.bounded,
            self.condition,
            self.barrier,
            self.shared,
        )

    @staticmethod
    def shown(thing: Any) -> str:
        return repr(thing).rpartition("[")[2]

    def meddle(self, luck: random.Random) -> None:
        """What somebody who is no task of the program may do."""
        what = luck.choice(
            (
                self.event.set,
                self.event.clear,
                self.semaphore.release,
                self.bounded.release,
                self.lock.release,
                self.condition.notify,
                self.shared.notify_all,
            )
        )
        try:
            what()
        except Exception as error:
            self.note("hand", what.__name__, repr(error))
        else:
            self.note("hand", what.__name__)
        self.note(*(self.shown(thing) for thing in self.things()))

    async def live(self, name: int) -> None:
        luck = random.Random(f"{self.seed} {name}")
        acts: list[Callable[[random.Random], Awaitable[Any]]] = [
            self.use_lock, self.use_semaphore, self.use_bounded, self.use_event, self.use_condition,
            self.use_shared, self.use_barrier, self.nest,
        ]  # fmt: skip
        for step in range(STEPS):
            act = luck.choice(acts)
            try:
                result = await act(luck)
            except asyncio.CancelledError as error:
                self.note(f"t{name}.{step}", act.__name__, "cancelled", *error.args, self.context(error))
                if luck.random() < 0.1:
                    raise
            except Exception as error:
                self.note(f"t{name}.{step}", act.__name__, repr(error), self.context(error))
            else:
                self.note(f"t{name}.{step}", act.__name__, result)

    @staticmethod
    def context(error: BaseException) -> str:
        chain, seen = [], {error}
        while (following := error.__context__) and following not in seen:
            seen.add(following)
            chain.append(repr(following))
            error = following
        return " after ".join(chain)

    async def pause(self, luck: random.Random) -> None:
        for _ in range(luck.randrange(3)):
            await asyncio.sleep(0)
        if luck.random() < 0.1:
            raise Boom(self.turn)

    async def use_lock(self, luck: random.Random) -> Any:
        async with self.lock as entered:
            await self.pause(luck)
        return entered

    async def use_semaphore(self, luck: random.Random) -> Any:
        if luck.random() < 0.5:
            async with self.semaphore:
                await self.pause(luck)
            return "with"
        result = await self.semaphore.acquire()
        if luck.random() < 0.7:
            self.semaphore.release()
        return result

    async def use_bounded(self, luck: random.Random) -> Any:
        async with self.bounded:
            await self.pause(luck)
            return self.bounded.locked()

    async def use_event(self, luck: random.Random) -> Any:
        match luck.randrange(4):
            case 0:
                self.event.set()
            case 1:
                self.event.clear()
            case _:
                return await self.event.wait()
        return self.event.is_set()

    async def use_condition(self, luck: random.Random, condition: Any = None) -> Any:
        condition = condition or self.condition
        async with condition:
            match luck.randrange(5):
                case 0:
                    condition.notify(luck.randrange(3))
                case 1:
                    self.number += 1
                    condition.notify_all()
                case 2:
                    limit = self.number + 1

                    def reached() -> bool:
                        if self.number == 3:
                            raise Boom("predicate")
                        return self.number >= limit

                    return await condition.wait_for(reached)
                case _:
                    return await condition.wait()
            return await self.pause(luck)

    async def use_shared(self, luck: random.Random) -> Any:
        return await self.use_condition(luck, self.shared)

    async def use_barrier(self, luck: random.Random) -> Any:
        match luck.randrange(7):
            case 0:
                return await self.barrier.reset()
            case 1:
                return await (self.barrier.abort() if luck.random() < 0.3 else self.barrier.reset())
            case 2:
                async with self.barrier as position:
                    await self.pause(luck)
                    return position
            case _:
                return await self.barrier.wait()

    async def nest(self, luck: random.Random) -> Any:
        async with self.bounded, self.lock:
            await self.pause(luck)
            try:
                async with asyncio.timeout(0):
                    await self.event.wait()
            except TimeoutError:
                return "too late"
            return "in time"
