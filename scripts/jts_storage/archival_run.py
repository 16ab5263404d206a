"""What the subcommands of nas-archival.sh have in common."""

import argparse
import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property

from jts_storage.archives import ArchivingRun, stamp_of
from jts_storage.bandwidth import limit_cold
from jts_storage.bounded import LOCKS, bounded, output_of
from jts_storage.log import log
from jts_storage.problem import HERE, Problem
from jts_storage.settings import Cold, Settings
from jts_storage.tiers import require_cold


class Archival(ArchivingRun):
    """One run of a subcommand."""

    def __init__(
        self,
        settings: Settings,
        options: argparse.Namespace,
        action: str,
        arguments: Sequence[str],
        now: int,
        before: str | None,
    ) -> None:
        super().__init__(settings, options.dry_run, options.json)
        self.options = options
        self.arguments = arguments
        # A stamp; None: restores take the newest archive.
        self.before = before
        self.now = now
        self.stamp = stamp_of(now)
        self.is_all = action == "all"
        transfers = settings.automation.transfers
        # What a dry run prints must not be mixed.
        self.streams = 1 if transfers is None or self.dry_run else transfers.streams or 1
        limit_cold(settings, options.lock)

    @cached_property
    def reason(self) -> str | None:
        """Why nothing may be deleted for its age in this run; None: it may."""
        return self.reason_by_clock("removed") if self.options.now is None else None

    def ready(self, folder: str) -> Cold | None:
        """
        The cold tier's export for a folder of archives, where it is mounted, answers, and has that folder of ours; else
        None, and the run fails.
        """
        try:
            cold = require_cold(self.settings, os.path.basename(folder))
        except Problem as problem:
            self.fail(f"nothing archived in {folder}: {problem}", f"{HERE}/storage-health.sh")
            return None
        path, is_there = f"{cold.root}/{folder}", False
        with contextlib.suppress(Problem):
            is_there = bounded(os.path.isdir, path, seconds=self.settings.probe_seconds)
        if not is_there:
            self.fail(f"there is no folder {path}", "pulumi up --refresh")
            return None
        return cold

    def is_absent(self, program: str) -> bool:
        """Whether the host lacks a program. That only fails the run where its subcommand was given by name."""
        if shutil.which(program) is not None:
            return False
        if self.is_all:
            log("info", f"there is no {program}: left out")
        else:
            self.fail(f"there is no {program}", "apt-get install the package that has it")
        return True


def node_name() -> str:
    """The name of this host: several hosts may share a NAS."""
    return output_of(["uname", "--nodename"], 10).strip()


def run_command(command: Sequence[str], stdout: int | None = None, good_statuses: Sequence[int] = (0,)) -> None:
    """@raises Problem where the command fails"""
    try:
        # With the lock: no other run begins while the command still writes.
        status = subprocess.run(command, stdout=stdout, pass_fds=LOCKS, check=False).returncode
    except OSError as problem:
        raise Problem(f"{command[0]} cannot be run: {problem.strerror}") from None
    if status not in good_statuses:
        raise Problem(f"{command[0]} failed with status {status}")
