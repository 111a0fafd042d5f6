"""Runs a program as the `python` command does: it sees what it would see under `python app.py`.

Python itself does this in C before the first line of Python code, so a runner written in Python has to do it
again, in this order: give the program a `__main__` module of its own, set `sys.argv` and `sys.path[0]`, find
and compile the code, run it, and end as Python ends. Three things need care.

*Tracebacks.* The frames of this file lie below the program's. A failure is shown here, without them, in the
way that the interpreter shows one, and only then does the exit status travel further. Stacks that the program
prints, and those that asyncio keeps in debug mode, end above them too. (`inspect.stack()` does see them.)

*Dying of Ctrl-C.* After an unhandled KeyboardInterrupt, Python finishes and then kills itself with SIGINT, so
that a shell loop around it stops too. Only the interpreter can do that, at its very end; it does so when a
KeyboardInterrupt leaves the outermost frame. So one does, with nothing more shown.

*Broken source.* For a file that is not valid Python text, `compile()` and the reader that `python FILE` uses
disagree, in words and even in whether it is an error. Python's own file reader decides there.
"""

import builtins
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from itertools import takewhile
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any

_MISSING = object()


def run_file(path: str, args: Sequence[str]) -> None:
    """`python PATH ARGS`: a script, a `.pyc` file, or a directory or zip file with a `__main__.py`."""
    sys.argv = [path, *args]
    # Nothing is tidied away, not even "./": the program sees this name in its `__file__`.
    filename = os.getcwd() if path in ("", ".") else os.path.join(os.getcwd(), path)
    main = _fresh_main()
    if _is_import_location(filename):
        # Even with -P, as Python does: the path that was named is where the program's modules are.
        if sys.flags.safe_path:
            sys.path.insert(0, filename)
        else:
            sys.path[0] = filename
        _run(lambda: _run_module_as_main("__main__", alter_argv=False))
        return
    _set_script_folder(os.path.dirname(os.path.realpath(filename)))
    sys.audit("cpython.run_file", filename)
    try:
        with open(filename, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(
            f"{sys.orig_argv[0]}: can't open file {filename!r}: [Errno {error.errno}] {error.strerror}\n"
        )
        raise SystemExit(2) from None
    if filename.endswith(".pyc") or _starts_like_pyc(source):
        loader: object = SourcelessFileLoader("__main__", filename)
        _run_as_file(main, filename, loader, lambda: exec(_code_of_pyc(source), main.__dict__))
    else:
        loader = SourceFileLoader("__main__", filename)
        _run_as_file(main, filename, loader, lambda: _exec_source(source, filename, main.__dict__))


def run_stdin(dash: str, args: Sequence[str]) -> None:
    """`python - ARGS`: the whole of standard input is the program."""
    sys.argv = [dash, *args]
    main = _fresh_main()
    _set_script_folder("")
    sys.audit("cpython.run_stdin")
    try:
        if os.isatty(0):
            sys.stderr.write("roundelay: standard input is a terminal; give a file or a pipe\n")
            raise SystemExit(2)
        with open(0, "rb", closefd=False) as stdin:
            source = stdin.read()
    except OSError:
        source = b""  # Standard input is closed, which Python takes for an empty program.
    _run_as_file(main, "<stdin>", BuiltinImporter, lambda: _exec_source(source, "<stdin>", main.__dict__))


def run_module(name: str, args: Sequence[str]) -> None:
    """`python -m NAME ARGS`."""
    sys.argv = ["-m", *args]
    _fresh_main()
    try:
        _set_script_folder(os.getcwd())
    except OSError:  # The current directory has been deleted: there is none to search.
        if not sys.flags.safe_path:
            del sys.path[0]
    sys.audit("cpython.run_module", name)
    _run(lambda: _run_module_as_main(name, alter_argv=True))


def run_command(command: str, args: Sequence[str]) -> None:
    """`python -c COMMAND ARGS`."""
    sys.argv = ["-c", *args]
    main = _fresh_main()
    _set_script_folder("")
    sys.audit("cpython.run_command", command)
    if sys.version_info >= (3, 14):  # Since then, indented code is moved to the left margin first.
        from textwrap import dedent

        command = dedent(command)
    _run(lambda: _exec_command(command + "\n", main.__dict__))


# The module and the paths ---------------------------------------------------------------------------------


def _fresh_main() -> ModuleType:
    """Put a new, empty `__main__` in place of ours, filled as the interpreter fills it at its start."""
    main = ModuleType("__main__")
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__dict__["__builtins__"] = builtins
    main.__loader__ = BuiltinImporter
    sys.modules["__main__"] = main
    return main


def _set_script_folder(folder: str) -> None:
    """`sys.path[0]`: where the program is, in place of where the `roundelay` command is."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _is_import_location(path: str) -> bool:
    """Whether modules can be imported from `path`: a directory, a zip file. Fills Python's cache."""
    if path not in sys.path_importer_cache:
        sys.path_importer_cache[path] = None
        for hook in sys.path_hooks:
            try:
                sys.path_importer_cache[path] = hook(path)
                break
            except ImportError:
                continue
    return sys.path_importer_cache[path] is not None


def _run_module_as_main(name: str, *, alter_argv: bool) -> None:
    """The function that the interpreter itself calls, by this name, for `-m` and for directories."""
    import runpy

    runpy._run_module_as_main(name, alter_argv)  # type: ignore[attr-defined]


# The code -------------------------------------------------------------------------------------------------


def _exec_source(source: bytes, filename: str, namespace: dict[str, Any]) -> None:
    """Compile and run the bytes of a source file, by Python's own file reader where it may matter."""
    import warnings

    refused: Exception | None = None
    with warnings.catch_warnings(record=True) as shown_later:
        try:
            code = compile(source, filename, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError) as error:
            refused = error
    if (refused is not None or not _is_plain_text(source)) and _exec_by_file_reader(
        source, filename, namespace
    ):
        return
    for warning in shown_later:
        warnings.showwarning(
            warning.message, warning.category, warning.filename, warning.lineno, warning.file, warning.line
        )
    if refused is not None:
        raise refused
    exec(code, namespace)


def _is_plain_text(source: bytes) -> bool:
    """Whether this is text in Python's default encoding, where `compile()` and the file reader agree."""
    if b"\0" in source:
        return False
    try:
        source.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _exec_by_file_reader(source: bytes, filename: str, namespace: dict[str, Any]) -> bool:
    """Run `source` through `PyRun_File`, which `python FILE` uses. False if it cannot be reached."""
    try:
        import ctypes
        import tempfile

        libc = ctypes.CDLL(None)
        run = ctypes.pythonapi.PyRun_FileExFlags
    except (ImportError, OSError, TypeError, AttributeError):
        return False
    run.restype = ctypes.py_object
    run.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object]
    run.argtypes += [ctypes.c_int, ctypes.c_void_p]
    libc.fdopen.restype = ctypes.c_void_p
    libc.fdopen.argtypes = [ctypes.c_int, ctypes.c_char_p]
    # A copy of what was read, not the file again: a pipe cannot be read twice, and a file can change.
    with tempfile.TemporaryFile() as copy:
        copy.write(source)
        copy.seek(0)
        stream = libc.fdopen(os.dup(copy.fileno()), b"rb")
    whole_file, close_it = 257, 1  # 257 is Py_file_input
    run(stream, os.fsencode(filename), whole_file, namespace, namespace, close_it, None)
    return True


def _exec_command(command: str, namespace: dict[str, Any]) -> None:
    """Compile and run the code of `-c`."""
    try:
        command.encode()
    except UnicodeEncodeError:
        sys.stderr.write("Unable to decode the command from the command line:\n")
        raise
    code = compile(command, "<string>", "exec", dont_inherit=True)
    _remember_source(code, command)
    exec(code, namespace)


def _remember_source(code: CodeType, source: str) -> None:
    """Let tracebacks show lines of a command, as Python does since 3.13."""
    if sys.version_info >= (3, 13):
        import linecache

        # The first 3.13 releases keep such a source by its file name, later ones by its code object.
        key: object = code if hasattr(linecache, "_interactive_cache") else code.co_filename
        linecache._register_code(key, source, code.co_filename)  # type: ignore[attr-defined]


def _starts_like_pyc(source: bytes) -> bool:
    from importlib.util import MAGIC_NUMBER

    return source[:2] == MAGIC_NUMBER[:2]


def _code_of_pyc(data: bytes) -> CodeType:
    """The code of a `.pyc` file. Its header is four words: a magic number, flags, a time, a size."""
    import marshal
    from importlib.util import MAGIC_NUMBER

    too_short_for_magic = len(data) < 4 and sys.version_info >= (3, 13)  # which has words of its own for it
    if data[:4] != MAGIC_NUMBER and not too_short_for_magic:
        raise RuntimeError("Bad magic number in .pyc file")
    if len(data) < 16:
        raise EOFError("EOF read where not expected")
    code = None
    with suppress(EOFError, ValueError, TypeError):
        code = marshal.loads(data[16:])
    if not isinstance(code, CodeType):
        raise RuntimeError("Bad code object in .pyc file")
    return code


# The run and its end --------------------------------------------------------------------------------------


def _run_as_file(main: ModuleType, filename: str, loader: object, body: Callable[[], None]) -> None:
    """Run with `__file__` set. The interpreter takes it away when the code has ended, and so do we."""
    namespace = main.__dict__
    namespace["__file__"] = filename
    namespace["__cached__"] = None
    namespace["__loader__"] = loader
    ended = True
    try:
        _run(body, flush=True)
    except SystemExit as error:
        # Before 3.14, `sys.exit()` ends the interpreter at once, while an error that has been shown does not.
        ended = isinstance(error, _Failed) or sys.version_info >= (3, 14)
        raise
    finally:
        if ended:
            namespace.pop("__file__", None)
            namespace.pop("__cached__", None)


class _Failed(SystemExit):
    """The program ended with an exception, which has been shown."""


def _run(body: Callable[[], None], *, flush: bool = False) -> None:
    """Run the program's code, and end as the interpreter ends after it."""
    _end_stacks_above_our_frames()
    try:
        try:
            body()
        finally:
            if flush:
                _flush_streams()
        return
    except SystemExit:
        raise
    except BaseException as error:
        failure = error
    _show(failure)
    # Before 3.14, exactly this class: a subclass of it ends with status 1.
    if type(failure) is KeyboardInterrupt or (
        sys.version_info >= (3, 14) and isinstance(failure, KeyboardInterrupt)
    ):
        _die_of_interrupt()
    raise _Failed(1)


def _show(error: BaseException) -> None:
    """What the interpreter does with an exception that nobody handled: keep it in `sys`, call the hook."""
    traceback = _without_our_frames(error.__traceback__)
    error.__traceback__ = traceback
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        hook = sys.excepthook
    except AttributeError:
        sys.stderr.write("sys.excepthook is missing\n")
        sys.__excepthook__(type(error), error, traceback)
        return
    try:
        hook(type(error), error, traceback)
    except SystemExit:
        raise
    except BaseException as second:
        second_traceback = _without_our_frames(second.__traceback__)
        sys.stderr.write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(second), second.with_traceback(second_traceback), second_traceback)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, traceback)


def _end_stacks_above_our_frames() -> None:
    """Let `traceback`, and with it `logging` and asyncio's debug mode, see no deeper than the program."""
    import traceback

    walk_further = traceback.walk_stack

    def walk_stack(f: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        if f is None and sys.version_info >= (3, 14):
            f = sys._getframe(1)
        if f is None:  # Before 3.14, frames are counted from where the stack is consumed: leave that be.
            return walk_further(None)
        return takewhile(lambda place: place[0].f_globals is not globals(), walk_further(f))

    traceback.walk_stack = walk_stack


def _without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next
    return traceback


def _die_of_interrupt() -> None:
    """Let a KeyboardInterrupt leave the outermost frame, unseen: the interpreter then dies of SIGINT."""
    last = {name: getattr(sys, name) for name in ("last_type", "last_value", "last_traceback")}
    if sys.version_info >= (3, 12):
        last["last_exc"] = sys.last_exc
    hook: Any = getattr(sys, "excepthook", _MISSING)

    def shown_already(*_: object) -> None:
        # Code that runs at exit finds `sys` as the program left it.
        for name, value in last.items():
            setattr(sys, name, value)
        if hook is _MISSING:
            del sys.excepthook
        else:
            sys.excepthook = hook

    sys.excepthook = shown_already
    raise KeyboardInterrupt


def _flush_streams() -> None:
    """Python flushes both after a script, and a stream that cannot be flushed is not an error yet."""
    for stream in (getattr(sys, "stderr", None), getattr(sys, "stdout", None)):
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:
            continue
