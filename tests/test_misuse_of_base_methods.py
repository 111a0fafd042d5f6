"""asyncio's own methods, called unbound on native objects: whatever they answer, memory stays whole.

C code of `_asyncio` replaces what it finds in the base of an object, and drops the reference that it thinks
was there.
"""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "support" / "base_calls.py"


def test_every_base_method_leaves_memory_whole() -> None:
    # With the debugging allocator freed memory is overwritten, so that a use of it is noticed.
    environment = {**os.environ, "PYTHONMALLOC": "debug", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
    )
    assert (result.returncode, result.stdout) == (0, "alive\n")
