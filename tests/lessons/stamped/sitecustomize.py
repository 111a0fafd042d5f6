"""Python imports this before a lesson program when its folder is on PYTHONPATH. It stamps each print().

The time is that of the running event loop, or none where no loop runs. The first line of the stamps is the
time of the start, by the clock that event loops read. They go into a file of their own: what the program
writes stays as it is.
"""

import builtins
import json
import os
import sys
import time

_print = builtins.print
# Taken out of the environment: processes that the program starts have no stamps.
_stamps_file = os.environ.pop("LESSON_STAMPS", None)


def print(*values, sep=" ", end="\n", file=None, flush=False):
    _print(*values, sep=sep, end=end, file=file, flush=flush)
    if file is None and _stamps_file:
        asyncio = sys.modules.get("asyncio")
        loop = asyncio and asyncio._get_running_loop()
        text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
        with open(_stamps_file, "a", encoding="utf-8") as stamps:
            stamps.write(json.dumps([loop and loop.time(), text]) + "\n")


if _stamps_file:
    with open(_stamps_file, "w", encoding="utf-8") as stamps:
        stamps.write(f"{time.monotonic()}\n")
    builtins.print = print
