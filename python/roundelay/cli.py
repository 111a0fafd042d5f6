"""The `roundelay` command: what its words mean. Running a program is `program.py`.

The words are read by hand rather than with argparse, for two reasons. Everything after the program belongs to
the program, `--help` included, and importing argparse would cost every program a few milliseconds.
"""

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from roundelay import __version__, install, program

_USAGE = """\
usage: roundelay run FILE [ARGS...]        a script, a directory or a zip file, as `python FILE` takes them
       roundelay run -m MODULE [ARGS...]   a module, as `python -m MODULE`
       roundelay run -c CODE [ARGS...]     code given as a word, as `python -c CODE`
       roundelay run - [ARGS...]           code read from standard input
       roundelay --version
       roundelay --help
"""

_HELP = (
    _USAGE
    + """
Runs a program with roundelay in place of asyncio. The program needs no change: it sees the arguments, the
paths, the exit status and the tracebacks that it would see under `python`. Words after the program belong
to the program.

`python -m roundelay` takes the same words, and there `run` may be left out. Options of the interpreter go
in front:

    python -X dev -W error -m roundelay run app.py
"""
)


def main(argv: Sequence[str] | None = None, *, bare_program: bool = False) -> None:
    """Do what the words ask. Returns when a program has ended normally; every other end is an exception.

    `bare_program`: a first word that is not a command is a program to run.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        _misused("nothing to run")
    first = words[0]
    if first in ("-h", "--help"):
        print(_HELP, end="")
    elif first in ("-V", "--version"):
        print(f"roundelay {__version__}")
    elif first == "run":
        _run(words[1:])
    elif bare_program:
        _run(words)
    elif first.startswith("-"):
        _misused(f"unknown option {first!r}")
    else:
        _misused(f"unknown command {first!r}; to run a program: roundelay run {first}")


def _run(words: list[str]) -> None:
    """`run`, with what follows it. The first word that is not an option of ours starts the program."""
    if not words:
        _misused("nothing to run: give a FILE, -m MODULE, -c CODE, or - for standard input")
    first, rest = words[0], words[1:]
    if first in ("-h", "--help"):
        print(_HELP, end="")
        return
    start: Callable[[str, Sequence[str]], None] = program.run_file
    if first == "-":
        start = program.run_stdin
    elif first == "--":
        if not rest:
            _misused("nothing to run: a FILE is expected after --")
        first, rest = rest[0], rest[1:]
    elif first[:2] in ("-m", "-c"):
        start = program.run_module if first[1] == "m" else program.run_command
        if len(first) > 2:  # `-mMODULE` and `-cCODE` in one word, which Python accepts too
            first = first[2:]
        elif rest:
            first, rest = rest[0], rest[1:]
        else:
            _misused(f"a word is expected after {first}")
    elif first.startswith("-"):
        _misused(
            f"unknown option {first!r}; options of the interpreter go in front: "
            f"python {first} -m roundelay run ..."
        )

    install()
    start(first, rest)


def _misused(why: str) -> NoReturn:
    """Say what is wrong and how it should look. Exit status 2 is the one that `python` uses for this."""
    sys.stderr.write(f"roundelay: {why}\n{_USAGE}")
    raise SystemExit(2)
