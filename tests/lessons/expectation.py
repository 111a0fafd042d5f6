"""What a lesson program must show, as written in `expected/NAME.txt`.

A file has one line for each line that the program prints, led by the time at which it must appear, in
seconds from the program's start. In place of a time, "*" says that any will do, and "-" that no event loop
runs then.

    0    | --- Sequential execution ---
    2    |   Task A done after 2 seconds

Two more kinds of lines: `status N` (0 unless given), and `error TEXT`, where TEXT must stand in standard
error, in the order given. A program without an `error` line writes nothing there. "#" starts a comment line.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / "examples" / "lessons"
EXPECTED = HERE / "expected"


@dataclass
class Expectation:
    status: int = 0
    lines: list[str] = field(default_factory=list)
    seconds: list[float | str] = field(default_factory=list)  # of each line; or "*", or "-"
    errors: list[str] = field(default_factory=list)

    @property
    def stdout(self) -> str:
        return "".join(line + "\n" for line in self.lines)


def names() -> list[str]:
    return sorted(path.stem for path in PROGRAMS.glob("*.py"))


def read(name: str) -> Expectation:
    expectation = Expectation()
    for number, line in enumerate((EXPECTED / f"{name}.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := re.fullmatch(r"([-*]|\d+(?:\.\d+)?) *\|(?: (.*))?", line):
            expectation.seconds.append(match[1] if match[1] in "-*" else float(match[1]))
            expectation.lines.append(match[2] or "")
        elif match := re.fullmatch(r"status (-?\d+)", line):
            expectation.status = int(match[1])
        elif match := re.fullmatch(r"error (.+)", line):
            expectation.errors.append(match[1])
        else:
            raise ValueError(f"{name}.txt, line {number}: {line!r} is none of the kinds of lines there are")
    return expectation
