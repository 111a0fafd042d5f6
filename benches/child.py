"""Measures one workload on one loop, in a process that does nothing else; prints one line of JSON.

python benches/child.py roundelay switch --passes 3
"""

import argparse
import gc
import json
import os
import sys
import time

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
    run = loops.prepare(options.loop)
    import workloads

    if options.cpu_time:
        workloads.clock = time.process_time
    workload = workloads.WORKLOADS[options.workload]
    count = max(1000, round(workload.count * options.scale / 1000) * 1000)
    samples: dict[str, list[float]] = {row: [] for row in workload.rows}

    async def measure() -> None:
        if workload.warm_up:
            await workload.run(max(1000, count // 10))
        for _ in range(options.passes if workload.warm_up else 1):
            gc.collect()
            for row, value in (await workload.run(count)).items():
                samples[row].append(value)
        print(json.dumps(samples))
        sys.stdout.flush()
        if not workload.warm_up:
            # Its tasks still sleep; cancelling them all would only cost time.
            os._exit(0)

    run(measure())


if __name__ == "__main__":
    main()
