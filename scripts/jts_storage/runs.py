"""What came of the last runs: stateFolder/runs.json, which the programs write and health reads."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from jts_storage.files import make_state_folder, write_whole
from jts_storage.problem import Problem

# Of each subcommand: to have grown three times takes one before.
KEPT = 4
# The others change nothing, or are asked for by name.
RECORDED = {
    "tiered-storage": ("migrate", "cleanup", "all"),
    "lvm-backup": ("create", "daily", "cleanup", "all", "verify"),
    "nas-archival": ("configs", "postgresql", "development", "clickhouse", "all"),
}


@dataclass(frozen=True)
class Record:
    """One run."""

    began: int
    """Seconds since 1970."""
    seconds: float
    status: int
    files: int
    """That were moved or archived."""
    bytes: int
    backlog: int | None
    """Files that were due and stayed; None: there was nothing to tell it by."""
    conflicts: int | None
    """Files whose name was taken at their destination."""


@dataclass(frozen=True)
class History:
    """Of one subcommand."""

    program: str
    subcommand: str
    since: int
    """When the first run that is known of began."""
    succeeded: int | None
    """When the last one that succeeded ended."""
    runs: tuple[Record, ...]
    """The oldest first; at least one."""


def keep_run(folder: str, program: str, subcommand: str, run: Record) -> None:
    """@raises Problem where it can't be written"""
    make_state_folder(folder)
    try:
        # Programs run side by side. Nobody but root can hold this up.
        fd = os.open(f"{folder}/runs.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise Problem(f"cannot open {folder}/runs.lock: {problem.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        histories = {(one.program, one.subcommand): one for one in read_runs(folder)}
        before = histories.get((program, subcommand))
        histories[program, subcommand] = History(
            program,
            subcommand,
            run.began if before is None else before.since,
            int(run.began + run.seconds) if run.status == 0 else None if before is None else before.succeeded,
            (*(() if before is None else before.runs), run)[-KEPT:],
        )
        document = {"version": 1, "subcommands": [asdict(one) for _, one in sorted(histories.items())]}
        write_whole(f"{folder}/runs.json", f"{json.dumps(document, indent=2)}\n")
    finally:
        os.close(fd)


def read_runs(folder: str) -> list[History]:
    """What is known; of a file that isn't there, or that somebody spoilt, nothing: it is made anew."""
    try:
        with open(os.open(f"{folder}/runs.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            told = [_history(one) for one in json.load(file)["subcommands"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []
    return [one for one in told if one.runs and one.subcommand in RECORDED.get(one.program, ())]


def _history(told: dict[str, Any]) -> History:
    succeeded = told["succeeded"]
    return History(
        str(told["program"]),
        str(told["subcommand"]),
        int(told["since"]),
        None if succeeded is None else int(succeeded),
        tuple(map(_record, told["runs"])),
    )


def _record(told: dict[str, Any]) -> Record:
    backlog, conflicts = (None if told[key] is None else int(told[key]) for key in ("backlog", "conflicts"))
    began, status, files, size = (int(told[key]) for key in ("began", "status", "files", "bytes"))
    return Record(began, float(told["seconds"]), status, files, size, backlog, conflicts)
