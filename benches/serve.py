"""The server that a network workload measures: one loop, one style, in a process that does nothing else.

    python benches/serve.py roundelay protocol

Prints the port on 127.0.0.1, and serves until its input ends.
"""

import argparse
import asyncio
import os
import threading

import loops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("loop", choices=loops.LOOPS)
    parser.add_argument("style")
    options = parser.parse_args()

    # Before the servers are imported: asyncio's names must be in place by then.
    loop = loops.prepare(options.loop)
    from servers import STYLES

    threading.Thread(target=end_with_the_input, daemon=True).start()
    with asyncio.Runner(loop_factory=loop.make) as runner:
        runner.run(STYLES[options.style](announce))


def announce(port: int) -> None:
    print(port, flush=True)


def end_with_the_input() -> None:
    """Waits, without the interpreter, for the end of the one who measures."""
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
