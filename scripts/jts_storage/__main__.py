"""python3 -I -B FOLDER/jts_storage PROGRAM …, where FOLDER may be any: runs one of the package's programs."""

import importlib
import os
import sys

PROGRAMS = {
    "delete": "retention",
    "health": "health",
    "lvm-backup": "backup",
    "monitor": "monitor",
    "move": "mover",
    "nas-archival": "archival",
    "performance-test": "performance",
    "tiered-storage": "tiering",
}
# With options of their own, which scripts don't have.
PARTS = ("delete", "move")


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        print(f"usage: python3 -I -B jts_storage {'|'.join(PROGRAMS)} …", file=sys.stderr)
        return 2
    # Isolated, Python looks into this folder alone, and not into the one that the package is in.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    name = sys.argv.pop(1)
    try:
        program = importlib.import_module(f"jts_storage.{PROGRAMS[name]}")
    except ModuleNotFoundError as problem:
        print(
            f"{sys.executable} has no {problem.name}. Do: apt-get install python3-xxhash python3-zstandard; where that "
            "is another Python than Debian's: PATH=/usr/bin:$PATH before the command",
            file=sys.stderr,
        )
        return 3
    if name in PARTS:
        status: int = program.main()
        return status
    from jts_storage.program import run_program

    return run_program(program.main)


if __name__ == "__main__":
    sys.exit(main())
