"""Tasks and gathers that wait for each other without end: cancelling them is an error at worst."""

import asyncio
import gc
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both


def _cancel_what_has_no_end(see: Any, thing: Any) -> None:
    """Cancelling recurses along the waits. It comes through or ends in an error, and never crashes."""
    try:
        thing.cancel()
    except RecursionError as error:
        see(type(error).__name__)
    else:
        see("came through")


@same_on_both
def test_two_tasks_that_wait_for_each_other_are_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def wait(place: int) -> None:
            try:
                await tasks[1 - place]
            finally:
                see("ends", place)

        tasks: list[Any] = []
        tasks += [aio.create_task(wait(0), name="0"), aio.create_task(wait(1), name="1")]
        await aio.sleep(0)
        await aio.sleep(0)
        _cancel_what_has_no_end(see, tasks[0])
        see([task.done() for task in tasks])
        for task in tasks:
            task._log_destroy_pending = False
        tasks.clear()

    see.run(main())
    gc.collect()
    see("survived")


@pytest.mark.parametrize("length", [100, 100_000])
def test_a_long_chain_of_tasks_is_cancelled(length: int) -> None:
    seen: list[Any] = []

    async def wait(thing: Any) -> Any:
        return await thing

    async def main() -> None:
        end = head = asyncio.get_running_loop().create_future()
        tasks = []
        for _ in range(length):
            head = roundelay.create_task(wait(head))
            tasks.append(head)
        await roundelay.sleep(0)
        await roundelay.sleep(0)
        _cancel_what_has_no_end(seen.append, head)
        end.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)

    roundelay.run(main())
    assert seen == ["came through" if length == 100 else "RecursionError"]


def test_a_long_chain_of_tasks_is_dropped() -> None:
    async def wait(thing: Any) -> Any:
        return await thing

    async def main() -> None:
        head = asyncio.get_running_loop().create_future()
        for _ in range(100_000):
            head = roundelay.create_task(wait(head))
            head._log_destroy_pending = False
        await roundelay.sleep(0)
        await roundelay.sleep(0)

    loop = roundelay.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    before = len(gc.get_objects())
    gc.collect()
    # Tasks, coroutines, frames: none of the chain is left.
    assert before - len(gc.get_objects()) > 100_000


@pytest.mark.parametrize("depth", [100, 20_000])
def test_nested_gathers_are_cancelled(depth: int) -> None:
    seen: list[Any] = []

    async def main() -> None:
        end = head = asyncio.get_running_loop().create_future()
        for _ in range(depth):
            head = roundelay.gather(head)
        _cancel_what_has_no_end(seen.append, head)
        end.cancel()
        with pytest.raises(asyncio.CancelledError):
            await head

    roundelay.run(main())
    assert seen
