"""A process in which programs run under injected faults, one after another.

    python -m support.fault_worker asyncio|roundelay SECONDS

reads what to run from its standard input, a line of JSON for each run, and answers each with a line of JSON.
A program that is not done after so many seconds is said to hang.
"""

import asyncio
import faulthandler
import gc
import importlib
import inspect
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from support import fault_connections, fault_descriptors  # noqa: F401  # they enter their programs
from support.fault_registry import PROGRAMS
from support.fault_scene import Scene, named
from support.faults import Fault, Injection

# After so many seconds a run that cannot even be cancelled ends the process, with the stacks of its threads.
LIMIT = 20


def descriptors() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} -> {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:
            pass  # the listing's own
    return found


def finish(loop: asyncio.AbstractEventLoop) -> None:
    """What `asyncio.run` does at the end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


async def bounded(coro: Any, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds) as limit:
            await coro
    except TimeoutError:
        if limit.expired():
            raise AssertionError("HANGS") from None
        raise


def perform(
    aio: Any, seconds: float, program: str, faults: list[Fault], seed: int, injection: Injection
) -> dict[str, Any]:
    gc.collect()
    before = descriptors()
    started = time.monotonic()
    warned = set()

    def take_down(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, ResourceWarning):
            warned.add(str(message).split("fd=")[0])

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = take_down
        loop = aio.new_event_loop()
        scene = Scene(aio, loop, Path(folder), injection)
        outcome = scene.told
        with injection.active(*faults, seed=seed):
            try:
                result = PROGRAMS[program](scene)
                if inspect.isawaitable(result):
                    loop.run_until_complete(bounded(result, seconds))
            except BaseException as error:
                scene.tell("run", f"raised {named(error)}")
                error.__traceback__ = None
            for end in (finish, type(loop).close):
                try:
                    end(loop)
                except BaseException as error:
                    scene.tell("end", f"raised {named(error)}")
                    error.__traceback__ = None
        gc.collect()  # of what was forgotten, so that the peer sees its end
        scene.end()
        asyncio.set_event_loop(None)
        del loop, scene
        result = None
        gc.collect()
    outcome["warnings"] = sorted(warned)
    left = sorted(descriptors() - before)
    if left:
        outcome["descriptors"] = [f"LEFT OPEN {name}" for name in left]
    return {
        "told": outcome,
        "answered": injection.answered(),
        "seconds": time.monotonic() - started,
        "native": dict(injection.made(native=True)),
        "others": dict(injection.made(native=False)),
        "native met": dict(injection.met(native=True)),
        "others met": dict(injection.met(native=False)),
    }


def main() -> None:
    aio, seconds = importlib.import_module(sys.argv[1]), float(sys.argv[2])
    injection = Injection()
    if aio is not asyncio:
        from roundelay import _core

        injection.know_native_code(Path(_core.__file__))
    logging.disable(logging.CRITICAL)
    # How long a server waits with the next connection when the process has no descriptor left; a second.
    asyncio.constants.ACCEPT_RETRY_DELAY = 0.01
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    gc.freeze()
    for line in sys.stdin:
        wanted = json.loads(line)
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        faults = [Fault(**fault) for fault in wanted["faults"]]
        outcome = perform(aio, seconds, wanted["program"], faults, wanted["seed"], injection)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(outcome), file=answers, flush=True)


if __name__ == "__main__":
    main()
