"""Random asyncio programs that run on asyncio and on roundelay, and must take the same course on both.

A program is plain data. `expressions` and `statements` and `blocks` say what it can consist of, how each
part reads as Python, and what it does; `program` is the whole. `grammar` says what stands where and how
often, and `generate` draws programs from it with Hypothesis. `machine` runs one and writes its trace, `ways`
says on what it can run, `compare` puts two traces side by side, and `reduce` makes a program that shows a
difference small. `python -m fuzz` runs one again.
"""
