"""The archives and copies that there are on cold: a list of them, and whether they are whole."""

import os
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from jts_storage.archival_run import Archival
from jts_storage.archives import CHECKSUM, STAMP, STAMP_FORMAT, Reader, sum_beside, verify, watched
from jts_storage.bounded import bounded
from jts_storage.cold_archives import READERS
from jts_storage.copies import copies_in, problem_in
from jts_storage.log import log
from jts_storage.problem import HERE, Problem
from jts_storage.program import print_json
from jts_storage.tiers import require_answer, require_cold, require_cold_of

LOOK_SECONDS = 60
ARCHIVE_NAME = re.compile(rf"(?P<name>.+)-(?P<stamp>{STAMP.pattern})(?P<ending>\.tar\.zst|\.dump|\.sql\.zst)")


def list_archives(run: Archival) -> None:
    print_archives(run, archives_on_cold(run))


def print_archives(run: Archival, archives: Sequence[dict[str, Any]]) -> None:
    if run.options.json:
        print_json({"archives": archives, "failed": run.problems})
        return
    for one in archives:
        missing = "" if one["hasChecksum"] else "  WITHOUT A CHECKSUM"
        print(f"{one['time']}  {one['kind']:7}  {one['bytes']} bytes  {one['path']}{missing}")


def archives_on_cold(run: Archival) -> list[dict[str, Any]]:
    """
    The archives on cold, sorted by their names on each of its exports. One that is away fails the run where
    archives go there; where they only went there earlier, it is a warning.
    """
    holders = {run.settings.cold_name_for(kind) for kind in ("configs", "database")}
    exports = run.settings.colds()
    if not exports:
        run.fail("cold cannot be read: this host has no cold tier", f"{HERE}/storage-health.sh")
    found: list[dict[str, Any]] = []
    for name, cold in exports.items():
        try:
            require_answer(cold, run.settings)
            found += bounded(_archives_below, f"{cold.root}/archives", seconds=LOOK_SECONDS)
        except Problem as problem:
            if name in holders:
                run.fail(f"{name} cannot be read: {problem}", f"{HERE}/storage-health.sh")
            else:
                log("warning", f"archives that went to {name} earlier are left out: {problem}")
    return found


def _archives_below(top: str) -> list[dict[str, Any]]:
    below = [folder for folder, _, _ in os.walk(f"{top}/records")]
    found = []
    for folder in (f"{top}/configs", f"{top}/database", *sorted(below)):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path, is_ours = f"{folder}/{name}", ARCHIVE_NAME.fullmatch(name)
            if is_ours is None or not os.path.isfile(path) or os.path.islink(path):
                continue
            try:
                when = time.strptime(is_ours["stamp"], STAMP_FORMAT)
                size = os.path.getsize(path)
            except (ValueError, OSError):
                continue
            found.append(
                {
                    "path": path,
                    "kind": "records" if folder in below else _kind_of(folder, is_ours["name"], is_ours["ending"]),
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", when),
                    "bytes": size,
                    "hasChecksum": os.path.isfile(f"{path}{CHECKSUM}"),
                }
            )
    return found


def _kind_of(folder: str, name: str, ending: str) -> str:
    if ending == ".tar.zst":
        return "configs" if folder.endswith("/configs") and name.startswith("configs-") else "volume"
    return "dump" if ending == ".dump" else "roles"


def name_in(archive: dict[str, Any]) -> str:
    """NAME of NAME-STAMP.ENDING."""
    found = ARCHIVE_NAME.fullmatch(os.path.basename(archive["path"]))
    assert found is not None
    return found["name"]


def stamp_in(archive: dict[str, Any]) -> str:
    found = ARCHIVE_NAME.fullmatch(os.path.basename(archive["path"]))
    assert found is not None
    return found["stamp"]


def verify_archives(run: Archival) -> None:
    archives = (
        (one["path"], one, partial(problem_of, run, one["path"], READERS[one["kind"]]))
        for one in archives_on_cold(run)
        if one["kind"] in READERS
    )
    copies = (
        (path, {"path": path, "kind": "copy"}, partial(_problem_of_copy, run, path)) for path in _compressed_copies(run)
    )
    run.verify_each((*archives, *copies))


def _compressed_copies(run: Archival) -> list[str]:
    """The copies of folders that have compressed files; none where cold is away, which fails the run."""
    try:
        folder = f"{require_cold(run.settings, 'development').root}/development"
        found: list[str] = bounded(copies_in, folder, seconds=LOOK_SECONDS)
        return found
    except Problem as problem:
        if run.settings.automation.development_folders:
            run.fail(f"the copies of folders cannot be read: {problem}", f"{HERE}/storage-health.sh")
        return []


def _problem_of_copy(run: Archival, path: str) -> str:
    """The problem of a copied folder; empty: all of its compressed files are good."""
    try:
        cold = require_cold_of(run.settings, path)
        problem = watched(cold.mount_point, run.settings.probe_seconds, partial(problem_in, path))
    except Problem as away:
        problem = str(away)
    return f"{path} is not whole: {problem}" if problem else ""


def problem_of(run: Archival, path: str, reader: Reader) -> str | None:
    """The problem of an archive; empty: it is good; None: it was removed while it was read."""

    def look() -> str | None:
        try:
            verify(path, sum_beside(path), reader)
        except Problem as problem:
            return str(problem) if os.path.lexists(path) else None
        return ""

    try:
        return watched(require_cold_of(run.settings, path).mount_point, run.settings.probe_seconds, look)
    except Problem as problem:
        return f"{path} is not verified: {problem}"
