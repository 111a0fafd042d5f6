"""Random programs, one after the other, with a debugging allocator and a collector that runs all the time.

ROUNDELAY_STRESS_SECONDS makes it longer, ROUNDELAY_STRESS_SEED repeats a run.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "support" / "stress.py"
SECONDS = float(os.environ.get("ROUNDELAY_STRESS_SECONDS", "8"))


@pytest.mark.timeout(SECONDS * 3 + 60)
def test_random_programs_leave_nothing_behind() -> None:
    seed = os.environ.get("ROUNDELAY_STRESS_SEED") or str(random.SystemRandom().randrange(2**32))
    print("seed", seed)
    # With the debugging allocator freed memory is overwritten and its bounds are checked.
    environment = {**os.environ, "PYTHONMALLOC": "debug", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, PROGRAM, seed, str(SECONDS)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS * 3 + 40,
    )
    print(result.stdout)
    assert result.returncode == 0, f"seed {seed}, status {result.returncode}:\n{result.stdout[-4000:]}"
    assert "rounds" in result.stdout
