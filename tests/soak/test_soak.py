"""The soak finds nothing in a few seconds, and finds what leaks on purpose."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from figures import Bounds, Figures, complaints, growth

pytestmark = pytest.mark.timeout(180)


def soak(*options: str) -> tuple[int, str]:
    command = [sys.executable, str(HERE / "run.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    return done.returncode, done.stdout + done.stderr


def test_five_seconds_of_everything_leave_nothing_behind() -> None:
    status, output = soak("--seconds", "5")
    assert status == 0, output
    assert "nothing grew, nothing was lost" in output
    # Everything had its turn, and each checkpoint is told.
    assert "reset_by_client " in output
    assert "process_killed " in output
    assert sum(line.strip()[:1].isdigit() and "  " in line for line in output.splitlines()) >= 20


@pytest.mark.parametrize(
    ("leak", "complaint"),
    [
        ("descriptor", "more descriptors than after the warm-up, 0 allowed"),
        ("memory", "MiB more memory than after the warm-up, 4 allowed"),
        ("object", "more objects than after the warm-up, 400 allowed"),
        ("task", "more tasks than after the warm-up, 0 allowed"),
        (
            "warning",
            "RuntimeWarning: coroutine 'leak_warning.<locals>.nobody_awaits_this' was never awaited",
        ),
    ],
)
def test_what_leaks_is_told(leak: str, complaint: str) -> None:
    status, output = soak("--seconds", "6", "--leak", leak)
    assert status == 1, output
    assert complaint in output


def test_growth_is_from_the_first_quarter_to_the_last() -> None:
    assert growth([5, 5, 9, 9, 9, 9, 5, 6]) == 0
    assert growth([5, 6, 6, 7, 7, 8, 8, 9]) == 3
    assert growth([5, 7]) == 2
    assert growth([5]) == 0


def test_each_figure_has_its_bound() -> None:
    before = Figures(memory=20.0, objects=1000, descriptors=9, tasks=1, threads=5)
    within = Figures(memory=23.9, objects=1400, descriptors=9, tasks=1, threads=5)
    beyond = Figures(memory=24.1, objects=1401, descriptors=10, tasks=2, threads=6)
    assert complaints("clients", [before, within], Bounds()) == []
    told = complaints("clients", [before, beyond], Bounds())
    assert [text.split(" more ")[1].split()[0] for text in told] == [
        "memory",
        "objects",
        "descriptors",
        "tasks",
        "threads",
    ]
