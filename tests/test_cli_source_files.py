"""What `roundelay run` makes of source files of every kind: encodings, broken code, bytes that are no text,
compiled files, zip files, standard input. Words, status and order are those of `python`.
"""

import py_compile
import zipapp
import zipfile
from pathlib import Path

import pytest
from side_by_side import side_by_side

# name: the bytes of the file
SOURCES: dict[str, bytes] = {
    "byte_order_mark": b"\xef\xbb\xbfprint(1)\n",
    "utf_8": 'print(ascii("\u00e9\u4e16"))\n'.encode(),
    "latin_1_declared": b'# -*- coding: latin-1 -*-\nprint(ascii("\xe9"))\n',
    "cp1252_declared_on_line_2": b'#!/bin/x\n# coding: cp1252\nprint(ascii("\x80"))\n',
    "latin_1_declared_and_an_exception": b"# coding: latin-1\ndef f(): 1/0 # \xe9\nf()\n",
    "utf_8_sig_declared": b"# coding: utf-8-sig\nprint(1)\n",
    "utf_7_declared": b"# coding: utf-7\nprint(1)\n",
    "declared_on_line_3_is_too_late": b'\n\n# coding: latin-1\nx="\xe9"\n',
    "latin_1_undeclared": b'a = 1\nx = "\xe9"\n',
    "latin_1_undeclared_in_a_comment": b"a = 1\n# caf\xe9\nprint(a)\n",
    "latin_1_undeclared_far_down": b"x = 1\n" * 2000 + b"# \xe9\n",
    "unknown_encoding": b"# -*- coding: nope -*-\nprint(1)\n",
    "encoding_that_is_not_for_text": b"# coding: rot13\ncevag(1)\n",
    "encoding_against_the_byte_order_mark": b"\xef\xbb\xbf# coding: latin-1\nprint(1)\n",
    "bytes_against_the_encoding": b'# coding: ascii\nx="\xe9"\n',
    "utf_8_declared_and_wrong": b'# coding: utf-8\nx=1\ny="\xff"\n',
    "utf_16": "print(1)\n".encode("utf-16"),
    "lone_surrogate": b'x="\xed\xa0\x80"\n',
    "null_byte": b'print(1)\nx = "a\0b"\n',
    "null_byte_first": b"\0\0\0",
    "null_byte_in_a_comment": b"# a\0b\nprint(1)\n",
    "null_byte_at_the_end": b"print(1)\n\0",
    "null_byte_far_down": b"x = 1\n" * 2000 + b"# \0\n",
    "program_for_the_processor": b"\x7fELF\x02\x01\x01"
    + b"\0" * 9
    + b"\x03\x00\x3e\x00\x01\x00\x00\x00"
    + bytes(range(256)),
    "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "compressed": b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    "shell_script": b"#!/bin/sh\necho hello\n",
    "plain_prose": b"This is a file, not a program.\n",
    "broken_def": b"print(1)\ndef f(:\n  pass\n",
    "bracket_never_closed": b"x = (1,\n",
    "bracket_never_closed_far_up": b"y = [1,2\nz = 3\n",
    "bracket_too_many": b"print(1)\r\nprint(2))\r\n",
    "triple_quote_never_closed": b'x = """abc\ndef\n',
    "quote_never_closed": b'x = "abc\n',
    "quote_never_closed_at_the_end": b'x = "abc',
    "tabs_and_spaces": b"if 1:\n        x=1\n\ty=2\n",
    "indented": b"x=1\n  y=2\n",
    "dedented": b"if 1:\n    x=1\n  y=2\n",
    "block_missing_at_the_end": b"def f():\n",
    "no_newline_at_the_end": b"print(1)",
    "carriage_returns": b"print(1)\rprint(2)\r",
    "windows_lines": b"print(1)\r\nprint(2)\r\n",
    "continued_into_the_end": b"x = 1 + \\\n",
    "continued_with_a_space": b"x = 1 + \\ \n1",
    "form_feed": b"\x0cprint(1)\n",
    "control_z": b"print(1)\n\x1a",
    "typographic_dash": "x = 1 \u2013 2\n".encode(),
    "dollar": b"x = $\n",
    "await_outside": b"import asyncio\nawait asyncio.sleep(0)\n",
    "async_for_outside": b"async for x in y: pass\n",
    "return_outside": b"print(1)\nreturn 1\n",
    "break_outside": b"break\n",
    "nonlocal_outside": b"nonlocal x\n",
    "future_import_too_late": b"x=1\nfrom __future__ import annotations\n",
    "unknown_future_import": b"from __future__ import nothing\n",
    "f_string_broken": b'f"{a b}"\n',
    "f_string_never_closed": b'x = f"{a\n',
    "unicode_name_unknown": b'x = "\\N{nothing of this name}"\n',
    "error_after_wide_characters": 'x = "\u00e9\u4e16" + )\n'.encode(),
    "error_in_latin_1": b'# coding: latin-1\nx = "\xe9" + )\n',
    "error_before_bad_bytes": b'y = )\nx = "\xe9"\n',
    "error_after_bad_bytes": b'x = "\xe9"\ny = )\n',
    "warning_and_then_an_error": b'x = "\\d"\ny = )\n',
    "nested_too_deeply": b"(" * 300 + b")" * 300,
    "long_number": b"x = " + b"9" * 5000 + b"\n",
    "print_statement": b'print "hello"\n',
    "python_2_except": b"try: pass\nexcept A, b: pass\n",
    "empty": b"",
    "only_a_comment": b"# nothing",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SOURCES)
def test_same_reading_of_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_bytes(SOURCES[name])

    plain, ours = side_by_side(["prog.py"], folder=tmp_path)

    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name", ["latin_1_undeclared", "null_byte", "latin_1_declared", "broken_def", "utf_8", "picture"]
)
def test_same_reading_of_a_module(name: str, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_bytes(SOURCES[name])

    plain, ours = side_by_side(["-m", "prog"], folder=tmp_path)

    assert ours == plain


STANDARD_INPUT: dict[str, bytes] = {
    "program": b"import sys\nprint(sys.argv, sys.path[0])\nprint(__loader__, repr(sys.stdin.read()))\n",
    "exception": b"def f():\n    1 / 0\nf()\n",
    "exit": b"import sys\nsys.exit(4)\n",
    "interrupt": b"raise KeyboardInterrupt\n",
    "broken": b"x = = 1\n",
    "empty": b"",
    "null_byte": b"print(1)\n\0\n",
    "latin_1_undeclared": b'x = "\xe9"\n',
    "no_newline_at_the_end": b"print(1)",
    "asyncio": b"import asyncio\nasync def f():\n    print(await asyncio.sleep(0, 5))\nasyncio.run(f())\n",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", STANDARD_INPUT)
def test_same_reading_of_standard_input(name: str, tmp_path: Path) -> None:
    plain, ours = side_by_side(["-", "a", "-m"], folder=tmp_path, stdin=STANDARD_INPUT[name])

    assert ours == plain


PROGRAM = """import sys
class A: pass
print(__name__, __file__ == sys.argv[0], type(__loader__).__name__, __spec__ and __spec__.name)
print(sys.argv[1:], A.__module__)
print(__cached__, __package__)
def f():
    1 / 0
if sys.argv[1:] == ["fail"]:
    f()
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("word", ["fine", "fail"])
@pytest.mark.parametrize("name", ["prog.pyc", "prog_without_an_ending"])
def test_compiled_file(name: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(PROGRAM)
    py_compile.compile(str(tmp_path / "prog.py"), cfile=str(tmp_path / name), dfile="prog.py")

    plain, ours = side_by_side([name, word], folder=tmp_path)

    assert plain.stdout.startswith(b"__main__")
    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "damage", ["other_magic", "no_code", "cut_in_header", "cut_in_code", "empty", "magic_only"]
)
def test_damaged_compiled_file(damage: str, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text("print(1)\n")
    py_compile.compile(str(tmp_path / "prog.py"), cfile=str(tmp_path / "prog.pyc"))
    whole = (tmp_path / "prog.pyc").read_bytes()
    damaged = {
        "other_magic": b"\x01\x02\x0d\x0a" + whole[4:],
        "no_code": whole[:16] + b"N",
        "cut_in_header": whole[:10],
        "cut_in_code": whole[:40],
        "empty": b"",
        "magic_only": whole[:4],
    }
    (tmp_path / "prog.pyc").write_bytes(damaged[damage])

    plain, ours = side_by_side(["prog.pyc"], folder=tmp_path)

    assert plain.status != 0
    assert ours == plain


@pytest.mark.timeout(120)
@pytest.mark.parametrize("word", ["fine", "fail"])
def test_zip_file(word: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "prog.zip", "w") as archive:
        archive.writestr("__main__.py", "import sys, inner\nprint(sys.path[0])\n" + PROGRAM)
        archive.writestr("inner.py", "print('inner', __file__)\n")

    plain, ours = side_by_side(["prog.zip", word], folder=tmp_path)

    assert b"inner" in plain.stdout
    assert ours == plain


@pytest.mark.timeout(120)
def test_application_with_an_interpreter_line(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "__main__.py").write_text(PROGRAM)
    zipapp.create_archive(tmp_path / "source", tmp_path / "app.pyz", interpreter="/usr/bin/env python3")

    plain, ours = side_by_side(["app.pyz", "fail"], folder=tmp_path)

    assert ours == plain


@pytest.mark.timeout(120)
def test_zip_file_without_main(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "prog.zip", "w") as archive:
        archive.writestr("inner.py", "")

    plain, ours = side_by_side(["prog.zip"], folder=tmp_path)

    assert ours == plain


@pytest.mark.timeout(120)
def test_script_reached_through_links(tmp_path: Path) -> None:
    """The modules beside the real file are found, not those beside the link; the name stays as given."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "prog.py").write_text(
        "import beside, sys\nprint(sys.argv, __file__, sys.path[0])\n1/0\n"
    )
    (tmp_path / "real" / "beside.py").write_text("")
    (tmp_path / "link_2.py").symlink_to("real/prog.py")
    (tmp_path / "link.py").symlink_to("link_2.py")

    plain, ours = side_by_side(["link.py"], folder=tmp_path)

    assert b"ZeroDivisionError" in plain.stderr
    assert ours == plain


@pytest.mark.timeout(120)
def test_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to("nowhere.py")

    plain, ours = side_by_side(["link.py"], folder=tmp_path)

    assert plain.status == 2
    assert ours == plain


@pytest.mark.timeout(120)
def test_absolute_path_and_another_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "prog.py").write_text("import sys\nprint(__file__, sys.argv, sys.path[0])\n1/0\n")

    plain, ours = side_by_side([str(tmp_path / "prog.py"), "x"], folder=tmp_path / "elsewhere")

    assert ours == plain


@pytest.mark.timeout(120)
def test_file_name_that_is_not_text(tmp_path: Path) -> None:
    name = b"pr\xe9g.py".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_text("import sys\nprint(ascii(__file__[-7:]), ascii(sys.argv))\n1/0\n")

    plain, ours = side_by_side([name], folder=tmp_path)

    assert ours == plain
