"""The driver of other projects' suites finds what fails on roundelay alone, and blames nothing else."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import compare
import outcomes
import prepare
import suites
from outcomes import OURS, STOCK, Run, judge, only_on_ours
from suites import Excuse, Suite

pytestmark = pytest.mark.timeout(120)

# What a suite may do, by whose loop it runs on.
SUITE = """
import asyncio, os, pathlib, subprocess, sys, unittest
import pytest

OURS = type(asyncio.new_event_loop()).__module__.startswith("roundelay")

def test_passes(): asyncio.run(asyncio.sleep(0))
def test_fails_on_both(): assert False
def test_fails_on_ours(): assert not OURS, "this is what it says"
def test_fails_on_asyncio(): assert OURS
def test_is_skipped_on_ours():
    if OURS: pytest.skip("not for you")
@pytest.mark.parametrize("name", [type(asyncio.new_event_loop()).__name__])
def test_has_another_name_on_ours(name): pass
def test_fails_once_on_ours():
    seen = pathlib.Path(__file__).with_name("seen-" + str(OURS))
    first = not seen.exists()
    seen.touch()
    assert not (OURS and first)
@pytest.fixture
def broken_at_the_end():
    yield
    assert not OURS
def test_fails_at_its_end_on_ours(broken_at_the_end): pass
@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail(): assert False
def test_names_the_class(): assert isinstance(asyncio.SelectorEventLoop(), asyncio.SelectorEventLoop)
def test_its_processes_run_on_the_same_loop():
    code = "import asyncio; print(type(asyncio.new_event_loop()).__module__)"
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert text.startswith("roundelay") is OURS
"""
CRASH = """
import asyncio, os
OURS = type(asyncio.new_event_loop()).__module__.startswith("roundelay")
def test_before(): pass
def test_crashes_on_ours():
    if OURS: os._exit(9)
def test_after(): pass
"""
HANG = "import time\ndef test_hangs(): time.sleep(60)"
NOTHING = "def test_passes(): pass"
ONLY_ON_OURS = {
    "test_it.py::test_fails_on_ours",
    "test_it.py::test_is_skipped_on_ours",
    "test_it.py::test_has_another_name_on_ours[_UnixSelectorEventLoop]",
    "test_it.py::test_fails_once_on_ours",
    "test_it.py::test_fails_at_its_end_on_ours",
}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "CACHE", tmp_path_factory.mktemp("cache"))
        return prepare.copy_of_ours()


@pytest.fixture
def session(
    tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> compare.Session:
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(outcomes, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(compare, "AGAIN", 1)
    here = prepare.Prepared(Path(sys.executable), tmp_path)
    monkeypatch.setattr(prepare, "prepare", lambda suite: here)
    suite = Suite("mine", "1.0", "pypi", [], ["-W", "ignore", "."], seconds=30)
    (tmp_path / "test_it.py").write_text(getattr(request, "param", SUITE))
    return compare.Session(suite, [], ours, [])


def test_what_fails_on_ours_alone_is_found_and_told(
    session: compare.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    line = session.run()
    output = capsys.readouterr().out
    assert (
        "asyncio: 9 passed, 2 failed; roundelay: 6 passed, 4 failed; only on roundelay: 4, 1 unsteady" in line
    )
    assert {problem.split()[1].removesuffix(":") for problem in session.problems} == ONLY_ON_OURS - {
        "test_it.py::test_fails_once_on_ours"
    }
    assert (
        "unsteady test_it.py::test_fails_once_on_ours: failed 1 of 2 on roundelay, 0 of 2 on asyncio"
        in output
    )
    assert "ours     test_it.py::test_fails_on_ours: failed 2 of 2 on roundelay, 0 of 2 on asyncio" in output
    assert "this is what it says" in output


def test_what_may_differ_is_no_failure_and_must_differ(session: compare.Session) -> None:
    patterns = ["*_fails_*on_ours", "*::test_is_skipped_on_ours", "*[_UnixSelectorEventLoop]"]
    session.excuses = [Excuse("mine", patterns, "so that there is a reason")]
    line = session.run()
    assert "only on roundelay: 0, 5 differs" in line
    assert session.problems == []
    session.excuses = [Excuse("mine", [*patterns, "*::test_passes"], "so that there is a reason")]
    session.run()
    assert "suites.toml: test_it.py::test_passes does not differ any more" in session.problems


def test_what_is_a_matter_of_chance_may_pass(session: compare.Session) -> None:
    session.excuses = [Excuse("mine", ["*"], "so that there is a reason", kind="chance")]
    assert "only on roundelay: 0, 5 chance" in session.run()
    assert session.problems == []


@pytest.mark.parametrize("session", [CRASH], indirect=True, ids=["crash"])
def test_a_crash_on_ours_is_a_failure_and_so_is_what_did_not_run(session: compare.Session) -> None:
    line = session.run()
    assert (
        "asyncio: 3 passed, 0 failed; roundelay: 1 passed, 0 failed, pytest ended with exit status 9" in line
    )
    assert "roundelay: pytest ended with exit status 9" in session.problems
    assert {problem.split()[1] for problem in session.problems if problem.startswith("ours ")} == {
        "test_it.py::test_crashes_on_ours:",
        "test_it.py::test_after:",
    }


@pytest.mark.parametrize("session", [HANG], indirect=True, ids=["hang"])
def test_a_run_that_does_not_end_is_ended(session: compare.Session) -> None:
    session.suite = Suite("mine", "1.0", "pypi", [], ["."], seconds=1)
    session.run()
    assert {"asyncio: stopped after 1 s", "no test passed on asyncio"} <= set(session.problems)


@pytest.mark.parametrize("session", [NOTHING], indirect=True, ids=["nothing"])
def test_a_suite_that_makes_no_loop_proves_nothing(session: compare.Session) -> None:
    session.run()
    assert session.problems == [f"{loop}: the tests made none of its loops" for loop in (OURS, STOCK)]


def test_a_suite_that_cannot_be_had_is_no_success(
    session: compare.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare_nothing(suite: Suite) -> None:
        raise prepare.CannotPrepare("no such version")

    monkeypatch.setattr(prepare, "prepare", prepare_nothing)
    assert "NOT RUN: no such version" in session.run()
    assert session.problems == ["no such version"]


@pytest.mark.parametrize(
    ("ours", "stock", "kind"),
    [
        (["failed"] * 4, ["passed"] * 4, "ours"),
        (["failed", "passed", "failed", "passed"], ["passed"] * 4, "ours"),
        (["failed", "passed", "passed", "passed"], ["passed"] * 4, "unsteady"),
        (["failed"] * 4, ["passed", "failed", "passed", "passed"], "unsteady"),
        (["skipped"] * 4, ["passed"] * 4, "ours"),
        ([None] * 4, ["passed"] * 4, "ours"),
    ],
)
def test_verdicts(ours: list[str | None], stock: list[str | None], kind: str) -> None:
    def runs(outcomes: list[str | None]) -> list[Run]:
        return [Run({} if outcome is None else {"t": outcome}) for outcome in outcomes]

    assert judge("t", runs(ours), runs(stock), []).kind == kind


def test_a_test_that_ran_on_ours_alone_counts_as_well() -> None:
    assert only_on_ours(Run({"new": "failed", "fine": "passed"}), Run({})) == ["new"]


def test_the_data_file_is_whole() -> None:
    known, excuses = suites.load()
    servers_and_clients = {"aiohttp", "uvicorn", "websockets", "anyio", "tornado", "httpx"}
    assert set(known) == servers_and_clients | {"asyncssh", "aioquic", "pyzmq"}
    for suite in known.values():
        assert suite.versions()[suite.name] == suite.version
        names = [name.partition("[")[0] for name in (*suite.install, *prepare.RUNNER)]
        assert {name for name in names if suites.normal(name) not in suite.versions()} == set()
    assert all(excuse.suite in known for excuse in excuses)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[suites]]", "unknown section 'suites'"),
        ("[[suite]]\nname = 'x'", "missing 5 required"),
        ("[[differs]]\nsuite = 'x'\ntests = ['t']\nreason = 'because it does so'", "no suite is called 'x'"),
        ("{SUITE}\n[[differs]]\nsuite = 'x'\ntests = ['t']\nreason = 'because'", "a reason in words"),
        (
            "{SUITE}\n[[differs]]\nsuite = 'x'\ntests = ['t']\nreason = 'a b c d'\npython = '3.12'",
            "must look like",
        ),
    ],
)
def test_the_data_file_is_read_with_care(tmp_path: Path, text: str, complaint: str) -> None:
    suite = "[[suite]]\nname='x'\nversion='1'\nsource='pypi'\ninstall=[]\ntests=[]\nseconds=1"
    (tmp_path / "data.toml").write_text(text.replace("{SUITE}", suite))
    with pytest.raises(suites.BadData, match=complaint):
        suites.load(tmp_path / "data.toml")
