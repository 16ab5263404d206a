"""
Makes an archive a day, and deletes those that have expired.
usage: archiveDaily.py FOLDER [--keep-weekly], with the time of each day, in seconds since 1970, on standard input

Prints after each day how many archives are left. Fails where the newest one is gone.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "scripts"))
from jts_storage.archives import expired, stamp_of

folder = pathlib.Path(sys.argv[1])
keep_weekly = "--keep-weekly" in sys.argv[2:]
for now in map(int, sys.stdin):
    newest = folder / f"lv_x-{stamp_of(now)}.tar.zst"
    newest.touch()
    pathlib.Path(f"{newest}.sha256").touch()
    for name in expired(str(folder), "lv_x", ".tar.zst", days=7, count=7, now=now, keep_weekly=keep_weekly):
        (folder / name).unlink()
        (folder / f"{name}.sha256").unlink()
    if not newest.exists():
        sys.exit(f"the newest is gone at {now}")
    print(sum(name.endswith(".zst") for name in os.listdir(folder)))
