"""Measures one workload on one loop, in a process that does nothing else; prints one line of JSON.

python benches/child.py roundelay switch --passes 3
"""

import argparse
import json
import os
import sys

import loops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("loop", choices=loops.LOOPS)
    parser.add_argument("workload")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual count")
    parser.add_argument("--cpu-time", action="store_true", help="processor time, not elapsed time")
    options = parser.parse_args()

    # Before the workloads are imported: asyncio's names must be in place by then.
    loop = loops.prepare(options.loop)
    from workloads import WORKLOADS, registry

    if options.cpu_time:
        registry.use_processor_time()
    workload = WORKLOADS[options.workload]
    print(json.dumps(workload.measure(loop, options.passes, options.scale)))
    if workload.leaves_tasks:
        # Taking them down one by one would only cost time.
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
