"""shield(): the inner one goes on whatever happens outside, and what it meets with later is not lost."""

import asyncio
import gc
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import Cast, forever, same_in_every_mixture, turns


async def _work(aio: Any, turns_left: int, result: Any = "result") -> Any:
    await turns(aio, turns_left)
    if isinstance(result, BaseException):
        raise result
    return result


@pytest.mark.parametrize("kind", ["coroutine", "task", "future"])
@pytest.mark.parametrize("ends", ["returns", "fails", "is cancelled"])
@same_in_every_mixture
def test_the_outcome_comes_through(aio: ModuleType, see: Witness, ends: str, kind: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for turns_left in (0, 1, 3):
            future = loop.create_future()
            coro = _work(aio, turns_left, ValueError("wrong") if ends == "fails" else "result")
            inner = {
                "coroutine": lambda: coro,  # noqa: B023
                "task": lambda: aio.create_task(coro, name="inner"),  # noqa: B023
                "future": lambda: future,  # noqa: B023
            }[kind]()
            outer = aio.shield(inner)
            see(outer, type(outer).__name__, outer is inner)
            if kind == "future":
                coro.close()
                end = {"returns": "set_result", "fails": "set_exception", "is cancelled": "cancel"}[ends]
                argument = ValueError("wrong") if ends == "fails" else "told"
                loop.call_soon(getattr(future, end), argument)
            elif kind == "task" and ends == "is cancelled":
                loop.call_soon(inner.cancel, "inner is told")
            await see.attempt_await(outer)
            see(outer)

    see.run(main())


@same_in_every_mixture
def test_what_is_done_is_not_wrapped(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for end, argument in (("set_result", 1), ("set_exception", KeyError("k")), ("cancel", "c")):
            future = loop.create_future()
            getattr(future, end)(argument)
            see(aio.shield(future) is future)
            await see.attempt_await(aio.shield(future))

    see.run(main())


@pytest.mark.parametrize("later", ["returns", "fails", "is cancelled", "never ends"])
@pytest.mark.parametrize("outer_is", ["cancelled", "cancelled while awaited", "dropped"])
@same_in_every_mixture
def test_the_inner_one_ends_after_the_outer(aio: ModuleType, see: Witness, outer_is: str, later: str) -> None:
    async def main() -> None:
        inner = asyncio.get_running_loop().create_future()
        outer = aio.shield(inner)

        async def wait(outer: Any) -> Any:
            return await outer

        if outer_is == "cancelled":
            see(outer.cancel("outer"), outer)
        elif outer_is == "cancelled while awaited":
            task = aio.create_task(wait(outer), name="waits")
            await turns(aio)
            task.cancel("task")
            await see.attempt_await(task)
        see(inner)
        del outer
        gc.collect()
        await turns(aio)
        see(inner)
        if later == "returns":
            inner.set_result(1)
        elif later == "fails":
            inner.set_exception(ValueError("nobody looks"))
        elif later == "is cancelled":
            inner.cancel()
        await turns(aio, 3)
        see(inner)
        del inner
        gc.collect()

    see.run(main())


@same_in_every_mixture
def test_a_task_fails_after_its_shield_was_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        inner = aio.create_task(_work(aio, 3, ValueError("too late")), name="inner")
        task = aio.create_task(aio.wait_for(aio.shield(inner), 1000), name="outer")
        await turns(aio, 2)
        task.cancel()
        await see.attempt_await(task)
        await turns(aio, 4)
        see(inner)

    see.run(main())


@same_in_every_mixture
def test_the_outer_one_gets_an_outcome_of_its_own(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for ends in ("set_result", "set_exception"):
            inner = asyncio.get_running_loop().create_future()
            outer = aio.shield(inner)
            outer.set_result("its own")
            getattr(inner, ends)(ValueError("inner"))
            see(await outer)
            await turns(aio, 2)
            see(inner, outer)

    see.run(main())


@same_in_every_mixture
def test_many_shields_of_one(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        inner = aio.create_task(_work(aio, 4), name="inner")
        cast = Cast(aio)

        async def wait() -> Any:
            return await aio.shield(inner)

        for name in "abc":
            cast.start(name, wait)
        await turns(aio, 2)
        see(inner)
        cast.cancel("b")
        await turns(aio, 6)
        see(cast.trace)
        await cast.end()

    see.run(main())


@same_in_every_mixture
def test_shields_of_shields(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        inner = asyncio.get_running_loop().create_future()
        outer = aio.shield(aio.shield(inner))
        see(outer)
        outer.cancel()
        see(inner, outer)
        outer = aio.shield(aio.shield(inner))
        asyncio.get_running_loop().call_soon(inner.set_result, "through both")
        see(await outer)

    see.run(main())


@same_in_every_mixture
def test_when_the_outcome_arrives(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        inner = loop.create_future()
        outer = aio.shield(inner)
        trace: list[str] = []
        outer.add_done_callback(lambda _: trace.append("outer callback"))
        inner.add_done_callback(lambda _: trace.append("inner callback"))
        inner.set_result(1)
        for turn in range(4):
            trace.append(f"turn {turn} {outer.done()}")
            await turns(aio)
        see(trace)

    see.run(main())


@same_in_every_mixture
def test_what_is_refused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for thing in (1, None, "text", [], object()):
            see.attempt(aio.shield, thing)
        see.attempt(aio.shield)
        see.attempt(aio.shield, 1, 2)
        see.attempt(lambda: aio.shield(1, loop=None))

    see.run(main())


@same_in_every_mixture
def test_without_a_running_loop(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    future = loop.create_future()
    outer = aio.shield(future)
    see(outer, outer.get_loop() is loop)
    loop.call_soon(future.set_result, 1)
    see(loop.run_until_complete(outer))


@same_in_every_mixture
def test_results_do_not_outlive_their_use(aio: ModuleType, see: Witness) -> None:
    import weakref

    class Payload:
        pass

    async def main() -> None:
        task = aio.create_task(forever(aio), name="inner")
        outer = aio.shield(task)
        gone = weakref.ref(outer)
        outer.cancel()
        del outer
        await turns(aio)
        see(gone())
        task.cancel()
        await see.attempt_await(task)

        async def make() -> Any:
            return Payload()

        reference = weakref.ref(await aio.shield(make()))
        await turns(aio)
        see(reference())

    see.run(main())
