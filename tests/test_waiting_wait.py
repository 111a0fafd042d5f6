"""wait(): its three modes, timeouts, what it takes and refuses, and what a cancellation does to it."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, forever, same_in_every_mixture, turns

MODES = ("ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION")
each_mode = pytest.mark.parametrize("mode", MODES)


def names(tasks: Any) -> list[str]:
    """The names of the tasks of a set, which has no order."""
    return sorted(task.get_name() if hasattr(task, "get_name") else repr(task) for task in tasks)


class _Text(str):
    """Equal to a mode, and another object than asyncio's."""

    __slots__ = ()


async def _work(aio: Any, turns_left: int, result: Any = None) -> Any:
    await turns(aio, turns_left)
    if isinstance(result, BaseException):
        raise result
    return result


@each_mode
@pytest.mark.parametrize("ends", ["returns", "fails", "is cancelled", "cancels itself"])
@same_in_every_mixture
def test_modes_by_how_the_first_ends(aio: ModuleType, see: Witness, mode: str, ends: str) -> None:
    async def main() -> None:
        async def cancels_itself() -> None:
            asyncio.current_task().cancel("by itself")
            await aio.sleep(0)

        firsts = {
            "returns": lambda: _work(aio, 1),
            "fails": lambda: _work(aio, 1, ValueError("wrong")),
            "is cancelled": lambda: forever(aio),
            "cancels itself": cancels_itself,
        }
        first = aio.create_task(firsts[ends](), name="first")
        second = aio.create_task(_work(aio, 4), name="second")
        third = aio.create_task(_work(aio, 4), name="third")
        if ends == "is cancelled":
            asyncio.get_running_loop().call_soon(first.cancel)
        done, pending = await aio.wait({first, second, third}, return_when=getattr(aio, mode))
        see(names(done), names(pending), type(done).__name__, type(pending).__name__)
        see(first, second, third)
        await aio.wait({first, second, third})
        if not first.cancelled():
            first.exception()

    see.run(main())


@each_mode
@same_in_every_mixture
def test_done_before_the_wait_begins(aio: ModuleType, see: Witness, mode: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        done_future, failed, cancelled = (loop.create_future() for _ in range(3))
        done_future.set_result(1)
        failed.set_exception(ValueError("wrong"))
        cancelled.cancel()
        pending_future = loop.create_future()
        return_when = getattr(aio, mode)
        for chosen in (
            [done_future],
            [done_future, failed, cancelled],
            [done_future, pending_future],
            [failed, pending_future],
            [cancelled, pending_future],
        ):
            ran = []
            loop.call_soon(ran.append, "another")
            done, pending = await aio.wait(chosen, return_when=return_when, timeout=0.001)
            see(names(done), names(pending), ran if pending else "")
            done, pending = await aio.wait(chosen, return_when=return_when, timeout=0)
            see(names(done), names(pending))
        failed.exception()

    see.run(main())


@each_mode
@pytest.mark.parametrize("timeout", [0.02, 0, -1, None, 0.0, True], ids=repr)
@same_in_every_mixture
def test_timeouts(aio: ModuleType, see: Witness, mode: str, timeout: Any) -> None:
    async def main() -> None:
        quick = aio.create_task(_work(aio, 2, "quick"), name="quick")
        slow = aio.create_task(forever(aio), name="slow")
        if timeout is None or timeout is True:
            asyncio.get_running_loop().call_later(0.02, slow.cancel)
        done, pending = await aio.wait([quick, slow], timeout=timeout, return_when=getattr(aio, mode))
        # A timeout cancels nobody.
        see(names(done), names(pending), slow, slow.cancelling())
        slow.cancel()
        await aio.wait([quick, slow])

    see.run(main())


@pytest.mark.parametrize("timeout", ["1", object, [], float("nan"), float("inf"), 10**400], ids=str)
@same_in_every_mixture
def test_timeouts_of_odd_kinds(aio: ModuleType, see: Witness, timeout: Any) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        if isinstance(timeout, float):
            asyncio.get_running_loop().call_soon(future.set_result, 1)
        try:
            done, pending = await aio.wait([future], timeout=timeout)
        except (TypeError, OverflowError, ValueError) as error:
            see("raised", type(error).__name__)
        else:
            see(names(done), names(pending))
        # Nothing of the wait is left on it.
        see(future)

    see.run(main())


@same_in_every_mixture
def test_collections_of_every_kind(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for make in (list, tuple, set, frozenset, iter, dict.fromkeys, lambda items: (one for one in items)):
            tasks = [aio.create_task(_work(aio, 1), name=name) for name in "ab"]
            try:
                done, pending = await aio.wait(make(tasks))
            except Exception as error:
                see("raised", error)
            else:
                see(names(done), names(pending))
            await aio.wait(tasks)

        class Tasks:
            def __iter__(self) -> Any:
                return iter(tasks)

            def __len__(self) -> int:
                return 2

        for thing in (Tasks(), tasks * 2):
            done, pending = await aio.wait(thing)
            see(names(done), names(pending))

    see.run(main())


@same_in_every_mixture
def test_what_is_refused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        coro = _work(aio, 0)
        await see.attempt_await(aio.wait([]))
        await see.attempt_await(aio.wait(set()))
        await see.attempt_await(aio.wait(iter([])))
        await see.attempt_await(aio.wait(future))
        await see.attempt_await(aio.wait(coro))
        await see.attempt_await(aio.wait([coro]))
        await see.attempt_await(aio.wait([future, coro]))
        await see.attempt_await(aio.wait({future: 1}.items()))
        for thing in (None, 1, "", "text", [1], [None], object()):
            # Whatever has no use for done callbacks is told so, in words that asyncio has not chosen itself.
            try:
                await aio.wait(thing)
            except Exception as error:
                see(type(error).__name__)
        for mode in ("ALL", None, 1, aio.ALL_COMPLETED.lower(), "FIRST_COMPLETED ", b"ALL_COMPLETED"):
            await see.attempt_await(aio.wait([future], return_when=mode))
        done = loop.create_future()
        done.set_result(None)
        await see.attempt_await(aio.wait([done], return_when=_Text(aio.ALL_COMPLETED)))
        see.attempt(aio.wait)
        see.attempt(lambda: aio.wait([future], 1))
        see.attempt(lambda: aio.wait([future], loop=None))
        see(future)
        coro.close()

    see.run(main())


@same_in_every_mixture
def test_modes_are_compared_by_value(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for mode in (_Text(aio.FIRST_COMPLETED), _Text("ALL_COMPLETED")):
            tasks = [aio.create_task(_work(aio, count), name=f"{count}") for count in (1, 5)]
            done, pending = await aio.wait(tasks, return_when=mode)
            see(names(done), names(pending))
            await aio.wait(tasks)

    see.run(main())


@each_mode
@same_in_every_mixture
def test_the_one_who_waits_is_cancelled(aio: ModuleType, see: Witness, mode: str) -> None:
    async def main() -> None:
        for turns_before in range(4):
            futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
            cast = Cast(aio)
            cast.start("waits", lambda futures=futures: aio.wait(futures, return_when=getattr(aio, mode)))
            if turns_before > 1:
                await turns(aio, 1)
                futures[0].set_result(1)
            await turns(aio, turns_before % 2 + 1)
            cast.cancel("waits")
            await turns(aio, 3)
            see(turns_before, [line for line in cast.trace if "got" not in line], futures)
            for future in futures[1:]:
                future.cancel()
            await cast.end()

    see.run(main())


@same_in_every_mixture
def test_who_learns_of_it_first(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        trace: list[str] = []

        async def waits(name: str, make: Any) -> None:
            await make()
            trace.append(name)

        other = loop.create_future()
        makers = {
            "await": lambda: aio.shield(future),
            "wait": lambda: aio.wait([future]),
            "wait for first": lambda: aio.wait([future, other], return_when=aio.FIRST_COMPLETED),
            "wait with timeout": lambda: aio.wait([future], timeout=1000),
            "wait for all": lambda: aio.wait([future, future]),
            "gather": lambda: aio.gather(future),
        }  # fmt: skip
        tasks = [aio.create_task(waits(name, make)) for name, make in makers.items()]
        await turns(aio, 2)
        for turn in range(5):
            loop.call_soon(trace.append, f"turn {turn}")
            if turn == 0:
                future.set_result(1)
            await turns(aio)
        see(trace, all(task.done() for task in tasks))

    see.run(main())


@same_in_every_mixture
def test_of_nine_the_first(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        tasks = {aio.create_task(_work(aio, count), name=str(count)) for count in range(1, 10)}
        while tasks:
            done, tasks = await aio.wait(tasks, return_when=aio.FIRST_COMPLETED)
            see(names(done), names(tasks))

    see.run(main())


@same_in_every_mixture
def test_futures_of_another_loop(aio: ModuleType, see: Witness) -> None:
    other = see.new_loop()
    foreign = other.create_future()

    async def main() -> None:
        done, pending = await aio.wait([foreign], timeout=0.001)
        see(len(done), len(pending), foreign)

    see.run(main())


@same_in_every_mixture
def test_futures_with_a_mind_of_their_own(aio: ModuleType, see: Witness) -> None:
    class Request(aio.Future):  # type: ignore[misc, name-defined]
        def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
            see("add_done_callback", len(args), sorted(kwargs))
            super().add_done_callback(*args, **kwargs)

        def remove_done_callback(self, callback: Any) -> int:
            count = super().remove_done_callback(callback)
            see("remove_done_callback", count)
            return int(count)

        def done(self) -> bool:
            see("done")
            return bool(super().done())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        request = Request(loop=loop)
        await aio.wait([request], timeout=0.001)
        see("again")
        loop.call_soon(request.set_result, 1)
        await aio.wait([request, loop.create_future()], return_when=aio.FIRST_COMPLETED)

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
@same_in_every_mixture
def test_tasks_that_start_at_once(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(aio.eager_task_factory)
        tasks = [aio.create_task(_work(aio, count), name=str(count)) for count in (0, 2)]
        for mode in MODES:
            done, pending = await aio.wait(tasks, return_when=mode)
            see(mode, names(done), names(pending))

    see.run(main())
