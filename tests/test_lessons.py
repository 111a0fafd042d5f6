"""The lesson programs of examples/lessons do on roundelay what they do on asyncio, and what the lessons say.

The programs sleep for seconds, and are left to: that gather() takes 3 seconds and not 6 is what the lessons
teach, and on a scaled clock a loop would pass that never waits by itself. To keep the test short, both sides
of several programs run at once; they mostly sleep. To keep it steady on a busy machine:

* The order of lines does not depend on how late a timer is: each program's deadlines stand in one order.
* A line's time is the event loop's own, stamped as it is printed. None is early. None is late by more than
  LATE_S beyond what the same program's latest line on asyncio was, which ran at the same moment.
* A program whose times are off, and only its times, gets two more tries, alone: a machine that stood still
  for a moment does not do so three times, and a loop that is slow does.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from lessons import expectation
from lessons.expectation import EXPECTED, PROGRAMS
from lessons.runs import Run, printed_seconds, run_both, without_seconds
from side_by_side import without_library_frames

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.leaks(reason="the programs of the other tests run meanwhile, each with two pipes"),
]

# Clocks tick in small steps, and a sum of sleeps may round down.
EARLY_S = 0.02
LATE_S = 0.5
# How much longer than asyncio it may take to start, on a machine that starts ten other programs meanwhile.
START_S = 3.0
TRIES = 3
# Each takes 12 seconds.
LETTER_TRIES = 5
# Pairs of processes. They sleep most of the time, so that more of them than processors do no harm.
AT_ONCE = 6

# The longest ones start first.
SLOW_FIRST = ["async_basics", "fourth_task", "mistake_time_sleep", "fetch_while_counting", "async_generator"]

# As the lesson page has it, to the letter.
BASICS_EXPECTED_OUTPUT = """\
--- Sequential execution ---
  Task A starting...
  Task A done after 2 seconds
  Task B starting...
  Task B done after 1 second
  Task C starting...
  Task C done after 3 seconds
Sequential total: ~6 seconds

--- Concurrent execution ---
  Task A starting...
  Task B starting...
  Task C starting...
  Task B done after 1 second
  Task A done after 2 seconds
  Task C done after 3 seconds
Concurrent total: ~3 seconds
"""

Runs = dict[str, "Future[tuple[Run, Run]]"]


@pytest.fixture(scope="module")
def first_runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The runs of all programs that were asked for, on their way when the first test begins."""
    chosen = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and item.path == request.path
        if "name" in item.callspec.params
    }
    order = sorted(chosen, key=lambda name: (name not in SLOW_FIRST, name))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(run_both, name) for name in order}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", expectation.names())
def test_lesson_program(name: str, first_runs: Runs) -> None:
    expected = expectation.read(name)
    runs = first_runs[name].result()
    for attempt in range(1, TRIES + 1):
        for run in runs:
            check_text(run, expected)
        check_parity(*runs)
        complaints = wrong_times(*runs, expected)
        if not complaints:
            return
        print(f"try {attempt} of {TRIES}:", *complaints, sep="\n")
        if attempt < TRIES:
            runs = run_both(name)
    pytest.fail("times are wrong in every try:\n" + "\n".join(complaints))


def check_text(run: Run, expected: expectation.Expectation) -> None:
    """What the program shows is what the lesson says, times apart."""
    assert without_seconds(run.stdout) == without_seconds(expected.stdout)
    assert run.outcome.status == expected.status
    rest = run.stderr
    if not expected.errors:
        assert rest == ""
    for error in expected.errors:
        assert error in rest
        rest = rest.split(error, 1)[1]
    # The stamps are those of this output, line by line.
    assert run.lines == run.stdout.splitlines()


def check_parity(asyncio_run: Run, roundelay_run: Run) -> None:
    """Nothing differs between the two but the frames inside the libraries, and times."""
    assert without_seconds(roundelay_run.stdout) == without_seconds(asyncio_run.stdout)
    assert without_library_frames(roundelay_run.stderr) == without_library_frames(asyncio_run.stderr)
    assert roundelay_run.outcome.status == asyncio_run.outcome.status


@dataclass(frozen=True)
class Timing:
    """How a run's times compare with those expected."""

    start_s: float  # how late the earliest line is: what it took to start the interpreter
    early_s: float  # how much earlier than a first line that is due at 0 the earliest line is
    late_s: float  # how much later than that the latest line is
    latest_line: str


def timing(run: Run, expected: expectation.Expectation) -> Timing:
    delays = {"no line has a time": 0.0}
    first_s: float | None = None  # the delay of a line due at 0, before which no sleep can have begun
    for number, due in enumerate(expected.seconds):
        seconds = run.seconds[number]
        assert (seconds is None) == (due == "-"), (
            f"{run.lines[number]!r} was printed at {seconds}, not at {due}"
        )
        if seconds is not None and isinstance(due, float):
            delays.pop("no line has a time", None)
            delays[f"line {number + 1}, {run.lines[number]!r}, printed at {seconds:.3f} s"] = seconds - due
            if due == 0 and first_s is None:
                first_s = seconds
    start_s = min(delays.values())
    early_s = 0.0 if first_s is None else first_s - start_s
    latest_line = max(delays, key=lambda line: delays[line])
    return Timing(start_s, early_s, delays[latest_line] - start_s, latest_line)


def wrong_times(asyncio_run: Run, roundelay_run: Run, expected: expectation.Expectation) -> list[str]:
    control, ours = timing(asyncio_run, expected), timing(roundelay_run, expected)
    complaints = []
    for side, times in ("asyncio", control), ("roundelay", ours):
        early_s = max(times.early_s, -times.start_s)
        if early_s > EARLY_S:
            complaints.append(f"{side}: a line comes {early_s:.3f} s before its time")
    if ours.start_s > control.start_s + START_S:
        complaints.append(
            f"roundelay starts after {ours.start_s:.3f} s, asyncio after {control.start_s:.3f} s"
        )
    allowed_s = LATE_S + control.late_s
    if ours.late_s > allowed_s:
        complaints.append(
            f"{ours.latest_line}, is late by {ours.late_s:.3f} s; allowed are {allowed_s:.3f} s"
        )
    for printed, right in zip(
        printed_seconds(roundelay_run.stdout), printed_seconds(expected.stdout), strict=True
    ):
        if abs(printed - right) > allowed_s:
            complaints.append(f"the program says {printed} seconds where {right} are right")
    return complaints


def test_basics_print_the_lesson_s_expected_output_to_the_letter(first_runs: Runs) -> None:
    runs = first_runs["async_basics"].result() if "async_basics" in first_runs else run_both("async_basics")
    for _ in range(LETTER_TRIES - 1):
        if all(BASICS_EXPECTED_OUTPUT in run.stdout for run in runs):
            break
        # On a machine that stands still for half a second it is "~7 seconds". All else is no matter of time.
        for run in runs:
            assert without_seconds(BASICS_EXPECTED_OUTPUT) in without_seconds(run.stdout)
        runs = run_both("async_basics")
    for run in runs:
        assert run.stdout.startswith(BASICS_EXPECTED_OUTPUT)


def test_every_program_has_its_expected_output() -> None:
    assert expectation.names() == sorted(path.stem for path in EXPECTED.glob("*.txt"))


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_program_is_plain_asyncio_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text()

    assert re.search(r"^import asyncio$", text, re.MULTILINE)
    assert "roundelay" not in text
    assert text.startswith('"""')
