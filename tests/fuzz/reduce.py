"""Makes a program that shows a difference small, in a bounded number of tries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from .blocks import Block
from .program import Program
from .statements import Statement


def _smaller_bodies(body: tuple[Statement, ...]) -> Iterator[tuple[Statement, ...]]:
    """Every body with one thing less in it, larger savings first."""
    if len(body) > 3:
        yield body[len(body) // 2 :]
        yield body[: len(body) // 2]
    for place, statement in enumerate(body):
        before, behind = body[:place], body[place + 1 :]
        yield before + behind
        if isinstance(statement, Block):
            for field in dataclasses.fields(statement):
                content = getattr(statement, field.name)
                if isinstance(content, tuple) and content and isinstance(content[0], Statement):
                    yield before + content + behind
                    for smaller in _smaller_bodies(content):
                        yield (*before, dataclasses.replace(statement, **{field.name: smaller}), *behind)
        for simpler in _simpler(statement):
            yield (*before, simpler, *behind)


def _simpler(part: Any) -> Iterator[Any]:
    """The same statement or expression with a simpler expression somewhere in it."""
    for field in dataclasses.fields(part):
        content = getattr(part, field.name)
        if dataclasses.is_dataclass(content) and not isinstance(content, Statement):
            inner = getattr(content, "what", None)
            if inner is not None:
                yield dataclasses.replace(part, **{field.name: inner})
            for simpler in _simpler(content):
                yield dataclasses.replace(part, **{field.name: simpler})
        elif field.name == "children" and len(content) > 1:
            for place in range(len(content)):
                yield dataclasses.replace(part, children=content[:place] + content[place + 1 :])


def _smaller(program: Program) -> Iterator[Program]:
    plain = dataclasses.replace(program, ticks=False, tasks="plain")
    if plain != program:
        yield plain
    if len(program.bodies) > program.roots:
        yield dataclasses.replace(program, bodies=program.bodies[:-1])
    if program.roots > 1:
        yield dataclasses.replace(program, roots=program.roots - 1)
    for place, body in enumerate(program.bodies):
        for smaller in _smaller_bodies(body):
            bodies = (*program.bodies[:place], smaller, *program.bodies[place + 1 :])
            yield dataclasses.replace(program, bodies=bodies)


def reduced(program: Program, differs: Callable[[Program], bool], tries: int = 600) -> Program:
    """A smaller program that still differs; the smallest that is found with so many tries."""
    found = True
    while found:
        found = False
        for smaller in _smaller(program):
            if tries <= 0:
                return program
            tries -= 1
            if differs(smaller):
                program, found = smaller, True
                break
    return program
