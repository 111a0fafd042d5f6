"""`python -m roundelay`: the `roundelay` command, which also takes a program without the word `run`."""

from roundelay.cli import main

if __name__ == "__main__":
    main(bare_program=True)
