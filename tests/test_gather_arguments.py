"""gather(): an argument that is given twice is run once, however many there are and of whatever kind."""

import asyncio
import random
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import same_in_every_mixture


class Equal:
    """Awaitables that are all equal to each other."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal)

    def __hash__(self) -> int:
        return 1

    def __await__(self) -> Any:
        self.log.append(self.name)
        yield
        return self.name


class Unhashable(Equal):
    __hash__ = None  # type: ignore[assignment]


async def _named(log: list[str], name: str) -> str:
    log.append(name)
    return name


@pytest.mark.parametrize("kind", ["coroutine", "task", "future"])
@pytest.mark.parametrize("different", [1, 2, 8, 9, 300, 3000])
@same_in_every_mixture
def test_arguments_given_again_share_a_child(
    aio: ModuleType, see: Witness, different: int, kind: str
) -> None:
    async def main() -> None:
        log: list[str] = []
        loop = asyncio.get_running_loop()

        def make(number: int) -> Any:
            if kind == "future":
                future = loop.create_future()
                loop.call_soon(future.set_result, f"result {number}")
                return future
            coro = _named(log, f"work {number}")
            return aio.create_task(coro) if kind == "task" else coro

        # What is made in a row stands beside each other in memory; among other objects it does not.
        awaitables = [(make(number), [number] * 50)[0] for number in range(different)]
        chance = random.Random(different)
        given = [*awaitables, *chance.choices(awaitables, k=different), awaitables[0]]
        chance.shuffle(given)
        results = await aio.gather(*given)
        see(log, len(results), len(set(results)), results)
        see([results[given.index(one)] for one in awaitables])

    see.run(main())


@same_in_every_mixture
def test_equal_awaitables_are_one(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        log: list[str] = []
        # The first one that is told by its equality comes late.
        plain = [_named(log, f"coroutine {number}") for number in range(20)]
        equal = [Equal(log, f"equal {number}") for number in range(3)]
        see(await aio.gather(*plain, *equal, plain[7], equal[0]), log)

    see.run(main())


@pytest.mark.parametrize("before", [0, 1, 20])
@same_in_every_mixture
def test_what_cannot_be_hashed_is_refused_when_its_turn_comes(
    aio: ModuleType, see: Witness, before: int
) -> None:
    async def main() -> None:
        log: list[str] = []
        plain = [_named(log, f"coroutine {number}") for number in range(before)]
        see.attempt(aio.gather, *plain, Unhashable(log, "unhashable"))
        # Those before it are tasks by then.
        await aio.sleep(0)
        see(log)

    see.run(main())
