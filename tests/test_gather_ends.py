"""How a wide gather goes: its children with it, in asyncio's order, and nothing that somebody else has."""

import gc
import sys
import weakref
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both

WIDE = [10, 256, 257, 288, 289, 1000]


async def _number(number: int) -> int:
    return number


@pytest.mark.parametrize("count", WIDE)
@same_on_both
def test_children_end_with_the_gather_and_in_order(aio: ModuleType, see: Witness, count: int) -> None:
    async def main() -> None:
        ended: list[int] = []
        tasks = [aio.create_task(_number(number)) for number in range(count)]
        for number, task in enumerate(tasks):
            weakref.finalize(task, ended.append, number)
        outer = aio.gather(*tasks)
        del tasks, task
        see(await outer == list(range(count)), len(ended))
        del outer
        await aio.sleep(0)
        gc.collect()
        see(sorted(ended) == list(range(count)), ended)

    see.run(main())


@pytest.mark.parametrize("count", WIDE)
@same_on_both
def test_a_list_that_somebody_keeps_stays_whole(aio: ModuleType, see: Witness, count: int) -> None:
    async def main() -> None:
        outer = aio.gather(*[_number(number) for number in range(count)])
        kept = outer._children
        await outer
        del outer
        await aio.sleep(0)
        gc.collect()
        see(len(kept) == count, [task.result() for task in kept] == list(range(count)))

    see.run(main())


@same_on_both
def test_whoever_looks_while_children_end_finds_no_gap(aio: ModuleType, see: Witness) -> None:
    # The list of children can be found through the collector while it is emptied.
    class Looking:
        def __del__(self) -> None:
            for one in gc.get_objects():
                if type(one) is list and len(one) > 300 and isinstance(one[0], aio.Task):
                    assert all(isinstance(task, aio.Task) for task in one)
                    found.append(len(one))

    async def looking(number: int) -> Any:
        return Looking() if number == 500 else None

    found: list[int] = []
    failed: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, failed.append

    async def main() -> None:
        outer = aio.gather(*[looking(number) for number in range(1000)])
        results = await outer
        results.clear()
        del results, outer
        await aio.sleep(0)
        gc.collect()

    try:
        see.run(main())
    finally:
        sys.unraisablehook = hook
    see(failed)
    assert not found or min(found) > 300
