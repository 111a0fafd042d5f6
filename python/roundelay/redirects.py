"""Bodies for asyncio's own functions while roundelay is installed.

Modules may have imported these functions before :func:`roundelay.install` put native ones in their place. The
function objects that such modules hold are given these bodies, which have the same signature and call the
native function. A body runs with the globals of asyncio's function, where ``install()`` puts the name that
it uses.
"""

# ruff: noqa: F821
# mypy: disable-error-code="no-untyped-def, name-defined"

import sys

__all__ = ["BODIES"]


async def _sleep(delay, result=None):
    return await __roundelay_sleep__(delay, result)


def _gather(*coros_or_futures, return_exceptions=False):
    return __roundelay_gather__(*coros_or_futures, return_exceptions=return_exceptions)


async def _wait(fs, *, timeout=None, return_when=None):
    return await __roundelay_wait__(fs, timeout=timeout, return_when=return_when)


def _as_completed(fs, *, timeout=None):
    return __roundelay_as_completed__(fs, timeout=timeout)


# Before 3.13 it is a generator, and stays one.
def _as_completed_generator(fs, *, timeout=None):
    yield from __roundelay_as_completed__(fs, timeout=timeout)


async def _wait_for(fut, timeout):
    return await __roundelay_wait_for__(fut, timeout)


def _timeout(delay):
    return __roundelay_timeout__(delay)


def _timeout_at(when):
    return __roundelay_timeout_at__(when)


def _shield(arg):
    return __roundelay_shield__(arg)


async def _to_thread(func, /, *args, **kwargs):
    return await __roundelay_to_thread__(func, *args, **kwargs)


def _run_coroutine_threadsafe(coro, loop):
    return __roundelay_run_coroutine_threadsafe__(coro, loop)


BODIES = {
    "sleep": _sleep,
    "gather": _gather,
    "wait": _wait,
    "wait_for": _wait_for,
    "timeout": _timeout,
    "timeout_at": _timeout_at,
    "shield": _shield,
    "to_thread": _to_thread,
    "run_coroutine_threadsafe": _run_coroutine_threadsafe,
    "as_completed": _as_completed if sys.version_info >= (3, 13) else _as_completed_generator,
}
