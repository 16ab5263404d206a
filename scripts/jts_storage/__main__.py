"""python3 -I -B FOLDER/jts_storage PROGRAM …: runs one of the package's programs, from any folder."""

import importlib
import os
import sys

PROGRAMS = {
    "delete": "retention",
    "health": "health",
    "increment": "increments",
    "lvm-backup": "backup",
    "monitor": "monitor",
    "move": "mover",
    "nas-archival": "archival",
    "performance-test": "performance",
    "relay": "relay",
    "tiered-storage": "tiering",
}
# Called by other programs of the package, or by rsync; their options differ from those of the scripts.
PARTS = ("delete", "increment", "move", "relay")


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        print(f"usage: python3 -I -B jts_storage {'|'.join(PROGRAMS)} …", file=sys.stderr)
        return 2
    # With -I, Python looks for modules in this folder, and not in the one that the package is in.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    from jts_storage.problem import with_remedy

    name = sys.argv.pop(1)
    try:
        program = importlib.import_module(f"jts_storage.{PROGRAMS[name]}")
    except ModuleNotFoundError as problem:
        remedy = "apt-get install python3-xxhash python3-zstandard; where that is another Python than Debian's: "
        remedy += "PATH=/usr/bin:$PATH before the command"
        print(with_remedy(f"{sys.executable} has no {problem.name}", remedy), file=sys.stderr)
        return 3
    if name in PARTS:
        status: int = program.main()
        return status
    from jts_storage.program import run_program

    return run_program(program.main)


if __name__ == "__main__":
    sys.exit(main())
