"""Calls everything that asyncio's compiled Task and Future have, unbound, on native objects at every moment
of their lives. What the calls answer does not matter here. Prints one line at its end, if it lives that long.
"""

import asyncio
import contextlib
import gc
import inspect
import io
import warnings
from collections.abc import Iterator
from typing import Any

import roundelay

# What every object has, and what cannot be called with the arguments below.
LEFT_OUT = {name for name in dir(object) if name != "__init__"} | {"__class_getitem__", "__del__"}


def members(cls: Any) -> Iterator[tuple[str, Any]]:
    for name in sorted(set(dir(cls)) - LEFT_OUT - {"__init__"}):
        yield name, inspect.getattr_static(cls, name)


def call_everything(cls: Any, item: Any, other: Any) -> None:
    for name, member in members(cls):
        if not callable(member) or isinstance(member, type):
            with contextlib.suppress(Exception):
                member.__get__(item)
            for value in (None, other, True):
                with contextlib.suppress(Exception):
                    member.__set__(item, value)
        for args in ((), (None,), (other,), ("text",), (asyncio.CancelledError(),)):
            with contextlib.suppress(BaseException):
                found = getattr(cls, name)(item, *args)
                getattr(found, "close", lambda: None)()


def initialise_again(cls: Any, item: Any, *args: Any) -> None:
    with contextlib.suppress(Exception):
        cls.__init__(item, *args, loop=asyncio.get_running_loop())


async def nap() -> int:
    await asyncio.sleep(0)
    return 1


async def one_life(steps_before: int) -> None:
    loop = asyncio.get_running_loop()
    future, other = loop.create_future(), loop.create_future()
    call_everything(asyncio.Future, future, other)
    initialise_again(asyncio.Future, future)
    call_everything(asyncio.Future, future, other)

    task = asyncio.create_task(nap())
    for _ in range(steps_before):
        await asyncio.sleep(0)
    call_everything(asyncio.Task, task, other)
    with contextlib.suppress(BaseException):
        await asyncio.wait_for(task, 0.01)
    call_everything(asyncio.Task, task, other)

    task = asyncio.create_task(nap())
    for _ in range(steps_before):
        await asyncio.sleep(0)
    coro = nap()
    initialise_again(asyncio.Task, task, coro)
    coro.close()
    call_everything(asyncio.Task, task, other)
    await asyncio.sleep(0)

    gathering = asyncio.gather(nap(), nap())
    call_everything(asyncio.Future, gathering, other)
    with contextlib.suppress(BaseException):
        await asyncio.wait_for(gathering, 0.01)


async def main() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    for number in range(20):
        await one_life(number % 4)
        gc.collect()


if __name__ == "__main__":
    roundelay.install()
    warnings.simplefilter("ignore")
    # Some of the calls print a stack.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        asyncio.run(main())
        gc.collect()
    print("alive")
