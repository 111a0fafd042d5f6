"""Reads `suites.toml`: whose tests are run, and what of them may differ, each with its reason."""

import re
import sys
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE / "suites.toml"
CONSTRAINTS = HERE / "constraints.txt"

_CLAUSE = re.compile(r"(<=|>=|<|>)3\.(\d+)")
_COMPARE = {"<=": int.__le__, ">=": int.__ge__, "<": int.__lt__, ">": int.__gt__}


class BadData(Exception):
    """The data file does not say what it should."""


def normal(name: str) -> str:
    """A project's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class Suite:
    """The tests of one package."""

    name: str
    version: str
    source: str
    install: list[str]
    tests: list[str]
    seconds: float
    keep: list[str] = field(default_factory=list)
    pins: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    processes: int = 1

    def versions(self) -> dict[str, str]:
        """The version of each package that may be installed for this suite, by its normal name."""
        lines = [*CONSTRAINTS.read_text(encoding="utf-8").splitlines(), *self.pins]
        pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
        return {normal(name): version for name, version in pairs}


@dataclass(frozen=True)
class Excuse:
    """Tests that may fail on roundelay only."""

    suite: str
    tests: list[str]
    reason: str
    python: str = ""
    kind: str = "differs"
    """`differs`: they do fail, in every run. `chance`: they race, and who wins differs."""

    def applies(self, minor: int = sys.version_info.minor) -> bool:
        return all(
            _COMPARE[operator](minor, int(number)) for operator, number in _CLAUSE.findall(self.python)
        )

    def match(self, test: str) -> bool:
        # By hand, because the names of tests with parameters have brackets in them.
        return any(fnmatchcase(test, pattern.replace("[", "[[]")) for pattern in self.tests)


def load(path: Path = DATA) -> tuple[dict[str, Suite], list[Excuse]]:
    """The suites by name, and the excuses on this Python. Raises BadData."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    if unknown := set(data) - {"suite", "differs", "chance"}:
        raise BadData(f"unknown section {min(unknown)!r}")
    suites = {suite.name: suite for suite in (_make(Suite, table) for table in data.get("suite", []))}
    excuses = [
        _make(Excuse, {**table, "kind": kind})
        for kind in ("differs", "chance")
        for table in data.get(kind, [])
    ]
    for excuse in excuses:
        if excuse.suite not in suites:
            raise BadData(f"no suite is called {excuse.suite!r}")
        if len(excuse.reason.split()) < 4:
            raise BadData(f"an entry needs a reason in words: {excuse}")
        if _CLAUSE.sub("", excuse.python).strip(", "):
            raise BadData(f"`python` must look like '>=3.12,<3.14': {excuse.python!r}")
    return suites, [excuse for excuse in excuses if excuse.applies()]


def _make(cls: Any, table: dict[str, Any]) -> Any:
    try:
        return cls(**table)
    except TypeError as error:
        raise BadData(f"{error} in {table}") from None
