"""Draws programs with Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .grammar import Maker
from .program import Program


@st.composite
def programs(draw: Callable[[Any], Any]) -> Program:
    """Programs of every kind that the grammar has."""
    return Maker(draw).program()


class _Enough(BaseException):
    """Ends Hypothesis's search. No Exception, so that it is taken for nothing that was found."""


def for_each_program(count: int, start: int, visit: Callable[[Program], bool]) -> int:
    """Call `visit` with so many different programs, the same for a seed each time, or until it returns True.

    Hypothesis repeats itself now and then; returns how many different programs there were. What fails is not
    shrunk by Hypothesis, but by `reduced`, which knows what programs are, in a bounded number of tries.
    """
    seen: set[Program] = set()

    @seed(start)
    @settings(
        max_examples=3 * count + 100,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def take(program: Program) -> None:
        if program not in seen:
            seen.add(program)
            if visit(program) or len(seen) == count:
                raise _Enough

    try:
        take()
    except _Enough:
        pass
    return len(seen)
