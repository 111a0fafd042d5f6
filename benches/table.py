"""Turns samples into the table: ratios, targets, and where we lose."""

import statistics
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from loops import LIMIT, PEERS

OURS = "roundelay"


@dataclass(frozen=True)
class Row:
    """One quantity on every loop. Less is better for all of them."""

    name: str
    title: str
    unit: str
    values: dict[str, float]
    """Loop to value; a loop without a value is missing here."""
    processor: dict[str, float] = field(default_factory=dict)
    """The same for the processor time that went into it, if that was measured."""

    def ratio(self, other: str) -> float | None:
        """How many times the other loop's value is ours."""
        if OURS in self.values and other in self.values and self.values[OURS] > 0:
            return self.values[other] / self.values[OURS]
        return None

    def best_peer(self) -> str | None:
        present = [loop for loop in PEERS if loop in self.values]
        return min(present, key=self.values.__getitem__, default=None)


def geometric_mean(name: str, rows: list[Row]) -> Row:
    """One row that sums up others: its ratios are the geometric means of theirs.

    A loop that has no value in one of them has none here.
    """
    everywhere = set.intersection(*(set(row.values) for row in rows))
    values = {
        loop: statistics.geometric_mean(row.values[loop] for row in rows)
        for loop in rows[0].values
        if loop in everywhere
    }
    return Row(name, f"geometric mean of these {len(rows)} trees", rows[0].unit, values)


@dataclass(frozen=True)
class Verdict:
    """A target, and whether it was reached; None where this run cannot say."""

    text: str
    met: bool | None

    def __str__(self) -> str:
        return {True: "met", False: "MISSED", None: "not measured"}[self.met] + f": {self.text}"


Targets = dict[str, dict[str, float | str]]
"""Row to kind to number, or to the name of another row under `than`."""


def load_targets() -> Targets:
    """The targets stated for the running Python."""
    with Path(__file__).with_name("targets.toml").open("rb") as file:
        sections = tomllib.load(file)["python"]
    own = sections.get(f"{sys.version_info.major}.{sys.version_info.minor}", {})
    return {**sections.get("every", {}), **own}


def verdicts(row: Row, targets: dict[str, float | str], rows: dict[str, Row]) -> list[Verdict]:
    """Compares one row with its targets; `rows` are all there are, by name."""
    found = []
    bounds = dict(targets)
    than = rows.get(str(bounds.pop("than", "")))
    for kind, given in bounds.items():
        bound = float(given)
        if kind == "at-most":
            value = row.values.get(OURS)
            met = None if value is None else value <= bound
            found.append(Verdict(f"at most {bound:g} {row.unit}", met))
            continue
        if kind == "ours":
            ratio = _to_other_row(row, than)
            text = f"{bound:g}x our {than.name if than else 'other row'}"
        else:
            other = row.best_peer() if kind == "best-peer" else kind
            ratio = row.ratio(other) if other else None
            text = f"{bound:g}x {'the ' * (kind == LIMIT)}{kind.replace('-', ' ')}"
        # What the table shows as a ratio of 1.00 is one.
        met = None if ratio is None else round(ratio, 2) >= bound
        found.append(Verdict(text, met))
    return found


def _to_other_row(row: Row, other: Row | None) -> float | None:
    """How many times our value in this row is that in another one."""
    if other is None or OURS not in row.values or OURS not in other.values:
        return None
    return other.values[OURS] / row.values[OURS]


def render(rows: list[Row], loops: list[str], targets: Targets) -> str:
    """The table in aligned Markdown, and below it what was missed and lost."""
    loops = [loop for loop in loops if loop != LIMIT or any(LIMIT in row.values for row in rows)]
    header = ["workload", *loops, "vs asyncio", "vs best peer", "target"]
    named = {row.name: row for row in rows}
    judged = {row.name: verdicts(row, targets.get(row.name, {}), named) for row in rows}
    body = [_cells(row, loops, judged[row.name]) for row in rows]
    lines = _align([header, *body], left={0, len(header) - 1})
    if any(row.processor for row in rows):
        lines += ["", "In parentheses: processor time of the server's process."]
    return "\n".join([*lines, "", *_summary(rows, judged, bool(targets))])


def _cells(row: Row, loops: list[str], judged: list[Verdict]) -> list[str]:
    peer = row.best_peer()
    to_peer = row.ratio(peer) if peer else None
    return [
        row.title,
        *(_value(row, loop) for loop in loops),
        _times(row.ratio("asyncio")),
        f"{_times(to_peer)} ({peer})" if to_peer else "-",
        ", ".join(map(str, judged)) or "-",
    ]


def _value(row: Row, loop: str) -> str:
    if loop not in row.values:
        return "-"
    beside = f" ({row.processor[loop]:.0f})" if loop in row.processor else ""
    return f"{row.values[loop]:.0f} {row.unit}{beside}"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}x"


def _align(table: list[list[str]], left: set[int]) -> list[str]:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return lines


def _summary(rows: list[Row], judged: dict[str, list[Verdict]], stated: bool) -> list[str]:
    ours = [row for row in rows if OURS in row.values]
    if not ours:
        return ["roundelay was not measured."]
    slower = [
        f"- {row.title}: {loop} {_value(row, loop)}, we {_value(row, OURS)}"
        for row in ours
        for loop in row.values
        if loop not in (OURS, LIMIT) and row.values[loop] < row.values[OURS]
    ]
    missed = []
    for row in ours:
        texts = [verdict.text for verdict in judged[row.name] if verdict.met is False]
        if texts:
            missed.append(f"- {row.title}: wanted {' and '.join(texts)}, reached {_reached(row)}")
    return [
        "Where we lose:" + ("" if slower else " nowhere in this table."),
        *slower,
        "Targets missed:" + ("" if missed else f" {_no_miss(stated)}."),
        *missed,
    ]


def _reached(row: Row) -> str:
    others = [other for other in ("asyncio", row.best_peer(), LIMIT) if other and row.ratio(other)]
    return ", ".join([_value(row, OURS), *(f"{_times(row.ratio(other))} {other}" for other in others)])


def _no_miss(stated: bool) -> str:
    return "none" if stated else "none are stated for this Python"
