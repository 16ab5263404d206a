"""
Makes an archive a day, and deletes those that have expired.
usage: archiveDaily.py FOLDER [--keep-weekly] [--full-every=DAYS], with the time of each day, in seconds since 1970, on
standard input. With --full-every, the others are increments.

Prints after each day how many archives are left. Fails where the newest one is gone, or what an increment needs.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "scripts"))
from jts_storage.archives import expired, stamp_of
from jts_storage.increments import NAME, full_of

folder = pathlib.Path(sys.argv[1])
keep_weekly = "--keep-weekly" in sys.argv[2:]
every = next((int(one.partition("=")[2]) for one in sys.argv[2:] if one.startswith("--full-every=")), 1)
full = ""
for day, now in enumerate(map(int, sys.stdin)):
    if day % every == 0:
        full = stamp_of(now)
        newest = folder / f"lv_x-{full}.tar.zst"
    else:
        newest = folder / f"lv_x-{stamp_of(now)}.on-{full}.rdiff.zst"
    newest.touch()
    pathlib.Path(f"{newest}.sha256").touch()
    found = [one for one in map(NAME.fullmatch, os.listdir(folder)) if one is not None]
    increments = [(one["stamp"], one[0], full_of(one[0])) for one in found]
    for name in expired(
        str(folder),
        "lv_x",
        ".tar.zst",
        days=7,
        count=7,
        now=now,
        keep_weekly=keep_weekly,
        increments=increments,
    ):
        (folder / name).unlink()
        (folder / f"{name}.sha256").unlink()
        # A run may be killed after any of them.
        for one in filter(NAME.fullmatch, os.listdir(folder)):
            if not (folder / full_of(one)).exists():
                sys.exit(f"{one} lacks what it needs")
    if not newest.exists():
        sys.exit(f"the newest is gone at {now}")
    print(sum(name.endswith(".zst") for name in os.listdir(folder)))
