"""Asks, from where CPython's test modules stand, who provides what they test.

`test_driver.py` runs this module in every variant: each test passes where roundelay is found, and fails
where asyncio is. The ways of importing are those of CPython's tests.
"""

import _asyncio
import asyncio
import asyncio.staggered
import contextlib
import sys
import unittest
from asyncio import futures, locks, queues, taskgroups, tasks, threads, timeouts

import roundelay
from names import HOMES

MODULES = (asyncio, futures, locks, queues, asyncio.staggered, taskgroups, tasks, threads, timeouts)


class Loop(unittest.IsolatedAsyncioTestCase):
    loop_factory = getattr(asyncio, "EventLoop", None)
    """As some of CPython's classes choose it; asyncio has the name since 3.13."""

    async def test_that_runs(self):
        self.assertIsInstance(asyncio.get_running_loop(), roundelay.EventLoop)

    async def test_that_is_new(self):
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            self.assertIsInstance(loop, roundelay.EventLoop)

    async def test_its_tasks(self):
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        self.assertIsInstance(task, roundelay.Task)
        self.assertIsInstance(asyncio.current_task(), roundelay.Task)


class Classes(unittest.TestCase):
    def test_task(self):
        self.assertIsNot(tasks._CTask, _asyncio.Task)

    def test_future(self):
        self.assertIsNot(futures._CFuture, _asyncio.Future)


class Names(unittest.TestCase):
    """One test for each name that install() replaces; filled below.

    Modules of asyncio that took a name from another one keep what they took (streams, its sleep), so each
    name is looked for at home and in `MODULES`.
    """


def made_for(name, home):
    def test(self):
        modules = {*MODULES, sys.modules[home]}
        found = [vars(module)[name] for module in modules if name in vars(module)]
        self.assertGreaterEqual(len(found), 2)
        for value in found:
            self.assertIs(value, getattr(roundelay, name))
            self.assertIs(value, getattr(roundelay._core, name, "nothing native"))

    return test


for home, names in HOMES.items():
    for name in names:
        setattr(Names, f"test_{name}", made_for(name, home))
