"""Locks, events, conditions, semaphores and barriers used wrongly: asyncio's errors at asyncio's moments."""

import gc
import warnings
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns


@same_in_every_mixture
def test_release_of_what_nobody_holds(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        lock, condition = aio.Lock(), aio.Condition()
        for thing in (lock, condition):
            see.attempt(thing.release)
            await thing.acquire()
            see.attempt(thing.release)
            see.attempt(thing.release)
            see(repr(thing), thing.locked())
        bounded = aio.BoundedSemaphore(2)
        see.attempt(bounded.release)
        await bounded.acquire()
        see.attempt(bounded.release)
        see.attempt(bounded.release)
        see(repr(bounded))
        semaphore = aio.Semaphore(0)
        see.attempt(semaphore.release)
        see.attempt(semaphore.release)
        see(repr(semaphore), semaphore.locked())

    see.run(main())


@same_in_every_mixture
def test_notify_without_the_lock(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        condition = aio.Condition()
        see.attempt(condition.notify)
        see.attempt(condition.notify, 0)
        see.attempt(condition.notify_all)
        await see.attempt_await(condition.wait())
        await see.attempt_await(condition.wait_for(lambda: see("asked") or True))
        await see.attempt_await(condition.wait_for(lambda: see("asked") or False))
        await condition.acquire()
        for count in (0, -1, 1, 5, True, 1.5):
            see.attempt(condition.notify, count)
        see.attempt(condition.notify, n=2)
        see.attempt(condition.notify_all)
        condition.release()
        see(repr(condition))

    see.run(main())


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", None, [], -2.5, 0.0], ids=repr)
@same_in_every_mixture
def test_how_many_are_notified_by_odd_counts(aio: ModuleType, see: Witness, count: Any) -> None:
    async def main() -> None:
        condition = aio.Condition()
        cast = Cast(aio)

        async def wait() -> Any:
            async with condition:
                return await condition.wait()

        for name in ("first", "second", "third"):
            cast.start(name, wait)
        await turns(aio)
        async with condition:
            see.attempt(condition.notify, count)
        await cast.end()
        see(cast.trace)

    see.run(main())


VALUES: dict[str, Any] = {
    "-1": -1,
    "-0.5": -0.5,
    "0": 0,
    "0.5": 0.5,
    "1": 1,
    "True": True,
    "1.5": 1.5,
    "10 ** 30": 10**30,
    "a text": "1",
    "None": None,
    "a list": [1],
    "nan": float("nan"),
    "inf": float("inf"),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
@same_in_every_mixture
def test_odd_values_of_semaphores(aio: ModuleType, see: Witness, name: str, value: str) -> None:
    async def main() -> None:
        made = see.attempt(getattr(aio, name), VALUES[value])
        if isinstance(made, Exception):
            return
        see(repr(made))
        see.attempt(made.locked)
        if made.locked() is False:
            await see.attempt_await(made.acquire())
            see(repr(made))
            see.attempt(made.release)
        see(repr(made))

    see.run(main())


@pytest.mark.parametrize("value", VALUES)
@same_in_every_mixture
def test_odd_numbers_of_parties(aio: ModuleType, see: Witness, value: str) -> None:
    async def main() -> None:
        made = see.attempt(aio.Barrier, VALUES[value])
        if isinstance(made, Exception):
            return
        see(repr(made), made.parties, made.n_waiting, made.broken)
        if made.parties == 1:
            see(await made.wait())
            async with made as position:
                see(position, repr(made))

    see.run(main())


CALLS: dict[str, Any] = {
    "Lock(1)": lambda aio: aio.Lock(1),
    "Lock(loop=None)": lambda aio: aio.Lock(loop=None),
    "Event(1)": lambda aio: aio.Event(1),
    "Event(loop=None)": lambda aio: aio.Event(loop=None),
    "Condition(lock=1)": lambda aio: aio.Condition(lock=1),
    "Condition(object())": lambda aio: aio.Condition(object()),
    "Condition(None, None)": lambda aio: aio.Condition(None, None),
    "Condition(loop=None)": lambda aio: aio.Condition(loop=None),
    "Semaphore(1, 2)": lambda aio: aio.Semaphore(1, 2),
    "Semaphore(loop=None)": lambda aio: aio.Semaphore(loop=None),
    "Semaphore(value=2)": lambda aio: aio.Semaphore(value=2),
    "BoundedSemaphore(1, 2)": lambda aio: aio.BoundedSemaphore(1, 2),
    "BoundedSemaphore(value=2)": lambda aio: aio.BoundedSemaphore(value=2),
    "BoundedSemaphore()": lambda aio: aio.BoundedSemaphore(),
    "BoundedSemaphore(None)": lambda aio: aio.BoundedSemaphore(None),
    "Barrier()": lambda aio: aio.Barrier(),
    "Barrier(parties=2)": lambda aio: aio.Barrier(parties=2),
    "Barrier(2, 3)": lambda aio: aio.Barrier(2, 3),
    "Barrier(1, loop=None)": lambda aio: aio.Barrier(1, loop=None),
    "acquire(1)": lambda aio: aio.Lock().acquire(1),
    "release(1)": lambda aio: aio.Lock().release(1),
    "locked(1)": lambda aio: aio.Lock().locked(1),
    "locked(x=1)": lambda aio: aio.Lock().locked(x=1),
    "set(1)": lambda aio: aio.Event().set(1),
    "clear(1)": lambda aio: aio.Event().clear(1),
    "is_set(1)": lambda aio: aio.Event().is_set(1),
    "wait(1)": lambda aio: aio.Event().wait(1),
    "Condition.acquire(1)": lambda aio: aio.Condition().acquire(1),
    "notify(1, 2)": lambda aio: aio.Condition().notify(1, 2),
    "notify(m=1)": lambda aio: aio.Condition().notify(m=1),
    "notify_all(1)": lambda aio: aio.Condition().notify_all(1),
    "wait_for()": lambda aio: aio.Condition().wait_for(),
    "wait_for(1, 2)": lambda aio: aio.Condition().wait_for(1, 2),
    "Semaphore.release(1)": lambda aio: aio.Semaphore().release(1),
    "Semaphore.acquire(1)": lambda aio: aio.Semaphore().acquire(1),
    "Barrier.wait(1)": lambda aio: aio.Barrier(1).wait(1),
    "Barrier.reset(1)": lambda aio: aio.Barrier(1).reset(1),
    "Barrier.abort(1)": lambda aio: aio.Barrier(1).abort(1),
    "__aexit__()": lambda aio: aio.Lock().__aexit__(),
    "__aenter__(1)": lambda aio: aio.Lock().__aenter__(1),
    "parties is set": lambda aio: setattr(aio.Barrier(1), "parties", 2),
    "broken is set": lambda aio: setattr(aio.Barrier(1), "broken", True),
    "n_waiting is set": lambda aio: setattr(aio.Barrier(1), "n_waiting", True),
}


@pytest.mark.parametrize("call", CALLS)
@same_in_every_mixture
def test_wrong_arguments(aio: ModuleType, see: Witness, call: str) -> None:
    result = see.attempt(CALLS[call], aio)
    if hasattr(result, "close"):
        result.close()


@same_in_every_mixture
def test_with_instead_of_async_with(aio: ModuleType, see: Witness) -> None:
    def use(thing: Any) -> None:
        with thing:
            pass

    async def main() -> None:
        for name in ("Lock", "Condition", "Semaphore", "BoundedSemaphore", "Event"):
            thing = getattr(aio, name)()
            see.attempt(use, thing)
            # Once upon a time a lock could be awaited.
            see.attempt(lambda thing=thing: thing.__await__())
            see.attempt(lambda thing=thing: iter(thing))
            await see.attempt_await(thing)

        async def use_event() -> None:
            async with aio.Event():
                pass

        await see.attempt_await(use_event())

    see.run(main())


CALLS_THAT_WAIT: dict[str, Any] = {
    "Lock.acquire": lambda aio: aio.Lock().acquire(),
    "Lock.__aenter__": lambda aio: aio.Lock().__aenter__(),
    "Lock.__aexit__": lambda aio: aio.Lock().__aexit__(None, None, None),
    "Event.wait": lambda aio: aio.Event().wait(),
    "Condition.acquire": lambda aio: aio.Condition().acquire(),
    "Condition.wait": lambda aio: aio.Condition().wait(),
    "Condition.wait_for": lambda aio: aio.Condition().wait_for(bool),
    "Semaphore.acquire": lambda aio: aio.Semaphore().acquire(),
    "BoundedSemaphore.acquire": lambda aio: aio.BoundedSemaphore().acquire(),
    "Barrier.wait": lambda aio: aio.Barrier(2).wait(),
    "Barrier.reset": lambda aio: aio.Barrier(2).reset(),
    "Barrier.abort": lambda aio: aio.Barrier(2).abort(),
    "Queue.get": lambda aio: aio.Queue().get(),
    "Queue.put": lambda aio: aio.Queue().put(1),
    "Queue.join": lambda aio: aio.Queue().join(),
    "TaskGroup.__aenter__": lambda aio: aio.TaskGroup().__aenter__(),
    "TaskGroup.__aexit__": lambda aio: aio.TaskGroup().__aexit__(None, None, None),
    "Timeout.__aenter__": lambda aio: aio.Timeout(None).__aenter__(),
    "wait": lambda aio: aio.wait([]),
    "wait_for": lambda aio: aio.wait_for(None, 1),
    "to_thread": lambda aio: aio.to_thread(print),
}


@pytest.mark.parametrize("call", CALLS_THAT_WAIT)
@same_in_every_mixture
def test_calls_that_nobody_awaits(aio: ModuleType, see: Witness, call: str) -> None:
    coro = CALLS_THAT_WAIT[call](aio)
    see(repr(coro), coro.__name__, coro.__qualname__, type(coro).__name__)
    see(aio.iscoroutine(coro), callable(coro))
    del coro
    gc.collect()


@pytest.mark.parametrize("call", CALLS_THAT_WAIT)
@same_in_every_mixture
def test_calls_that_are_closed_unawaited(aio: ModuleType, see: Witness, call: str) -> None:
    coro = CALLS_THAT_WAIT[call](aio)
    see.attempt(coro.close)
    see.attempt(coro.close)
    see.attempt(coro.send, None)
    see.attempt(coro.throw, ValueError("after the end"))
    coro = CALLS_THAT_WAIT[call](aio)
    see.attempt(coro.send, "to the unstarted")
    see.attempt(coro.throw, ValueError("at the start"))
    see.attempt(coro.send, None)
    del coro
    gc.collect()


@same_in_every_mixture
def test_one_call_awaited_twice(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        lock, event = aio.Lock(), aio.Event()
        coro = lock.acquire()
        see(await coro, lock.locked())
        await see.attempt_await(coro)
        await see.attempt_await(coro)
        see(lock.locked())
        # Two tasks await one call at the same time.
        coro = event.wait()

        async def wait() -> Any:
            return await coro

        tasks = [aio.create_task(wait(), name=name) for name in ("one", "two")]
        await turns(aio, 2)
        event.set()
        for task in tasks:
            await see.attempt_await(task)

    see.run(main())


@same_in_every_mixture
def test_a_predicate_that_fails(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        condition = aio.Condition()

        def fails() -> bool:
            raise ValueError("no answer")

        async with condition:
            await see.attempt_await(condition.wait_for(fails))
            await see.attempt_await(condition.wait_for(1))
            see(condition.locked())
            for answer in (1, "yes", [0]):
                see(await condition.wait_for(lambda answer=answer: answer))
        see(repr(condition))

    see.run(main())


@same_in_every_mixture
def test_used_without_a_loop(aio: ModuleType, see: Witness) -> None:
    """Whatever need not wait works without a loop; what must wait says that there is none."""

    def drive(coro: Any) -> None:
        try:
            coro.send(None)
        except StopIteration as stop:
            see("gave", stop.value)
        except Exception as error:
            see("raised", error)
        else:
            see("waits")
            coro.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lock, event, semaphore = aio.Lock(), aio.Event(), aio.Semaphore()
        condition, barrier = aio.Condition(), aio.Barrier(2)
        for coro in (lock.acquire, lock.acquire, semaphore.acquire, semaphore.acquire, event.wait):
            drive(coro())
        see.attempt(lock.release)
        event.set()
        drive(event.wait())
        drive(condition.acquire())
        drive(condition.wait())
        drive(barrier.wait())
        drive(barrier.reset())
        drive(barrier.abort())
        for thing in (lock, event, semaphore, condition, barrier):
            see(repr(thing))


@same_in_every_mixture
def test_init_called_again(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        lock, semaphore, event = aio.Lock(), aio.Semaphore(2), aio.Event()
        await lock.acquire()
        await semaphore.acquire()
        event.set()
        lock.__init__()
        semaphore.__init__(5)
        event.__init__()
        see(repr(lock), repr(semaphore), repr(event))

    see.run(main())


@same_in_every_mixture
def test_objects_made_without_init(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for name, methods in (
            ("Lock", ("locked", "release", "__repr__")),
            ("Event", ("is_set", "set", "clear", "__repr__")),
            ("Semaphore", ("locked", "release", "__repr__")),
            ("Condition", ("locked", "release", "notify", "notify_all", "__repr__")),
        ):
            class_ = getattr(aio, name)
            for method in methods:
                raw = class_.__new__(class_)
                try:
                    getattr(raw, method)()
                except Exception:  # asyncio misses its attributes; that it is an error at most is all
                    pass
        see("survived")

    see.run(main())
