"""Installs what is measured beside us into the running virtual environment, one package at a time.

    .venv-bench/bin/python benches/install_peers.py requirements-bench.txt

A package without a wheel for this Python or platform must not keep the rest from being measured, so a failure
is reported and the next one is tried. `run.py` leaves out what is missing and says so.
"""

import subprocess
import sys
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
TIMEOUT = 600.0
"""Seconds for one peer; one without a wheel is compiled from source, or tries to be."""


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(sys.argv[0]).name} REQUIREMENTS")
    if sys.prefix == sys.base_prefix:
        sys.exit("install_peers: run it with the Python of a virtual environment")
    for line in Path(sys.argv[1]).read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement and (problem := install(requirement)):
            print(f"{requirement}: not installed ({problem})")
    return 0


def install(requirement: str) -> str | None:
    """What went wrong, or None. A requirement whose marker excludes this Python is no problem."""
    try:
        done = subprocess.run([*PIP, requirement], capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT:.0f} s"
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or ["no message"])[-1]


if __name__ == "__main__":
    sys.exit(main())
