"""Runs at the start of every Python that a test starts, and brings roundelay in there.

`test_external_inspection` watches other processes from outside: what it must find are roundelay's
tasks. `substitute.py` puts this folder on PYTHONPATH for that module only.
"""

import asyncio
import os

import roundelay

if os.environ["ROUNDELAY_TEST_NAMES"] == "roundelay":
    roundelay.install()
else:
    asyncio.events._set_event_loop_policy(roundelay.EventLoopPolicy())
