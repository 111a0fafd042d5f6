"""Reads `exclusions.toml`: the tests that are not asked of roundelay, each with its reason."""

import re
import sys
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

DATA = Path(__file__).with_name("exclusions.toml")

_CLAUSE = re.compile(r"(<=|>=|==|<|>)\s*3\.(\d+)")
_COMPARE = {
    "<=": int.__le__,
    ">=": int.__ge__,
    "==": int.__eq__,
    "<": int.__lt__,
    ">": int.__gt__,
}


class BadExclusions(Exception):
    """The data file does not say what it should."""


@dataclass
class Exclusion:
    """One entry of the data file."""

    pattern: str
    """Matched against `module.Class.method` as reported, with shell wildcards."""
    python: str
    """For example `>=3.12` or `>=3.11,<3.13`; empty for every version."""
    reason: str
    kind: str
    """`not-ours` never touches roundelay's code; `differs` does, and is expected to fail."""
    matched: list[str] = field(default_factory=list)

    def applies_to(self, minor: int) -> bool:
        return all(
            _COMPARE[operator](minor, int(number)) for operator, number in _CLAUSE.findall(self.python)
        )


class Exclusions:
    """The entries that apply to the running Python, and what each of them matched."""

    def __init__(self, entries: list[Exclusion], minor: int = sys.version_info.minor) -> None:
        self.entries = [entry for entry in entries if entry.applies_to(minor)]

    def match(self, test: str) -> Exclusion | None:
        """The first entry for this test, noting the match on every entry that has it."""
        first = None
        for entry in self.entries:
            if fnmatchcase(test, entry.pattern):
                entry.matched.append(test)
                first = first or entry
        return first

    def unused(self, labels: set[str]) -> list[Exclusion]:
        """Entries that matched nothing although their module (one of `labels`) was run."""
        return [
            entry
            for entry in self.entries
            if not entry.matched and any(fnmatchcase(label, entry.pattern.split(".")[0]) for label in labels)
        ]


def load(path: Path = DATA) -> list[Exclusion]:
    """Reads the file and refuses an entry without a reason, a pattern or a known key."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    if unknown := set(data) - {"not-ours", "differs"}:
        raise BadExclusions(f"{path.name}: unknown section {min(unknown)!r}")
    return [entry for kind, tables in data.items() for table in tables for entry in _read(kind, table)]


def _read(kind: str, table: dict[str, object]) -> list[Exclusion]:
    if unknown := set(table) - {"tests", "python", "reason"}:
        raise BadExclusions(f"unknown key {min(unknown)!r} in {table}")
    tests, reason, python = table.get("tests"), table.get("reason"), table.get("python", "")
    if not isinstance(tests, list) or not tests:
        raise BadExclusions(f"an entry needs a list `tests`: {table}")
    if not isinstance(reason, str) or len(reason.split()) < 4:
        raise BadExclusions(f"an entry needs a `reason` in words: {table}")
    if not isinstance(python, str) or _CLAUSE.sub("", python).strip(", "):
        raise BadExclusions(f"`python` must look like '>=3.12,<3.14': {python!r}")
    return [Exclusion(str(pattern), python, reason, kind) for pattern in tests]
