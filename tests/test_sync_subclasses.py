"""Classes that users derive from locks and their like: what they override is used where asyncio uses it."""

import asyncio
import threading
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns


def recording(class_: Any, *methods: str) -> Any:
    """A subclass that notes the calls of these methods, and then does as its base."""
    calls: list[str] = []

    def wrap(method: str) -> Any:
        base = getattr(class_, method)

        def plain(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(f"{method} {args[1:] if method == '__aexit__' else args} {kwargs}")
            return base(self, *args, **kwargs)

        return plain

    return type(f"Recording{class_.__name__}", (class_,), {**{m: wrap(m) for m in methods}, "calls": calls})


@pytest.mark.parametrize("name", ["Lock", "Semaphore", "BoundedSemaphore", "Condition"])
@same_in_every_mixture
def test_async_with_calls_what_is_overridden(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        thing = recording(getattr(aio, name), "acquire", "release", "locked")()
        async with thing:
            see(thing.calls, repr(thing))
        see(thing.calls, repr(thing))
        await thing.acquire()
        task = aio.create_task(thing.acquire(), name="waits")
        await turns(aio)
        thing.release()
        await task
        see(thing.calls, repr(thing))
        # What is set on the object itself counts as well.
        thing.release()
        del thing.calls[:]
        thing.acquire = lambda: aio.sleep(0, "not really")
        thing.release = lambda: see("not released")
        async with thing:
            see(repr(thing))

    see.run(main())


@same_in_every_mixture
def test_locks_that_do_more(aio: ModuleType, see: Witness) -> None:
    class Reentrant(aio.Lock):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.owner: Any = None
            self.depth = 0

        async def acquire(self) -> bool:
            task = asyncio.current_task()
            if self.owner is not task:
                await super().acquire()
                self.owner = task
            self.depth += 1
            return True

        def release(self) -> None:
            self.depth -= 1
            if not self.depth:
                self.owner = None
                super().release()

    class Named(aio.Lock):  # type: ignore[misc, name-defined]
        __slots__ = ("name",)

        def __init__(self, name: str, *, extra: int = 0) -> None:
            super().__init__()
            self.name = name
            self.extra = extra

        def __repr__(self) -> str:
            return f"Named {self.name} {self.locked()}"

        async def __aenter__(self) -> Any:
            await super().__aenter__()
            return self.name

    async def main() -> None:
        lock = Reentrant()

        async def nested(name: str) -> str:
            async with lock:
                async with lock:
                    await aio.sleep(0)
                    see(name, lock.depth)
            return name

        see(await aio.gather(nested("a"), nested("b")), lock.locked(), type(repr(lock)))
        named = Named("one", extra=2)
        async with named as value:
            see(value, repr(named), named.extra)

    see.run(main())


@same_in_every_mixture
def test_semaphores_that_do_more(aio: ModuleType, see: Witness) -> None:
    class Counting(aio.BoundedSemaphore):  # type: ignore[misc, name-defined]
        def __init__(self, value: int = 1) -> None:
            super().__init__(value)
            self.most = self.inside = 0

        async def acquire(self) -> bool:
            result: bool = await super().acquire()
            self.inside += 1
            self.most = max(self.most, self.inside)
            return result

        def release(self) -> None:
            super().release()
            self.inside -= 1

    async def main() -> None:
        semaphore = Counting(2)

        async def use() -> None:
            async with semaphore:
                await turns(aio, 2)

        await aio.gather(*(use() for _ in range(5)))
        see(semaphore.most, semaphore.inside, repr(semaphore))
        see.attempt(semaphore.release)
        see(semaphore.inside, isinstance(semaphore, aio.Semaphore))

    see.run(main())


@same_in_every_mixture
def test_events_that_do_more(aio: ModuleType, see: Witness) -> None:
    class AutoReset(aio.Event):  # type: ignore[misc, name-defined]
        async def wait(self) -> bool:
            result: bool = await super().wait()
            self.clear()
            return result

        def is_set(self) -> bool:
            see("is_set")
            return super().is_set()

        def set(self) -> None:
            see("set")
            super().set()

    async def main() -> None:
        event = AutoReset()
        cast = Cast(aio)
        cast.start("a", event.wait)
        cast.start("b", event.wait)
        await turns(aio)
        event.set()
        await turns(aio, 2)
        see(cast.trace, repr(event))
        event.set()
        see(await event.wait(), event.is_set(), repr(event))
        await cast.end()

    see.run(main())


class Duck:
    """Quacks like a lock."""

    def __init__(self, aio: Any) -> None:
        self.lock = aio.Lock()
        self.calls: list[str] = []

    def locked(self) -> bool:
        self.calls.append("locked")
        return self.lock.locked()

    async def acquire(self) -> str:
        self.calls.append("acquire")
        await self.lock.acquire()
        return "quack"

    def release(self) -> str:
        self.calls.append("release")
        self.lock.release()
        return "quack"


LOCKS: dict[str, Any] = {
    "a lock of the same kind": lambda aio: aio.Lock(),
    "a stock lock": lambda aio: asyncio.locks.Lock(),
    "a native lock": lambda aio: roundelay.Lock(),
    "a derived lock": lambda aio: recording(aio.Lock, "acquire", "release", "locked")(),
    "a duck": Duck,
    "a semaphore": lambda aio: aio.Semaphore(1),
}


@pytest.mark.parametrize("kind", LOCKS)
@same_in_every_mixture
def test_a_condition_over_a_given_lock(aio: ModuleType, see: Witness, kind: str) -> None:
    async def main() -> None:
        lock = LOCKS[kind](aio)
        condition = aio.Condition(lock)
        cast = Cast(aio)

        async def wait() -> Any:
            async with condition as entered:
                assert entered is None
                return await condition.wait()

        for name in ("first", "second", "third"):
            cast.start(name, wait)
        await turns(aio, 2)
        see(condition.locked(), lock.locked())
        see.attempt(condition.notify)
        see(await condition.acquire())
        see(condition.locked(), lock.locked())
        see(condition.release())
        await lock.acquire()
        condition.notify()
        cast.cancel("second")
        await turns(aio, 2)
        lock.release()
        await turns(aio, 3)
        see(cast.trace, repr(condition).split("[")[-1])
        async with condition:
            condition.notify_all()
        await cast.end()
        see(cast.trace, getattr(lock, "calls", None))

    see.run(main())


@same_in_every_mixture
def test_two_conditions_over_one_lock(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        lock = aio.Lock()
        full, empty = aio.Condition(lock), aio.Condition(lock=lock)
        items: list[int] = []
        trace: list[str] = []

        async def produce() -> None:
            for item in range(4):
                async with full:
                    await full.wait_for(lambda: len(items) < 1)
                    items.append(item)
                    trace.append(f"put {item}")
                    empty.notify()

        async def consume() -> None:
            for _ in range(4):
                async with empty:
                    await empty.wait_for(lambda: items)
                    trace.append(f"got {items.pop()}")
                    full.notify()

        await aio.gather(produce(), consume())
        see(trace, repr(lock), repr(full), repr(empty))

    see.run(main())


@same_in_every_mixture
def test_locks_that_are_no_locks(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for thing in (1, object(), threading.Lock(), aio.Event()):
            try:
                condition = aio.Condition(thing)
            except (AttributeError, TypeError) as error:
                see("not made", type(error).__name__)
                continue
            for use in (condition.locked, condition.release, condition.notify):
                try:
                    use()
                except (AttributeError, TypeError, RuntimeError) as error:
                    see("not used", type(error).__name__)
            try:
                await condition.acquire()
            except (AttributeError, TypeError) as error:
                see("not acquired", type(error).__name__)

    see.run(main())


@same_in_every_mixture
def test_a_derived_condition(aio: ModuleType, see: Witness) -> None:
    class Loud(aio.Condition):  # type: ignore[misc, name-defined]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.notes: list[str] = []

        async def wait(self) -> bool:
            self.notes.append("wait")
            return bool(await super().wait())

        def notify(self, n: int = 1) -> None:
            self.notes.append(f"notify {n}")
            super().notify(n)

    async def main() -> None:
        condition = Loud()
        state: list[int] = []

        async def wait() -> Any:
            async with condition:
                return await condition.wait_for(lambda: state)

        waiting = [aio.create_task(wait()) for _ in range(3)]
        await turns(aio, 2)
        async with condition:
            condition.notify_all()
        await turns(aio, 4)
        state.append(1)
        async with condition:
            condition.notify(2)
            condition.notify()
        see(await aio.gather(*waiting), condition.notes, repr(condition))

    see.run(main())


@same_in_every_mixture
def test_a_derived_barrier(aio: ModuleType, see: Witness) -> None:
    class Phases(aio.Barrier):  # type: ignore[misc, name-defined]
        phase = 0

        async def wait(self) -> int:
            position = int(await super().wait())
            if position == 0:
                self.phase += 1
            return position

    async def main() -> None:
        barrier = Phases(2)

        async def use() -> Any:
            async with barrier as first:
                pass
            return first, await barrier.wait()

        see(await aio.gather(use(), use()), barrier.phase, repr(barrier))

    see.run(main())


@same_in_every_mixture
def test_classes_with_other_bases(aio: ModuleType, see: Witness) -> None:
    class Mixin:
        def hello(self) -> str:
            return f"hello from {type(self).__name__}"

    class Left(Mixin, aio.Lock):  # type: ignore[misc, name-defined]
        pass

    class Right(aio.Event, Mixin):  # type: ignore[misc, name-defined]
        pass

    class Slotted(aio.Semaphore):  # type: ignore[misc, name-defined]
        __slots__ = ("slot",)

    async def main() -> None:
        left, right, slotted = Left(), Right(), Slotted(1)
        slotted.slot = 1
        slotted.other = 2  # asyncio's have a __dict__
        right.set()
        async with left, slotted:
            see(left.hello(), right.hello(), repr(left), repr(right), repr(slotted), await right.wait())
        see([base.__name__ for base in Left.__mro__ if base.__module__ == __name__])

    see.run(main())


@same_in_every_mixture
def test_init_that_does_not_call_its_base(aio: ModuleType, see: Witness) -> None:
    class Careless(aio.Lock):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    async def main() -> None:
        lock = Careless()
        try:
            async with lock:
                pass
        except AttributeError:
            pass  # asyncio's answer; a lock that works is as good
        see("survived")

    see.run(main())
