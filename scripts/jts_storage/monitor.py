"""\
usage: jts-storage-monitor.sh [--json] [--seconds N] [--settings FILE]

Prints the size of each folder of the hot tree, and how full the filesystems below it are. Changes nothing.

  --json           prints one JSON document: "tree", and for each of its "folders" the "name", "path", "usedBytes",
                   "totalBytes" and "usedPercent" of its filesystem, and for each folder in it "name" and "bytes"; null
                   where something could not be measured in time. U+FFFD stands for bytes of names that are not UTF-8
  --seconds N      how long adding up the sizes in one folder of the tree may take; default: 60
  --settings FILE  in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it

Settings, see docs/configuration.md:
  hot.logRoot   the hot tree
  probeSeconds  how long a filesystem may take to answer

Exit status: 0 everything was measured · 1 something could not be measured; the log says what and what to do ·
2 wrong usage or settings, or there is no hot tree
"""

import os
import re
import tempfile
from collections.abc import Sequence
from typing import Any

from jts_storage.bounded import output_of
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, with_remedy
from jts_storage.program import Parser, human, print_json, printable
from jts_storage.tiers import usage_of

# A file that is removed meanwhile is no fault.
GONE = b": No such file or directory"


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", default="60")
    options = parser.parse_args(words)
    if not re.fullmatch(r"[1-9]\d{0,5}", options.seconds):
        parser.error("--seconds needs a whole number of seconds")
    settings = parser.read_settings(options)
    if settings.hot is None:
        parser.error("the settings have no hot tree, hot.logRoot")
    tree = settings.hot.log_root
    if not os.path.isdir(tree):
        parser.error(f"there is no folder {tree}", "pulumi up --refresh")
    folders = [
        describe(os.path.join(tree, name), settings.probe_seconds, int(options.seconds)) for name in folders_in(tree)
    ]
    document = printable({"version": 1, "tree": tree, "folders": folders})
    if options.json:
        print_json(document)
    else:
        print("\n".join(_text(document)))
    is_whole = all(value is not None for folder in folders for value in folder.values())
    return 0 if is_whole else 1


def folders_in(tree: str) -> list[str]:
    """The names of the folders in it, without hidden ones. @raises Problem where it cannot be read"""
    try:
        names = sorted(os.listdir(tree))
    except OSError as problem:
        raise Problem(f"cannot read {tree}: {problem.strerror}", "run this as root") from None
    return [name for name in names if not name.startswith(".") and os.path.isdir(os.path.join(tree, name))]


def describe(folder: str, probe_seconds: int, seconds: int) -> dict[str, Any]:
    """How full its filesystem is, and the sizes of the folders in it; None: it could not be measured."""
    document: dict[str, Any] = {"name": os.path.basename(folder), "path": folder}
    document |= {"usedBytes": None, "totalBytes": None, "usedPercent": None, "folders": None}
    try:
        usage = usage_of(folder, probe_seconds)
    except Problem:
        log("warning", with_remedy(f"{folder} does not answer", f"{HERE}/storage-health.sh"))
        return document
    document |= {"usedBytes": usage.used, "totalBytes": usage.total, "usedPercent": usage.percent}
    try:
        document["folders"] = sizes_in(folder, seconds)
    except Problem:
        message = f"{folder}: the sizes were not added up within {seconds} s, or not all could be read"
        remedy = f"{HERE}/jts-storage-monitor.sh --seconds {seconds * 10}, as root"
        log("warning", with_remedy(message, remedy))
    return document


def sizes_in(folder: str, seconds: int) -> list[dict[str, Any]]:
    """
    The bytes of each folder in it, with everything below on the same filesystem.

    @raises Problem where not all could be read, or it takes more than that many seconds
    """
    command = ["du", "--null", "--block-size=1", "--one-file-system", "--max-depth=1", "--", folder]
    with tempfile.TemporaryFile() as errors:
        printed = output_of(command, seconds, stderr=errors.fileno(), any_status=True)
        errors.seek(0)
        if not all(line.endswith(GONE) for line in errors.read().splitlines()):
            raise Problem(f"not all of {folder} could be read")
    sizes = []
    for entry in printed.split("\0"):
        size, _, path = entry.partition("\t")
        name = path[len(folder) + 1 :]
        if name:
            sizes.append({"name": name, "bytes": int(size)})
    return sorted(sizes, key=lambda one: str(one["name"]))


def _text(document: dict[str, Any]) -> list[str]:
    lines = []
    for folder in document["folders"]:
        name = _line(folder["name"])
        if folder["usedBytes"] is None:
            lines.append(f"{name:<24} does not answer")
        else:
            used, total = human(folder["usedBytes"]), human(folder["totalBytes"])
            lines.append(f"{name:<24} {used:>8} of {total}, {folder['usedPercent']} %")
        lines += [f"  {_line(one['name']):<22} {human(one['bytes']):>8}" for one in folder["folders"] or []]
    return lines


def _line(name: str) -> str:
    """A name on one line, escaped as by jq's @tsv."""
    return name.translate({ord("\\"): "\\\\", ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"})
