"""Makes asyncio roundelay's in every process of a suite, before the suite imports anything.

Python imports a module by this name at startup, from the first folder of PYTHONPATH, so that the
processes which the tests themselves start are served as well. `install()` does what a user would do; the
lines below it are for suites that name asyncio's loop class, which a user's `install()` respects and a
test of our loop must not.
"""

import os

if os.environ.get("ROUNDELAY_UPSTREAM_LOOP") == "roundelay":
    import asyncio

    import roundelay

    roundelay.install()
    for module in (asyncio, asyncio.unix_events):
        for name in ("SelectorEventLoop", "EventLoop"):  # EventLoop since 3.13
            if hasattr(module, name):
                setattr(module, name, roundelay.EventLoop)
    # The private name has a second underscore in front since 3.14.
    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        policy = getattr(asyncio.unix_events, name, None)
        if policy is not None:
            policy._loop_factory = roundelay.EventLoop
