"""What those who wait for a lock, event, condition, semaphore or barrier see: contexts, errors, order."""

import asyncio
import contextvars
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, same_in_every_mixture, turns

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@same_in_every_mixture
def test_waits_keep_the_context_of_their_task(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        lock, event, semaphore = aio.Lock(), aio.Event(), aio.Semaphore(0)
        condition, barrier, queue = aio.Condition(), aio.Barrier(2), aio.Queue()

        async def child(name: str, wait: Any) -> None:
            VARIABLE.set(name)
            await wait()
            see(name, VARIABLE.get())
            VARIABLE.set(f"{name}, changed")
            await aio.sleep(0)
            see(name, VARIABLE.get())

        async def notified() -> None:
            async with condition:
                await condition.wait_for(lambda: see("predicate", VARIABLE.get()) or event.is_set())

        await lock.acquire()
        waits = {
            "lock": lock.acquire, "event": event.wait, "semaphore": semaphore.acquire,
            "condition": notified, "barrier": barrier.wait, "queue": queue.get,
        }  # fmt: skip
        tasks = [aio.create_task(child(name, wait)) for name, wait in waits.items()]
        await turns(aio, 2)
        VARIABLE.set("main")
        lock.release()
        event.set()
        semaphore.release()
        queue.put_nowait(1)
        async with condition:
            condition.notify_all()
        await barrier.wait()
        await aio.gather(*tasks)
        see(VARIABLE.get())

    see.run(main())


@same_in_every_mixture
def test_async_with_frees_what_it_took(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for thing in (aio.Lock(), aio.Condition(), aio.Semaphore(), aio.BoundedSemaphore()):

            async def fails(thing: Any = thing) -> None:
                async with thing as entered:
                    see(entered, thing.locked())
                    raise ValueError("in the body")

            async def leaves_early(thing: Any = thing) -> str:
                for _ in range(2):
                    async with thing:
                        return "early"
                return "late"

            await see.attempt_await(fails())
            see(await leaves_early(), thing.locked())
            async with thing:
                task = aio.create_task(fails(), name="waits")
                await turns(aio)
                task.cancel("while it waits")
                await see.attempt_await(task)
                # Cancelled in the body, by its own hand.
            see(repr(thing))

            async def cancels_itself(thing: Any = thing) -> None:
                async with thing:
                    asyncio.current_task().cancel("by itself")
                    await aio.sleep(0)

            await see.attempt_await(aio.create_task(cancels_itself(), name="itself"))
            see(repr(thing))

    see.run(main())


@same_in_every_mixture
def test_the_body_frees_it_itself(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for name in ("Lock", "Condition", "BoundedSemaphore", "Semaphore"):
            thing = getattr(aio, name)()

            async def frees(thing: Any = thing) -> None:
                async with thing:
                    thing.release()

            async def frees_and_fails(thing: Any = thing) -> None:
                async with thing:
                    thing.release()
                    raise KeyError("first")

            await see.attempt_await(frees())
            await see.attempt_await(frees_and_fails())

    see.run(main())


@same_in_every_mixture
def test_any_task_may_release(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        lock = aio.Lock()
        await lock.acquire()

        async def releases() -> None:
            lock.release()

        cast = Cast(aio)
        cast.start("waits", lock.acquire)
        cast.start("releases", releases)
        await cast.end()
        see(cast.trace, repr(lock))
        asyncio.get_running_loop().call_soon(lock.release)
        await lock.acquire()
        see(repr(lock))

    see.run(main())


@same_in_every_mixture
def test_nobody_jumps_the_queue(aio: ModuleType, see: Witness) -> None:
    """Who releases and asks again at once comes behind those who wait."""

    async def main() -> None:
        for make in (aio.Lock, lambda: aio.Semaphore(1), lambda: aio.BoundedSemaphore(1), aio.Condition):
            thing = make()
            trace = []

            async def use(name: str, thing: Any = thing, trace: list[Any] = trace) -> None:
                for turn in range(3):
                    async with thing:
                        trace.append(f"{name}{turn}")
                        if name == "b":
                            await aio.sleep(0)
                    if name == "c":
                        await aio.sleep(0)

            await aio.gather(*(use(name) for name in "abcd"))
            see(trace, repr(thing))

    see.run(main())


@pytest.mark.parametrize("asks_while", ["somebody is woken", "somebody woken is cancelled"])
@same_in_every_mixture
def test_a_newcomer_between_release_and_wake_up(aio: ModuleType, see: Witness, asks_while: str) -> None:
    async def main() -> None:
        for make in (aio.Lock, lambda: aio.Semaphore(1)):
            thing = make()
            cast = Cast(aio)
            await thing.acquire()
            cast.start("woken", thing.acquire)
            cast.start("behind", thing.acquire)
            await turns(aio)
            thing.release()
            see(repr(thing), thing.locked())
            if asks_while == "somebody woken is cancelled":
                cast.cancel("woken")
            cast.start("newcomer", thing.acquire)
            # In the very turn of the release.
            coro = thing.acquire()
            try:
                see("waits", type(coro.send(None)).__name__)
            except StopIteration as stop:
                see("has it", stop.value)
            coro.close()
            for _ in range(3):
                await turns(aio, 2)
                see(repr(thing), cast.trace)
                see.attempt(thing.release)
            await cast.end()
            see(cast.trace, repr(thing))

    see.run(main())


@same_in_every_mixture
def test_released_many_times_in_one_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        semaphore = aio.Semaphore(0)
        cast = Cast(aio)
        for name in "abcd":
            cast.start(name, semaphore.acquire)
        await turns(aio)
        for _ in range(3):
            semaphore.release()
            see(repr(semaphore), semaphore.locked())
        cast.cancel("a")
        cast.cancel("c")
        await turns(aio, 2)
        see(cast.trace, repr(semaphore))
        semaphore.release()
        await cast.end()
        see(cast.trace, repr(semaphore))

    see.run(main())


@same_in_every_mixture
def test_an_event_set_and_cleared_before_anyone_runs(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        event = aio.Event()
        cast = Cast(aio)
        for name in "abc":
            cast.start(name, event.wait)
        await turns(aio)
        event.set()
        event.clear()
        see(repr(event))
        cast.cancel("b")
        cast.start("late", event.wait)
        await turns(aio, 2)
        see(cast.trace, repr(event))
        event.set()
        event.set()
        await cast.end()
        see(cast.trace, repr(event), event.is_set())

    see.run(main())


@same_in_every_mixture
def test_wait_for_a_predicate(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        condition = aio.Condition()
        state = {"value": 0}
        cast = Cast(aio)

        def wait_for(value: int) -> Any:
            async def wait() -> Any:
                async with condition:
                    return await condition.wait_for(lambda: asked(value) and f"reached {value}")

            def asked(value: int) -> bool:
                cast.note("asked for", value)
                return state["value"] >= value

            return wait

        for value in (1, 2, 2, 3):
            cast.start(f"until {value}, {len(cast.tasks)}", wait_for(value))
        await turns(aio, 2)
        for value in (1, 2):
            async with condition:
                state["value"] = value
                condition.notify(2)
            await turns(aio, 3)
            see(cast.trace, repr(condition))
        async with condition:
            condition.notify_all()
        await cast.end()
        see(cast.trace, repr(condition))

    see.run(main())


@pytest.mark.parametrize("times", [1, 2, 3])
@same_in_every_mixture
def test_cancelled_while_it_takes_the_lock_back(aio: ModuleType, see: Witness, times: int) -> None:
    """A notified waiter has the lock when its wait ends, however often it is cancelled meanwhile."""

    async def main() -> None:
        condition = aio.Condition()

        async def wait() -> Any:
            async with condition:
                try:
                    return await condition.wait()
                finally:
                    see("has the lock", condition.locked())

        waiting = [aio.create_task(wait(), name=name) for name in ("waits", "also waits")]
        await turns(aio, 2)
        await condition.acquire()
        condition.notify()
        await turns(aio, 2)
        for time in range(times):
            waiting[0].cancel(f"cancel {time}")
            await turns(aio)
            see(waiting[0].done(), waiting[0].cancelling(), repr(condition))
        condition.release()
        await turns(aio, 3)
        for task in waiting:
            if task.done():
                await see.attempt_await(task)
            else:
                see("still waits")
                task.cancel()
                await see.attempt_await(task)
        see(repr(condition))

    see.run(main())


@same_in_every_mixture
def test_results_and_errors_of_a_barrier(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        barrier = aio.Barrier(3)
        for _ in range(2):
            cast = Cast(aio)
            for name in "abcd":
                cast.start(name, barrier.wait)
            await turns(aio, 4)
            see(cast.trace, repr(barrier), barrier.n_waiting)
            await barrier.reset()
            see(repr(barrier))
            await cast.end()
            see(cast.trace, repr(barrier), barrier.broken)

        async def enter() -> Any:
            async with barrier as position:
                return position

        see(sorted(await aio.gather(enter(), enter(), enter())))
        waiting = aio.create_task(barrier.wait(), name="waits")
        await turns(aio)
        await barrier.abort()
        await see.attempt_await(waiting)
        await see.attempt_await(barrier.wait())
        await see.attempt_await(enter())
        see(repr(barrier), barrier.broken, barrier.n_waiting)
        await barrier.reset()
        see(repr(barrier), barrier.broken)

    see.run(main())


@same_in_every_mixture
def test_a_barrier_reset_while_its_tasks_leave(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for action in ("reset", "abort"):
            for after in range(4):
                barrier = aio.Barrier(2)
                cast = Cast(aio)
                for name in "ab":
                    cast.start(name, barrier.wait)
                await turns(aio, after)
                cast.start(action, getattr(barrier, action))
                cast.start("late", barrier.wait)
                await cast.end()
                see(action, after, cast.trace, repr(barrier))

    see.run(main())
