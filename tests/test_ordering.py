"""Who runs before whom: small programs with a complete trace, the same on asyncio and on roundelay."""

import asyncio
import sys
import time
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both


class Ticker:
    """Takes down where one turn of the loop ends and the next begins."""

    def __init__(self, see: Witness, turns: int) -> None:
        self.see = see
        self.left = turns
        self._tick(0)

    def _tick(self, turn: int) -> None:
        if turn:
            self.see(f"-- turn {turn}")
        if self.left:
            self.left -= 1
            asyncio.get_running_loop().call_soon(self._tick, turn + 1)


async def _work(aio: Any, see: Any, name: str, turns: int, result: Any = None) -> Any:
    for turn in range(turns):
        see(name, turn)
        await aio.sleep(0)
    see(name, "ends")
    if isinstance(result, Exception):
        raise result
    return name if result is None else result


@same_on_both
def test_callbacks_and_tasks_take_turns(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        Ticker(see, 8)
        loop.call_soon(see, "first callback")
        tasks = [
            aio.create_task(_work(aio, see, name, turns)) for name, turns in (("a", 2), ("b", 3), ("c", 1))
        ]
        loop.call_soon(see, "second callback")
        loop.call_soon(loop.call_soon, see, "a callback's callback")
        await aio.sleep(0)
        see("main", 1)
        loop.call_soon(see, "third callback")
        await tasks[2]
        see("main after c")
        await tasks[0]
        see("main after a")
        await tasks[1]

    see.run(main())


@same_on_both
def test_callbacks_of_one_future_run_in_the_order_they_were_added(aio: ModuleType, see: Witness) -> None:
    async def wait(name: str, future: Any) -> None:
        see(name, await future)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        future.add_done_callback(lambda done: see("callback 1"))
        waiting = [aio.create_task(wait("task 1", future))]
        await aio.sleep(0)
        future.add_done_callback(lambda done: see("callback 2"))
        gathering = aio.gather(future)
        gathering.add_done_callback(lambda done: see("gathered"))
        waiting.append(aio.create_task(wait("task 2", future)))
        await aio.sleep(0)
        future.add_done_callback(lambda done: loop.call_soon(see, "queued by callback 3"))
        Ticker(see, 5)
        loop.call_soon(see, "queued before")
        future.set_result("result")
        loop.call_soon(see, "queued after")
        future.add_done_callback(lambda done: see("callback 4, added to a finished future"))
        await aio.gather(gathering, *waiting)

    see.run(main())


@pytest.mark.parametrize("done_before", [0, 1, 3])
@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("return_exceptions", [False, True])
@same_on_both
def test_gather(
    aio: ModuleType, see: Witness, done_before: int, failing: bool, return_exceptions: bool
) -> None:
    async def main() -> None:
        error = ValueError("wrong") if failing else None
        tasks = [aio.create_task(_work(aio, see, f"t{turns}", turns, error)) for turns in (0, 1, 2)]
        for _ in range(done_before):
            await aio.sleep(0)
        Ticker(see, 8)
        children = [*tasks, _work(aio, see, "coroutine", 1), aio.sleep(0, "slept"), tasks[0]]
        gathering = aio.gather(*children, return_exceptions=return_exceptions)
        gathering.add_done_callback(lambda done: see("gathered"))
        see(gathering.done())
        await see.attempt_await(gathering)
        await asyncio.wait(tasks)

    see.run(main())


@same_on_both
def test_gather_of_what_is_all_done(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(3)]
        for number, future in enumerate(futures):
            future.set_result(number)
        Ticker(see, 4)
        gathering = aio.gather(*futures)
        see(gathering.done(), await gathering)
        see(await aio.gather(*futures, futures[0]), await aio.gather())
        failed = loop.create_future()
        failed.set_exception(ValueError("wrong"))
        await see.attempt_await(aio.gather(futures[0], failed))
        cancelled = loop.create_future()
        cancelled.cancel("message")
        await see.attempt_await(aio.gather(cancelled, futures[0]))
        await see.attempt_await(aio.gather(cancelled, futures[0], return_exceptions=True))

    see.run(main())


@same_on_both
def test_chains_of_bare_sleeps(aio: ModuleType, see: Witness) -> None:
    async def deep(level: int) -> int:
        await aio.sleep(0)
        see("level", level)
        return level if level == 0 else await deep(level - 1)

    async def main() -> None:
        Ticker(see, 8)
        see(await aio.gather(deep(3), deep(1), aio.sleep(0, "bare"), aio.sleep(-1, "negative")))

    see.run(main())


@same_on_both
def test_sleeps_with_one_deadline_end_in_the_order_they_began(aio: ModuleType, see: Witness) -> None:
    """Two timers of the very same time; of more, asyncio's heap promises no order."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for place in range(2):
            loop.call_at(now + 0.002, see, "timer", place)
        future = loop.create_future()
        loop.call_at(now + 0.004, future.set_result, "later")
        loop.call_at(now + 0.001, see, "earlier")
        see(await future)

    see.run(main())


@same_on_both
def test_sleeps_of_different_lengths_end_in_their_order(aio: ModuleType, see: Witness) -> None:
    async def sleeper(name: str, delay: float) -> None:
        see(name, await aio.sleep(delay, "slept"))

    async def main() -> None:
        delays = [0.006, 0, 0.002, 0.01, 0.004, 0]
        await aio.gather(*(sleeper(f"{delay}", delay) for delay in delays))

    see.run(main())


@same_on_both
def test_timers_that_are_due_together_run_behind_what_is_ready(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        Ticker(see, 4)
        loop.call_at(loop.time() - 1, see, "timer 1")
        loop.call_soon(see, "ready")
        loop.call_at(loop.time() - 2, see, "timer 2, due earlier")
        handle = loop.call_at(loop.time() - 3, see, "never")
        loop.call_soon(handle.cancel)
        for turn in range(3):
            await aio.sleep(0)
            see("main", turn)

    see.run(main())


STATES = [
    "new",
    "yielding",
    "sleeping",
    "waiting",
    "in a gather",
    "shielded",
    "waking",
    "ending",
    "catching",
    "done",
]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("state", STATES)
@same_on_both
def test_cancelling_in_each_state(aio: ModuleType, see: Witness, state: str, times: int) -> None:
    async def victim(future: Any) -> str:
        try:
            if state == "yielding":
                await aio.sleep(0)
                await aio.sleep(0)
            elif state == "sleeping":
                await aio.sleep(1000)
            elif state in ("waiting", "waking", "catching"):
                await future
            elif state == "in a gather":
                await aio.gather(future, aio.sleep(1000))
            elif state == "shielded":
                await asyncio.shield(future)
            elif state == "ending":
                asyncio.get_running_loop().call_soon(see, "cancel() from inside", task.cancel("inside"))
            see("goes on")
        except asyncio.CancelledError as error:
            see("cancelled", error, task.cancelling())
            if state != "catching":
                raise
            await aio.sleep(0)
            see("caught", task.uncancel())
        return "result"

    async def main() -> None:
        nonlocal task
        future = asyncio.get_running_loop().create_future()
        task = aio.create_task(victim(future), name="victim")
        task.add_done_callback(lambda done: see("done callback", done.cancelled()))
        if state != "new":
            await aio.sleep(0)
        if state == "waking":
            future.set_result("just in time")
        if state == "done":
            await task
        Ticker(see, 6)
        for attempt in range(times):
            see("cancel()", task.cancel(f"attempt {attempt}"), task.cancelling())
        await see.attempt_await(task)
        see(task, future)
        future.cancel()

    task: Any = None
    see.run(main())


@same_on_both
def test_a_task_cancelled_by_its_own_callback_and_by_its_waiter(aio: ModuleType, see: Witness) -> None:
    async def inner() -> None:
        try:
            await aio.sleep(1000)
        finally:
            see("inner ends")
            await aio.sleep(0)
            see("inner has ended")

    async def outer() -> None:
        task = aio.create_task(inner(), name="inner")
        try:
            await task
        finally:
            see("outer ends", task.cancelled())

    async def main() -> None:
        Ticker(see, 8)
        task = aio.create_task(outer(), name="outer")
        await aio.sleep(0)
        await aio.sleep(0)
        task.cancel("from main")
        await see.attempt_await(task)

    see.run(main())


@same_on_both
def test_time_limits(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        Ticker(see, 12)
        for limit in (0, -1, 0.001):
            try:
                async with asyncio.timeout(limit):
                    see("inside", limit)
                    await aio.sleep(1000)
            except TimeoutError as error:
                see("too late", error)
        await see.attempt_await(asyncio.wait_for(aio.sleep(1000), 0))
        await see.attempt_await(asyncio.wait_for(aio.sleep(0, "in time"), 1000))
        async with asyncio.timeout(1000) as outer:
            try:
                async with asyncio.timeout(0):
                    await aio.sleep(1000)
            except TimeoutError:
                see("the inner one", outer.expired())
        see(asyncio.current_task().cancelling())  # type: ignore[union-attr]

    loop = see.new_loop()
    loop.run_until_complete(main())
    # How many turns a real wait takes is the clock's business.
    see.records[:] = [record for record in see.records if not str(record[0]).startswith("--")]


@same_on_both
def test_groups(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        Ticker(see, 14)
        async with asyncio.TaskGroup() as group:
            group.create_task(_work(aio, see, "a", 2))
            group.create_task(_work(aio, see, "b", 1))
            see("inside")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_work(aio, see, "long", 10))
                group.create_task(_work(aio, see, "fails", 1, ValueError("wrong")))
                await aio.sleep(1000)
        except* ValueError as errors:
            see(errors)

    see.run(main())


@same_on_both
def test_queues_and_locks_are_fair(aio: ModuleType, see: Witness) -> None:
    async def worker(name: str, lock: Any, queue: Any) -> None:
        async with lock:
            see(name, "has the lock")
            await aio.sleep(0)
        see(name, "gets", await queue.get())

    async def main() -> None:
        lock, queue = asyncio.Lock(), asyncio.Queue[int](1)
        Ticker(see, 12)
        workers = [aio.create_task(worker(name, lock, queue)) for name in "abc"]
        for number in range(3):
            await queue.put(number)
            see("put", number)
        await aio.gather(*workers)

    see.run(main())


@same_on_both
def test_sleepers_cancelled_in_the_turn_in_which_they_are_due(aio: ModuleType, see: Witness) -> None:
    async def sleeper(number: int) -> None:
        try:
            await aio.sleep(0.02)
        except asyncio.CancelledError:
            see(number, "cancelled")
            raise
        see(number, "slept")
        await aio.sleep(0)

    def cancel_some(tasks: list[asyncio.Task[None]], what: str, which: int) -> None:
        see(what, [task.cancel() for task in tasks[which::4]])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []
        # Due before the sleepers, in the middle of them and after them; and one turn later.
        loop.call_later(0.01, cancel_some, tasks, "before", 0)
        tasks += [aio.create_task(sleeper(number)) for number in range(10)]
        await aio.sleep(0)
        loop.call_later(0.02, cancel_some, tasks, "between", 1)
        tasks += [aio.create_task(sleeper(number)) for number in range(10, 20)]
        await aio.sleep(0)
        loop.call_later(0.02, cancel_some, tasks, "after", 2)
        loop.call_later(0.02, loop.call_soon, cancel_some, tasks, "later", 3)
        time.sleep(0.03)  # so that all are due at once
        for result in await aio.gather(*tasks, return_exceptions=True):
            see(result)
        see([task.cancelling() for task in tasks])

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
@same_on_both
def test_eager_tasks(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        Ticker(see, 10)
        first = aio.create_task(_work(aio, see, "first", 0))
        second = aio.create_task(_work(aio, see, "second", 2))
        see("main", first.done(), second.done())
        see(await aio.gather(first, second, _work(aio, see, "third", 1), _work(aio, see, "fourth", 0)))
        async with asyncio.TaskGroup() as group:
            group.create_task(_work(aio, see, "fifth", 1))
            see("inside the group")
        loop.set_task_factory(None)

    see.run(main())


@same_on_both
def test_calls_from_a_thread_keep_their_place(aio: ModuleType, see: Witness) -> None:
    import threading

    async def main() -> None:
        loop = asyncio.get_running_loop()
        Ticker(see, 3)
        loop.call_soon(see, "before")
        thread = threading.Thread(
            target=lambda: [loop.call_soon_threadsafe(see, "thread", n) for n in range(3)]
        )
        thread.start()
        thread.join()
        loop.call_soon(see, "after")
        await aio.sleep(0)
        see("main")
        await aio.sleep(0)

    see.run(main())
