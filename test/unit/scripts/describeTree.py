"""
Describes trees of files for the tests.
usage: describeTree.py, with a line of JSON on standard input for each request: {"tops": [FOLDER…], "closely": BOOLEAN}

Prints a line of JSON for each: path → type, and where `closely`, what the file has. Names that are not UTF-8 have lone
surrogates, as in Python.
"""

import base64
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any


def describe(tops: list[str], closely: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for top in tops:
        for folder, folders, files in os.walk(top):
            for name in folders + files:
                path = os.path.join(folder, name)
                seen = os.lstat(path)
                yield path, {"type": type_of(seen), **(details_of(path, seen) if closely else {})}


def type_of(seen: os.stat_result) -> str:
    return "file" if stat.S_ISREG(seen.st_mode) else "folder" if stat.S_ISDIR(seen.st_mode) else "other"


def details_of(path: str, seen: os.stat_result) -> dict[str, Any]:
    details: dict[str, Any] = {
        "bytes": seen.st_size,
        "allocatedBytes": seen.st_blocks * 512,
        "mode": stat.S_IMODE(seen.st_mode),
        "uid": seen.st_uid,
        "gid": seen.st_gid,
        "mtime": seen.st_mtime,
        "links": seen.st_nlink,
        "inode": seen.st_ino,
        "xattrs": {
            name: os.getxattr(path, name, follow_symlinks=False).hex()
            for name in os.listxattr(path, follow_symlinks=False)
        },
    }
    if stat.S_ISREG(seen.st_mode):
        with open(path, "rb") as file:
            content = file.read()
        details["sha256"] = hashlib.sha256(content).hexdigest()
        if path.endswith(".zst"):
            details["packed"] = base64.b64encode(content).decode()
    return details


for line in sys.stdin:
    print(json.dumps(dict(describe(**json.loads(line)))), flush=True)
