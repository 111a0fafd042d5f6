"""The table of `make bench`: ratios, targets, and the mean of several rows."""

from __future__ import annotations

import math
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

BENCHES = Path(__file__).parents[1] / "benches"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHES))
    import table

    return table


def test_every_target_is_one_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    import loops
    import workloads

    rows = {row for workload in workloads.WORKLOADS.values() for row in workload.rows} | {workloads.MEAN}
    sections = tomllib.loads((BENCHES / "targets.toml").read_text(encoding="utf-8"))["python"]
    for version, targets in sections.items():
        assert targets.keys() <= rows, version
        for row, bounds in targets.items():
            kinds = bounds.keys() - {"best-peer", "at-most", "ours", "than"}
            assert kinds <= set(loops.LOOPS) - {"roundelay"}, row
            assert ("ours" in bounds) == ("than" in bounds), row
            assert bounds.get("than", row) in rows, row


def test_row_names_and_titles_are_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    import workloads

    rows = [item for workload in workloads.WORKLOADS.values() for item in workload.rows.items()]
    assert len({name for name, _ in rows}) == len(rows)
    assert len({quantity.title for _, quantity in rows}) == len(rows)
    assert not workloads.WORKLOADS.keys() & workloads.GROUPS.keys()


def test_a_target_is_met_missed_or_not_measured(table: Any) -> None:
    row = table.Row(
        "lock", "Lock", "ns", {"asyncio": 1000.0, "uvloop": 500.0, "rloop": 400.0, "roundelay": 100.0}
    )
    found = table.verdicts(row, {"asyncio": 10, "best-peer": 5, "at-most": 100}, {})
    assert [str(verdict) for verdict in found] == [
        "met: 10x asyncio",
        "MISSED: 5x best peer",
        "met: at most 100 ns",
    ]
    alone = table.Row("lock", "Lock", "ns", {"roundelay": 100.0})
    judged = table.verdicts(alone, {"asyncio": 10, "best-peer": 5}, {})
    assert [verdict.met for verdict in judged] == [None, None]


def test_a_target_may_be_the_limit_or_another_row_of_ours(table: Any) -> None:
    protocol = table.Row("protocol", "Protocol", "ns", {"limit": 90.0, "roundelay": 100.0})
    streams = table.Row("streams", "Streams", "ns", {"uvloop": 180.0, "roundelay": 130.0})
    rows = {"protocol": protocol, "streams": streams}
    assert list(map(str, table.verdicts(protocol, {"limit": 0.9}, rows))) == ["met: 0.9x the limit"]
    targets = {"uvloop": 1.5, "ours": 0.8, "than": "protocol"}
    assert list(map(str, table.verdicts(streams, targets, rows))) == [
        "MISSED: 1.5x uvloop",
        "MISSED: 0.8x our protocol",
    ]
    assert str(table.verdicts(streams, {"ours": 0.7, "than": "protocol"}, rows)[0]).startswith("met")
    assert table.verdicts(streams, {"ours": 0.7, "than": "nothing"}, rows)[0].met is None


def test_processor_time_stands_beside_and_the_limit_is_no_loop_to_lose_to(table: Any) -> None:
    values = {"asyncio": 9000.0, "roundelay": 4000.0, "limit": 3500.0}
    row = table.Row("echo", "Echo", "ns", values, {"asyncio": 8000.0, "roundelay": 3900.0})
    text = table.render([row], ["asyncio", "roundelay", "limit"], {})
    assert "| Echo     | 9000 ns (8000) | 4000 ns (3900) | 3500 ns |       2.2x |" in text
    assert "Where we lose: nowhere in this table." in text
    # Its column is not there when nothing has it.
    assert "limit" not in table.render(
        [table.Row("a", "A", "ns", {"asyncio": 1.0})], ["asyncio", "limit"], {}
    )


def test_the_mean_of_rows_has_the_mean_of_their_ratios(table: Any) -> None:
    rows = [
        table.Row("a", "A", "ms", {"asyncio": 400.0, "uvloop": 300.0, "roundelay": 100.0}),
        table.Row("b", "B", "ms", {"asyncio": 18.0, "roundelay": 2.0}),
    ]
    mean = table.geometric_mean("mean", rows)
    assert math.isclose(mean.ratio("asyncio"), 6.0)
    # A loop that could not do them all has no mean.
    assert mean.values.keys() == {"asyncio", "roundelay"}
    assert (mean.unit, mean.title) == ("ms", "geometric mean of these 2 trees")


def test_the_summary_names_what_was_lost_and_missed(table: Any) -> None:
    rows = [
        table.Row("a", "Faster", "ns", {"asyncio": 400.0, "roundelay": 100.0}),
        table.Row("b", "Slower", "ns", {"asyncio": 100.0, "roundelay": 200.0}),
    ]
    text = table.render(rows, ["asyncio", "roundelay"], {"a": {"asyncio": 4}, "b": {"asyncio": 1}})
    assert "- Slower: asyncio 100 ns, we 200 ns" in text
    assert "- Slower: wanted 1x asyncio, reached 200 ns, 0.5x asyncio" in text
    assert "- Faster" not in text


def test_targets_are_those_of_the_running_python(table: Any) -> None:
    stated = tomllib.loads((BENCHES / "targets.toml").read_text(encoding="utf-8"))["python"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert table.load_targets() == stated["every"] | stated.get(version, {})
