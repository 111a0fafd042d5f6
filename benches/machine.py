"""Says on what a table was measured; without that, its numbers mean nothing."""

import os
import platform
import sys


def describe() -> list[str]:
    compiler = platform.python_compiler()
    build = "free-threaded" if not getattr(sys, "_is_gil_enabled", lambda: True)() else "with GIL"
    cores = os.cpu_count() or 1
    busy = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return [
        f"machine: {_cpu_model()}, {cores} core{'s' if cores > 1 else ''}{busy}",
        f"system: {platform.system()} {platform.release()}",
        f"python: {platform.python_implementation()} {platform.python_version()} ({build}, {compiler})",
    ]


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
