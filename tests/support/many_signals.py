"""Sends five each of many signals at once, and prints which of them the loop has served.

A program of its own: the system nests as many frames on the stack for signals as come at once, which is more
than the small stack holds that a faulthandler, and with it pytest, has set up for them.
"""

import asyncio
import importlib
import os
import signal
import sys
import threading

NUMBERS = [signal.SIGUSR1, signal.SIGUSR2, *range(signal.SIGRTMIN, signal.SIGRTMIN + 20)]


async def main() -> None:
    loop = asyncio.get_running_loop()
    seen: set[int] = set()
    everything = asyncio.Event()

    def handler(number: int) -> None:
        seen.add(number)
        if len(seen) == len(NUMBERS):
            everything.set()

    for number in NUMBERS:
        loop.add_signal_handler(number, handler, number)

    def send() -> None:
        for _ in range(5):
            for number in NUMBERS:
                os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    await asyncio.wait_for(everything.wait(), 10)
    thread.join()
    print(sorted(seen) == sorted(NUMBERS))
    print([loop.remove_signal_handler(number) for number in NUMBERS] == [True] * len(NUMBERS))


importlib.import_module(sys.argv[1]).run(main())
