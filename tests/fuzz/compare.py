"""Puts the traces of one program side by side."""

from __future__ import annotations

import difflib

from .program import Program
from .ways import STOCK, Way, run


def difference(program: Program, way: Way, reference: Way = STOCK) -> list[str]:
    """How the program's course differs from asyncio's, as a diff; empty if it does not."""
    expected = run(program, reference)
    found = run(program, way)
    if expected == found:
        return []
    return list(difflib.unified_diff(expected, found, reference.name, way.name, lineterm=""))


def told(program: Program, way: Way, diff: list[str], about: str) -> str:
    """All there is to say about a difference: the program to read, the diff, and the program to run again."""
    # What comes behind the first difference is its consequence as a rule.
    shown = diff if len(diff) <= 40 else [*diff[:40], f"... and {len(diff) - 40} lines more"]
    return "\n".join(
        [f"{way.name} differs from asyncio ({about})", "", program.source(), "", *shown, "", repr(program)]
    )
