"""The program that measures servers from outside: `roundelay-bench`, of this workspace."""

import os
from pathlib import Path

VARIABLE = "ROUNDELAY_BENCH_PROGRAM"
"""Names the program where it is not in the usual place."""

PROGRAM = Path(os.environ.get(VARIABLE) or Path(__file__).parents[1] / "target/release/roundelay-bench")


def missing() -> str | None:
    """Why there is no load to be had here, or None."""
    if os.access(PROGRAM, os.X_OK):
        return None
    return f"no {PROGRAM}: cargo build --release --package roundelay-bench"
