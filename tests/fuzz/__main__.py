"""Run one program again, in every way: its data, as a difference shows it, comes from standard input.

PYTHONPATH=tests python -m fuzz < program.txt
"""

from __future__ import annotations

import sys
from typing import Any

from . import blocks, expressions, statements
from .compare import difference
from .program import Program, Setting
from .ways import OTHERS, OURS, STOCK, quiet, run

NAMES: dict[str, Any] = {
    **vars(expressions),
    **vars(statements),
    **vars(blocks),
    "Program": Program,
    "Setting": Setting,
}


def main() -> int:
    program: Program = eval(sys.stdin.read().strip(), NAMES)
    print(program.source(), "", sep="\n")
    with quiet():
        print("--- on asyncio", *run(program, STOCK), sep="\n")
        diffs = [difference(program, way) for way in (OURS, *OTHERS)]
    for diff in filter(None, diffs):
        print("", *diff, sep="\n")
    return int(any(diffs))


if __name__ == "__main__":
    sys.exit(main())
