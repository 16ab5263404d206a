"""The results of the last runs: stateFolder/runs.json, which the programs write and health reads."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

from jts_storage.files import make_state_folder, open_lock, write_whole

# Runs of each subcommand that are kept: health looks whether a number grew three times in a row.
KEPT = 4
# The subcommands whose runs are kept. The others change nothing, or are only run by hand.
RECORDED = {
    "tiered-storage": ("migrate", "cleanup", "all"),
    "lvm-backup": ("create", "daily", "cleanup", "all", "verify"),
    "nas-archival": ("configs", "postgresql", "development", "clickhouse", "records", "all"),
}


@dataclass(frozen=True)
class Record:
    """The result of one run."""

    began: int
    """Seconds since 1970."""
    seconds: float
    status: int
    files: int
    """How many were moved or archived."""
    bytes: int
    backlog: int | None
    """How many files were due and stayed; None: the subcommand does not count them."""
    conflicts: int | None
    """How many files' names were taken at their destination; None: the subcommand does not count them."""


@dataclass(frozen=True)
class History:
    """The last runs of one subcommand."""

    program: str
    subcommand: str
    since: int
    """When its first known run began, in seconds since 1970."""
    succeeded: int | None
    """When its last successful run ended, in seconds since 1970; None: none is known."""
    runs: tuple[Record, ...]
    """At least one, the oldest first."""


def keep_run(folder: str, program: str, subcommand: str, run: Record) -> None:
    """
    Adds a run to the history of its subcommand.

    @raises Problem where it cannot be written
    """
    make_state_folder(folder)
    # Programs run side by side. Only root can hold this lock, and so make others wait.
    fd = open_lock(f"{folder}/runs.lock")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        histories = {(one.program, one.subcommand): one for one in read_runs(folder)}
        before = histories.get((program, subcommand), History(program, subcommand, run.began, None, ()))
        histories[program, subcommand] = replace(
            before,
            succeeded=int(run.began + run.seconds) if run.status == 0 else before.succeeded,
            runs=(*before.runs, run)[-KEPT:],
        )
        document = {"version": 1, "subcommands": [asdict(one) for _, one in sorted(histories.items())]}
        write_whole(f"{folder}/runs.json", f"{json.dumps(document, indent=2)}\n")
    finally:
        os.close(fd)


def read_runs(folder: str) -> list[History]:
    """The histories that are known; none where the file is missing or damaged: the next run makes a new one."""
    try:
        with open(os.open(f"{folder}/runs.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            histories = [_history(one) for one in json.load(file)["subcommands"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []
    return [one for one in histories if one.runs and one.subcommand in RECORDED.get(one.program, ())]


def _history(document: dict[str, Any]) -> History:
    return History(
        program=str(document["program"]),
        subcommand=str(document["subcommand"]),
        since=int(document["since"]),
        succeeded=_optional_int(document["succeeded"]),
        runs=tuple(map(_record, document["runs"])),
    )


def _record(document: dict[str, Any]) -> Record:
    return Record(
        began=int(document["began"]),
        seconds=float(document["seconds"]),
        status=int(document["status"]),
        files=int(document["files"]),
        bytes=int(document["bytes"]),
        backlog=_optional_int(document["backlog"]),
        conflicts=_optional_int(document["conflicts"]),
    )


def _optional_int(value: Any) -> int | None:
    return None if value is None else int(value)
