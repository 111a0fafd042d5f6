"""Has programs run under injected faults by worker processes, one for each event loop."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from support import preloaded
from support.faults import Fault

# No answer after so many seconds, and the worker is given up. It gives itself up before.
LONGEST = 40


class Worker:
    """A process that runs programs on one event loop; see `fault_worker`."""

    def __init__(self, module: str, library: Path, *, seconds: float) -> None:
        self._command = [sys.executable, "-m", "support.fault_worker", module, str(seconds)]
        self._environment = preloaded.environment(library)
        self._process: subprocess.Popen[str] | None = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._process

    def run(self, program: str, *faults: Fault, seed: int = 0) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        wanted = {"program": program, "faults": [fault.as_data() for fault in faults], "seed": seed}
        print(json.dumps(wanted), file=process.stdin, flush=True)
        readable, _, _ = select.select([process.stdout], [], [], LONGEST)
        line = process.stdout.readline() if readable else ""
        if not line:
            process.kill()
            self.close()
            status = process.returncode
            return {"told": {"process": [f"DIED with {status}"]}, "answered": [], "native": {}, "others": {},
                    "native met": {}, "others met": {}}  # fmt: skip
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=LONGEST)
            self._process = None

    def __enter__(self) -> Self:
        self._started()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def calls_of(outcome: dict[str, Any]) -> dict[str, int]:
    """How often each system call was made, by whomever."""
    native, others = outcome["native"], outcome["others"]
    return {call: native.get(call, 0) + others.get(call, 0) for call in {*native, *others}}


def described(program: str, faults: Sequence[Fault]) -> str:
    return f"{program}, {'; '.join(map(str, faults)) or 'no fault'}"
