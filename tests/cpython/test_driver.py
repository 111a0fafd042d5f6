"""The driver itself: it must report what goes wrong in a test, never hide it or hang with it."""

import argparse
import sys
import types
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import exclusions
import names
import plan
import roundelay
import run
from classes import uses_by_class
from supervise import Job

pytestmark = pytest.mark.timeout(120)


def test_each_way_of_going_wrong_is_reported_and_the_rest_still_runs(monkeypatch):
    monkeypatch.setattr("supervise.GRACE", 3.0)
    job = Job("misbehaving", plan.STOCK, timeout=2.0)
    results = {result.test: result for result in job.run(job.list_tests())}
    outcomes = {name.rpartition(".")[2]: result.outcome for name, result in results.items()}
    assert outcomes == {
        "test_a_passes": "passed",
        "test_b_fails": "failed",
        "test_c_is_skipped": "skipped",
        "test_d_fails_in_one_subtest": "failed",
        "test_e_hangs": "failed",
        "test_f_crashes": "failed",
        "test_g_leaves_early": "failed",
        "test_h_prints_records": "passed",
        "test_i_was_expected_to_fail": "failed",
        "test_j_hangs_in_a_child": "failed",
        "test_k_passes_after_all_that": "passed",
        "test_never_runs": "failed",
        # unittest's own name for the class whose setUpClass raised.
        "CannotStart)": "failed",
    }
    detail = {name.rpartition(".")[2]: result.detail for name, result in results.items()}
    assert "hung" in detail["test_e_hangs"]
    assert "in test_e_hangs" in detail["test_e_hangs"]
    assert "signal 11" in detail["test_f_crashes"]
    assert "in test_f_crashes" in detail["test_f_crashes"]
    assert "exit code 0" in detail["test_g_leaves_early"]


COORDINATION = sorted(name for home in names.HOMES.values() for name in home)


@pytest.mark.parametrize("variant", plan.VARIANTS, ids=lambda variant: variant.name)
def test_what_tests_find_is_what_the_variant_says(variant):
    job = Job("provenance", variant, timeout=20.0)
    results = job.run(job.list_tests())
    provider = {
        "Loop.test_that_runs": variant.loop,
        "Loop.test_that_is_new": variant.loop,
        "Loop.test_its_tasks": variant.loop,
        "Classes.test_task": variant.task,
        "Classes.test_future": variant.future,
    }
    landed = {name: variant.names if hasattr(roundelay._core, name) else "asyncio" for name in COORDINATION}
    provider |= {f"Names.test_{name}": by for name, by in landed.items()}
    expected = {name: "passed" if by == "roundelay" else "failed" for name, by in provider.items()}
    outcomes = {job.stock_names[result.test].split(".", 1)[1]: result.outcome for result in results}
    assert outcomes == expected


@pytest.mark.parametrize("name", COORDINATION)
def test_what_install_replaces_is_native(name):
    if not hasattr(roundelay._core, name):
        pytest.skip("not native yet")
    assert getattr(roundelay, name) is getattr(roundelay._core, name)


@pytest.mark.parametrize("provider", ["asyncio", "roundelay"])
@pytest.mark.parametrize("place", ["module", "class"])
def test_a_module_that_kept_the_wrong_object_is_refused(provider, place):
    known = names.Names()
    # Whatever is installed in this process: asyncio's names are as asyncio made them.
    module = types.ModuleType("some_test_module")
    known.check(module, "asyncio")
    kept = {"asyncio": known.asyncio, "roundelay": known.roundelay()}[provider]["gather"]
    if place == "module":
        module.gather = kept
    else:
        module.Tests = type("Tests", (), {"gather": staticmethod(kept), "__module__": module.__name__})
    if provider == "asyncio":
        known.check(module, "asyncio")
    else:
        with pytest.raises(names.WrongName, match="gather is not asyncio's"):
            known.check(module, "asyncio")
    with pytest.raises(names.WrongName, match="is not roundelay's"):
        known.check(module, "roundelay")


def test_names_in_a_body_count_and_names_in_a_decorator_do_not():
    source = """
class Base:
    def setUp(self): self.loop = self.new_test_loop()
@unittest.skipUnless(hasattr(tasks, '_CTask'), 'requires it')
class OnlyGuarded(Base):
    pass
class ByAttribute(Base):
    Task = tasks._CTask
class ByString(ByAttribute):
    Future = getattr(futures, '_CFuture')
"""
    assert uses_by_class(source) == {
        "Base": {"new_test_loop"},
        "OnlyGuarded": {"new_test_loop"},
        "ByAttribute": {"new_test_loop", "_CTask"},
        "ByString": {"new_test_loop", "_CTask", "_CFuture"},
    }


def test_only_mixed_classes_run_in_the_mixed_variants():
    by_name = {variant.name: variant for variant in plan.VARIANTS}
    both, task = frozenset({"_CTask", "_CFuture"}), frozenset({"_CTask"})
    module = "test.test_asyncio.test_futures"
    assert [v.name for v in plan.VARIANTS if v.wants(module, both)] == [
        "native",
        "task-only",
        "future-only",
        "stock-objects",
    ]
    assert [v.name for v in plan.VARIANTS if v.wants(module, task)] == ["native", "stock-objects"]
    assert by_name["task-only"].class_name("CTask_CFuture_Tests") == "RTask_CFuture_Tests"
    assert by_name["native"].class_name("CTaskSubclass_PyFuture_Tests").startswith("RTaskSubclass")
    assert by_name["native"].class_name("CoroutineGatherTests") == "CoroutineGatherTests"
    assert by_name["stock-objects"].class_name("CFutureTests") == "CFutureTests"
    for name in ("CTask_CFuture_Tests", "TestCallStackC", "NonEagerTests"):
        reported = [f"{v.module_label(module)}.{v.class_name(name)}" for v in plan.VARIANTS]
        assert len(set(reported)) == len(reported), reported


def test_primitives_run_with_our_loop_or_our_names_or_both():
    for ending in plan.COORDINATION:
        module = f"test.test_asyncio.test{ending}"
        assert module in plan.MODULES
        wanted = [v.name for v in plan.VARIANTS if v.wants(module, frozenset())]
        assert wanted == ["native", "loop-only", "names-only"]


def test_what_is_excluded_runs_and_must_fail_without_dying(monkeypatch, tmp_path, capsys):
    data = tmp_path / "exclusions.toml"
    data.write_text(
        '[[differs]]\nreason = "for the sake of this test"\n'
        'tests = ["*.test_a_passes", "*.test_b_fails", "*.test_c_is_skipped", "*.test_f_crashes"]\n'
        '[[not-ours]]\nreason = "for the sake of this test"\ntests = ["*.test_d_*"]\n'
    )
    monkeypatch.setitem(plan.MODULES, "misbehaving", 11)
    options = argparse.Namespace(
        modules=["misbehaving"], variants=["native"], pattern="*.test_[a-df]_*", jobs=1, timeout=20.0
    )
    for flag in ("stock", "list_excluded", "check_exclusions", "verbose"):
        setattr(options, flag, False)
    # Whether something fails on stock asyncio too is another question.
    monkeypatch.setattr(run.Session, "fails_on_stock", lambda *_: set())
    session = run.Session(options, exclusions.Exclusions(exclusions.load(data)))
    session.run()
    assert session.report() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("FAILED", "ERROR"))] == [
        "FAILED misbehaving.Misbehaving.test_f_crashes",
        "ERROR exclusions.toml: misbehaving.Misbehaving.test_a_passes is excluded but passes",
    ]
    assert lines[-1] == "0 passed, 1 failed, 4 skipped"


def test_an_exclusion_needs_a_reason(tmp_path):
    data = tmp_path / "exclusions.toml"
    data.write_text('[[differs]]\ntests = ["test_tasks.A.*"]\n')
    with pytest.raises(exclusions.BadExclusions, match="reason"):
        exclusions.load(data)


def test_an_exclusion_holds_for_its_python_only_and_is_missed_when_nothing_matches(tmp_path):
    data = tmp_path / "exclusions.toml"
    data.write_text(
        '[[differs]]\ntests = ["test_tasks.A.*"]\npython = ">=3.12,<3.14"\n'
        'reason = "reads a private attribute"\n'
    )
    for minor, applies in ((11, False), (12, True), (13, True), (14, False)):
        rules = exclusions.Exclusions(exclusions.load(data), minor)
        assert (rules.match("test_tasks.A.test_x") is not None) == applies
        assert rules.match("test_tasks.B.test_x") is None
    rules = exclusions.Exclusions(exclusions.load(data), 13)
    assert [entry.pattern for entry in rules.unused({"test_tasks"})] == ["test_tasks.A.*"]
    assert rules.unused({"test_futures"}) == []
