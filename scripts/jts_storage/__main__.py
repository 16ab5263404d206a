"""python3 -I -B FOLDER/jts_storage SUBCOMMAND …, where FOLDER may be any: runs one of the package's programs."""

import importlib
import os
import sys

PROGRAMS = {"delete": "retention", "move": "mover"}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        print(f"usage: python3 -I -B jts_storage {'|'.join(PROGRAMS)} …", file=sys.stderr)
        return 2
    # Isolated, Python looks into this folder alone, and not into the one that the package is in.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    name = sys.argv.pop(1)
    status: int = importlib.import_module(f"jts_storage.{PROGRAMS[name]}").main()
    return status


if __name__ == "__main__":
    sys.exit(main())
