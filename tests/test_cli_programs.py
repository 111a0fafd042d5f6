"""Programs under `roundelay run` show, byte for byte, what they show under `python`.

The programs stand in cli_programs.txt. The folder of each also holds the files of NEIGHBOURS. Compared are
standard output, standard error, the exit status; and, where both outputs go to one stream, their order.
"""

import os
import re
import shlex
from pathlib import Path

import pytest
from side_by_side import side_by_side, without_library_frames

NEIGHBOURS = {
    "neighbour.py": "import sys\nprint('neighbour', __name__, sys.path[0])\nvalue = 7\n",
    "pkg/__init__.py": "print('pkg', __name__)\n",
    "pkg/__main__.py": "import sys\nfrom . import part\nprint(__package__, __spec__.name, part.x)\n",
    "pkg/part.py": "x = 1\n",
    "no_main/__init__.py": "",
    "folder/__main__.py": "import sys, beside\nprint(__file__, sys.argv, sys.path[0], beside.x)\n1 / 0\n",
    "folder/beside.py": "x = 2\n",
    "empty_folder/readme.txt": "",
}

SHOW_MODULE = """
import sys
names = [name for name in globals() if name not in ('sys', 'names')]
print(names)
for name in names:
    value = globals()[name]
    print(name, '=', type(value).__name__ if name == '__loader__' else value)
print(getattr(__loader__, 'name', None), getattr(__loader__, 'path', None))
print(sys.argv, sys.path[0], sys.modules['__main__'].__dict__ is globals())
print([key for key in sys.path_importer_cache if key.endswith('prog.py')])
"""


def read_programs() -> dict[str, tuple[list[str], str]]:
    """Name: the words after `python`, and the text of prog.py."""
    programs = {}
    text = Path(__file__).with_name("cli_programs.txt").read_text()
    for part in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        header, _, program = part.partition("\n")
        name, _, words = header.partition(": ")
        assert name not in programs, name
        program = re.sub(r"^---.*$", "", program, flags=re.MULTILINE).rstrip("\n")
        programs[name] = (
            [program if word == "{text}" else word for word in shlex.split(words)],
            program + "\n",
        )
    return programs


PROGRAMS = read_programs()


def write_folder(folder: Path, program: str) -> None:
    for name, text in {**NEIGHBOURS, "prog.py": program}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_output_and_exit_status(name: str, tmp_path: Path) -> None:
    words, program = PROGRAMS[name]
    write_folder(tmp_path, program)

    plain, ours = side_by_side(words, folder=tmp_path, stdin=b"line 1\nline 2\n")

    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "words",
    [
        ["prog.py", "a", "-m", "--help"],
        ["./prog.py"],
        ["--", "prog.py", "a"],
        ["-m", "prog", "a", "-c"],
        ["-mprog"],
        ["-c", SHOW_MODULE, "a", "--version"],
    ],
    ids=lambda words: " ".join(words)[:20].strip(),
)
def test_same_main_module(words: list[str], tmp_path: Path) -> None:
    write_folder(tmp_path, SHOW_MODULE)

    plain, ours = side_by_side(words, folder=tmp_path)

    assert plain.status == 0
    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize("words", [["prog.py"], ["-m", "prog"]], ids=str)
def test_same_stacks_in_the_debug_mode_of_asyncio(words: list[str], tmp_path: Path) -> None:
    """A task's stack of origin begins where the program does. The frames of asyncio in it may differ."""
    program = (
        "import asyncio\nasync def fails(): 1 / 0\nasync def main():\n"
        "    task = asyncio.create_task(fails())\n    await asyncio.sleep(0)\n    del task\n"
        "asyncio.run(main())\n"
    )
    write_folder(tmp_path, program)

    outcomes = side_by_side(words, flags=["-X", "dev"], folder=tmp_path)

    plain, ours = (
        re.sub(r"created at \S+>", "created at ...>", without_library_frames(outcome.stderr.decode()))
        for outcome in outcomes
    )
    assert "Object created at (most recent call last):" in plain
    assert ours == plain
    assert b"roundelay" not in outcomes[1].stderr


@pytest.mark.timeout(120)
def test_command_that_is_not_text(tmp_path: Path) -> None:
    plain, ours = side_by_side(["-c", "x = '\udce9'\nprint(1)"], folder=tmp_path)

    assert plain.status != 0
    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize("flags", [[], ["-u"]], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "words", [["prog.py"], ["-m", "prog"], ["-c", "exec(open('prog.py').read())"]], ids=str
)
@pytest.mark.parametrize("end", ["pass", "1 / 0", "sys.exit('text')", "raise KeyboardInterrupt"])
def test_same_order_of_the_two_outputs(end: str, words: list[str], flags: list[str], tmp_path: Path) -> None:
    program = f"import sys\nprint('out 1')\nprint('err', file=sys.stderr)\nprint('out 2')\n{end}\n"
    write_folder(tmp_path, program)

    plain, ours = side_by_side(words, flags=flags, folder=tmp_path, one_stream=True)

    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "flags",
    [
        ["-X", "dev"],
        ["-W", "error"],
        ["-O"],
        ["-OO"],
        ["-P"],
        ["-B"],
        ["-E"],
        ["-I"],
        ["-s"],
        ["-bb"],
        ["-X", "utf8=0"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("words", [["prog.py"], ["-m", "prog"], ["folder"]], ids=str)
def test_options_of_the_interpreter_hold(words: list[str], flags: list[str], tmp_path: Path) -> None:
    program = (
        "'''Doc.'''\nimport sys, os\nprint(sys.flags, sys.warnoptions, sys._xoptions, __debug__, __doc__)\n"
        "print(sys.path[0] == os.getcwd(), sys.dont_write_bytecode)\nopen(__file__)\nassert not sys.argv\n"
    )
    write_folder(tmp_path, program)
    env = {}
    if words[0] == "-m" and "-P" in flags:
        env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    plain, ours = side_by_side(words, flags=flags, folder=tmp_path, env=env)

    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "variable", ["PYTHONUNBUFFERED", "PYTHONDEVMODE", "PYTHONSAFEPATH", "PYTHONOPTIMIZE"]
)
def test_variables_of_the_interpreter_hold(variable: str, tmp_path: Path) -> None:
    write_folder(tmp_path, "import sys\nprint(sys.flags, sys.path[0] == '')\nprint('err', file=sys.stderr)\n")

    plain, ours = side_by_side(["prog.py"], folder=tmp_path, env={variable: "1"}, one_stream=True)

    assert ours == plain
