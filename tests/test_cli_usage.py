"""The words of the `roundelay` command itself, and its two ways to be called."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from side_by_side import Outcome, finish, start

COMMAND = Path(sys.executable).with_name("roundelay")


def module(*words: str, folder: Path) -> Outcome:
    return finish(start(["-m", "roundelay", *words], folder=folder))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["run", "--help"], ["run", "-h"]], ids=" ".join)
def test_help_goes_to_standard_output(words: list[str], tmp_path: Path) -> None:
    outcome = module(*words, folder=tmp_path)

    assert (outcome.status, outcome.stderr) == (0, b"")
    assert outcome.stdout.startswith(b"usage: roundelay run FILE [ARGS...]")
    for word in [
        b"-m MODULE",
        b"-c CODE",
        b"--version",
        b"--help",
        b"python -X dev -W error -m roundelay run app.py",
    ]:
        assert word in outcome.stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(word: str, tmp_path: Path) -> None:
    outcome = module(word, folder=tmp_path)

    assert (outcome.status, outcome.stderr) == (0, b"")
    assert re.fullmatch(rb"roundelay \d+\.\d+\.\d+\S*\n", outcome.stdout)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "nothing to run"),
        (["run"], "nothing to run: give a FILE, -m MODULE, -c CODE, or - for standard input"),
        (["run", "--"], "nothing to run: a FILE is expected after --"),
        (["run", "-m"], "a word is expected after -m"),
        (["run", "-c"], "a word is expected after -c"),
        (
            ["run", "-X", "dev", "app.py"],
            "unknown option '-X'; options of the interpreter go in front: python -X -m roundelay run ...",
        ),
        (
            ["--frob"],
            "unknown option '--frob'; options of the interpreter go in front: "
            "python --frob -m roundelay run ...",
        ),
    ],
    ids=str,
)
def test_misuse_is_said_in_one_line_and_the_usage(words: list[str], why: str, tmp_path: Path) -> None:
    outcome = module(*words, folder=tmp_path)

    assert (outcome.status, outcome.stdout) == (2, b"")
    first, usage = outcome.stderr.decode().split("\n", 1)
    assert first == f"roundelay: {why}"
    assert usage.startswith("usage: roundelay run FILE")


@pytest.mark.timeout(60)
def test_word_run_may_be_left_out_under_python_m(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import sys\nprint(sys.argv)\nsys.exit(3)\n")

    for words in (["app.py", "--help"], ["run", "app.py", "--help"]):
        assert module(*words, folder=tmp_path) == Outcome(3, b"['app.py', '--help']\n", b"")
    assert module("-m", "app", "x", folder=tmp_path).status == 3
    assert module("-c", "import sys; print(sys.argv)", "-V", folder=tmp_path).stdout == b"['-c', '-V']\n"


@pytest.mark.timeout(60)
def test_file_called_run_needs_its_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("print('a file')\n")

    assert module("./run", folder=tmp_path).stdout == b"a file\n"
    assert module("run", "run", folder=tmp_path).stdout == b"a file\n"


@pytest.mark.timeout(60)
def test_program_runs_on_roundelay(tmp_path: Path) -> None:
    """Both of asyncio's entries and its names are ours in the program, and in no other process."""
    (tmp_path / "app.py").write_text(
        "import asyncio\n"
        "async def main():\n"
        "    task = asyncio.create_task(asyncio.sleep(0))\n"
        "    await task\n"
        "    for thing in asyncio.get_running_loop(), task:\n"
        "        print(type(thing).__module__.split('.')[0])\n"
        "asyncio.run(main())\n"
    )

    assert module("run", "app.py", folder=tmp_path).stdout == b"roundelay\nroundelay\n"
    assert finish(start(["app.py"], folder=tmp_path)).stdout.startswith(b"asyncio\n_asyncio\n")


@pytest.mark.timeout(60)
def test_terminal_as_standard_input_is_refused(tmp_path: Path) -> None:
    """Python would start its prompt; that is not what this command is for."""
    controller, terminal = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "roundelay", "run", "-"],
            stdin=terminal, capture_output=True, timeout=50, cwd=tmp_path, check=False,
        )  # fmt: skip
    finally:
        os.close(controller)
        os.close(terminal)

    assert done.returncode == 2
    assert done.stderr == b"roundelay: standard input is a terminal; give a file or a pipe\n"


@pytest.mark.timeout(120)
@pytest.mark.skipif(
    not COMMAND.exists(), reason="the `roundelay` command is not installed beside this python"
)
class TestInstalledCommand:
    """The `roundelay` script, whose own folder and module must not be seen by the program either."""

    def command(self, *words: str, folder: Path) -> Outcome:
        return finish(
            subprocess.Popen(
                [COMMAND, *words],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
            )
        )

    @pytest.mark.parametrize(
        "words",
        [
            ["prog.py", "a"],
            ["-m", "prog", "a"],
            ["-c", "import sys; print(sys.path[0], sys.argv); 1/0"],
            ["."],
            ["no.py"],
        ],
        ids=str,
    )
    @pytest.mark.parametrize(
        "end", ["1 / 0", "raise KeyboardInterrupt", "sys.exit(3)", "sys.exit('x')", "pass"]
    )
    def test_same_as_python(self, words: list[str], end: str, tmp_path: Path) -> None:
        program = f"import sys\nprint(sys.path[0], sys.argv, list(globals()), __file__)\n{end}\n"
        (tmp_path / "prog.py").write_text(program)
        (tmp_path / "__main__.py").write_text(program)

        ours = self.command("run", *words, folder=tmp_path)
        plain = finish(start(words, folder=tmp_path))

        # The script's first line may call the same interpreter by another name.
        assert (ours.status, ours.stdout) == (plain.status, plain.stdout)
        assert re.sub(rb"(?m)^\S*/python[\d.]*: ", b"", ours.stderr) == re.sub(
            rb"(?m)^\S*/python[\d.]*: ", b"", plain.stderr
        )

    def test_unknown_command_names_the_right_one(self, tmp_path: Path) -> None:
        outcome = self.command("app.py", folder=tmp_path)

        assert outcome.status == 2
        assert outcome.stderr.startswith(
            b"roundelay: unknown command 'app.py'; to run a program: roundelay run app.py\nusage: "
        )

    def test_version_and_help(self, tmp_path: Path) -> None:
        assert self.command("--version", folder=tmp_path).stdout.startswith(b"roundelay ")
        assert self.command("--help", folder=tmp_path).status == 0
        assert self.command(folder=tmp_path).status == 2
