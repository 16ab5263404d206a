"""\
usage: storage-health.sh [--json | --prometheus] [--save] [--settings FILE]
       storage-health.sh --notify-test [--settings FILE]

Checks the disks of each tier and its usage, the volume group and its snapshots, the error counters of btrfs, the NAS,
the last results of our timers, failed mounts, the results of our last runs, the age of the newest backups and archives,
the activity of the disks, and SMART. Prints what is wrong and what to do. Does not wait for what hangs: each check has
a time limit. Changes nothing, except that it has systemd mount the cold tier where systemd waits for the first access,
or gave up at boot because the NAS was up later.

  --json           prints one JSON document, which docs/storage-health.schema.json describes
  --prometheus     prints metrics for the textfile collector of Prometheus's node exporter
  --save           also writes both, each in one step: health.json in stateFolder, and jts-storage.prom in
                   automation.metricsFolder if that exists; and sends the report to automation.notify if the level or
                   the findings have changed since the last one, that did not arrive, or it was sent a day ago. The
                   timer's service uses this option
  --notify-test    sends the report to automation.notify now, and prints whether it arrived
  --settings FILE  in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it

Levels:
  warning   usage or a snapshot's fill above automation.usageWarningPercent; too little room for snapshots; a timer that
            is missing or stopped, or whose last run failed; a failed mount unit; a volume whose newest backup is older
            than automation.backupWarningHours, or that has had none for so long; a newest archive on cold older than
            automation.archiveWarningHours; files that were due and stayed, more of them in each of the last three runs;
            moves to names that are taken; snapshots of warm that nothing deletes for their age; no successful run for
            two of its timer's periods, and 50 hours; a worn disk; a cache of cold that does not run, or that a mount
            does not use; a report that did not reach automation.notify
  critical  usage or a snapshot's fill above automation.usageCriticalPercent; a tier that is not mounted, is not the
            declared one, does not answer, or has lost a disk, also one of an md array; a snapshot that has filled up;
            device errors of btrfs; a disk that reports that it is failing

Settings, see docs/configuration.md (for those of the tiers, see tiered-storage.sh --help):
  automation.usageWarningPercent, usageCriticalPercent
  hot.volumeGroup                 the volume group to check; null: none
  hot.snapshotReserveBytes        what must be free in it, or belong to snapshots
  timers                          the timers whose last runs are checked
  automation.backupWarningHours   the greatest age of a backup; 0: any
  automation.backupVolumes        the volumes that must have backups
  automation.archiveWarningHours  the greatest age of an archive on cold, if nas-archival is one of the timers; 0: any
  automation.metricsFolder        the folder of the textfile collector
  automation.notify               null; or a URL of http or https, to which the JSON document is POSTed, and which must
                                  answer 2xx within 10 s; or the path of a command, which gets the document on standard
                                  input and the level in JTS_STORAGE_LEVEL, and is killed after 30 s
  stateFolder                     has the results of the last runs
  probeSeconds                    how long a filesystem may take to answer
  budgetSeconds                   how long all checks may take; then no further one is made, and the report is critical

Exit status: 0 ok · 1 warning · 2 critical · 3 wrong usage or settings, or --save could not write
With --notify-test: 0 the report arrived · 3 it did not arrive, or wrong usage or settings
"""

import argparse
import datetime
import glob
import itertools
import json
import math
import os
import re
import shutil
import socket
import subprocess
import time
import traceback
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jts_storage import increments
from jts_storage.bounded import BUDGET, bounded, output_of
from jts_storage.files import first_line, make_state_folder, write_whole
from jts_storage.log import log
from jts_storage.lvm import rows_of
from jts_storage.mounts import Mounted
from jts_storage.notify import Notifier
from jts_storage.problem import HERE, Problem, reason_of
from jts_storage.program import Parser, human, plain_number, printable
from jts_storage.runs import KEPT, RECORDED, History, read_runs
from jts_storage.settings import Cache, Cold, Settings, Warm
from jts_storage.snapshots import folder_of, read_held, stamps_on
from jts_storage.tiers import mount_at, prove_cold, prove_warm, usage_of

# The exit status where there is no report; 1 and 2 stand for levels.
NO_REPORT = 3
LEVELS = ("ok", "warning", "critical")
LOOK_SECONDS = 10
# The share of its rated writes above which a disk is worn.
WORN_PERCENT = 90
# A program gave no answer, or not the expected one.
UNCLEAR = (Problem, AttributeError, LookupError, TypeError, ValueError)
ARCHIVE = re.compile(r"([A-Za-z0-9+_.-]+)-([0-9]{8}T[0-9]{6}Z)\.tar\.zst(\.sha256)?")
# The states of a disk that is being removed, or is gone: Linux, scsi_device and nvme_ctrl.
LOST = ("offline", "transport-offline", "cancel", "deleted", "deleting", "deleting (no IO)", "dead")
SUCCESS_SECONDS = 50 * 3600
# Program and subcommand → the timer that runs it.
RUN_BY = {
    ("tiered-storage", "all"): "tiered-storage",
    ("lvm-backup", "all"): "lvm-backup",
    ("lvm-backup", "create"): "lvm-snapshots",
    ("lvm-backup", "verify"): "lvm-backup-verify",
    ("nas-archival", "all"): "nas-archival",
}
BACKUP_REMEDY = "journalctl --unit=lvm-backup.service --lines=50; systemctl start lvm-backup.service"
ARCHIVE_REMEDY = "journalctl --unit=nas-archival.service --lines=50; systemctl start nas-archival.service"
# Figure → the HELP of its metric; all are gauges.
METRICS = {
    "level": "Level of the report: 0 ok, 1 warning, 2 critical.",
    "checked_timestamp_seconds": "When the checks were made.",
    "findings": "How many findings have this level.",
    "check_level": "The worst level of the check's findings: 0 ok, 1 warning, 2 critical.",
    "usage_limit_percent": "How full a tier or a snapshot may be before a finding has this level.",
    "backup_age_limit_seconds": "How old the newest backup of a volume may be; absent: any age.",
    "archive_age_limit_seconds": "How old the newest archive of a name on the cold tier may be; absent: any age.",
    "tier_disks_present": "Whether all disks of the tier are on their bus and not offline.",
    "tier_degraded_arrays": "How many md arrays below the tier run without all of their disks.",
    "tier_writable": "0: the tier is mounted read-only, by hand or by the kernel after an error.",
    "filesystem_errors": "Errors that ext4 has counted since its last check.",
    "tier_answers": "Whether the declared filesystem is mounted and answers.",
    "tier_size_bytes": "Size of the filesystem.",
    "tier_used_bytes": "Used bytes of the filesystem.",
    "tier_used_percent": "Used share of what users can have of the filesystem, as df(1) reports it.",
    "tier_inodes_used_percent": "Used share of its inodes.",
    "cache_active": "Whether reads of the cold tier mounted there go through its cache.",
    "cache_size_bytes": "Size of the filesystem of that cache.",
    "cache_used_bytes": "Used bytes of it; the oldest go by themselves.",
    "btrfs_device_errors": "Errors of all kinds that btrfs has counted on the device.",
    "volume_group_size_bytes": "Size of the volume group.",
    "volume_group_free_bytes": "Free bytes of the volume group.",
    "volume_group_snapshots_bytes": "Bytes of the volume group that belong to snapshots.",
    "volume_group_reserve_bytes": "What must be free in the volume group, or belong to snapshots.",
    "volume_group_missing_devices": "How many of its physical volumes the volume group lacks.",
    "warm_snapshots": "How many snapshots of warm cleanup has made and not yet deleted.",
    "warm_snapshots_held_bytes": "What they hold at most that warm has no more, as of the last cleanup.",
    "snapshot_fill_percent": "How full a snapshot is; at 100 it is lost.",
    "timer_active": "Whether the timer waits for its next run.",
    "timer_last_run_timestamp_seconds": "When the timer last started its service.",
    "timer_next_run_timestamp_seconds": "When the timer will next start its service.",
    "service_succeeded": "Whether the last run of the service succeeded, or there was none yet.",
    "backup_age_seconds": "Age of a volume's newest backup that has its checksum beside it.",
    "archive_age_seconds": "Age of the newest archive of that name on the cold tier that has its checksum beside it.",
    "run_last_success_timestamp_seconds": "When the last successful run of the subcommand ended.",
    "run_timestamp_seconds": "When the last run of the subcommand began.",
    "run_duration_seconds": "How long the last run took.",
    "run_failed": "Whether the last run failed.",
    "run_files": "Files that the last run moved or archived.",
    "run_bytes": "Bytes of the files that the last run moved or archived.",
    "run_conflicts": "Files of the last run whose name was taken at their destination.",
    "backlog_files": "Files that were due in the last run and stayed, because they were open or could not be moved.",
    "disk_reads_per_second": "Reads of the disk, measured for one second.",
    "disk_writes_per_second": "Writes of the disk, measured for one second.",
    "disk_read_bytes_per_second": "Bytes read from the disk, measured for one second.",
    "disk_written_bytes_per_second": "Bytes written to the disk, measured for one second.",
    "disk_busy_percent": "Share of the time in which the disk was busy, measured for one second.",
    "disk_passes": "Whether SMART reports that the disk passes its own test.",
    "disk_wear_percent": "Share of its rated writes that the disk has used, as NVMe reports it; may be above 100.",
}


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "", wrong_usage=NO_REPORT)
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true")
    forms.add_argument("--prometheus", action="store_true")
    parser.add_argument("--save", action="store_true")
    forms.add_argument("--notify-test", action="store_true")
    options = parser.parse_args(words)
    if options.notify_test and options.save:
        parser.error("--notify-test and --save exclude each other")
    settings = parser.read_settings(options)
    receiver = settings.automation.notify
    notifier = None if receiver is None else Notifier(receiver, settings.state_folder)
    if options.notify_test and notifier is None:
        parser.error("automation.notify is not set", "set it in the configuration, and pulumi up")
    try:
        report = Health(settings).look()
        if options.notify_test and notifier is not None:
            return _test(report, notifier)
        return _deliver(report, settings, notifier, options)
    except Problem as problem:
        log("error", str(problem))
    except Exception:
        # Python's own exit status for an exception is 1, which is a warning here.
        traceback.print_exc()
    return NO_REPORT


@dataclass(frozen=True)
class Finding:
    level: str
    subject: str
    fact: str
    remedy: str


@dataclass(frozen=True)
class Figure:
    """A number for those who record them over time; METRICS describes each."""

    name: str
    value: float
    labels: dict[str, str]


class Report:
    """The findings and figures, and the forms in which they are printed."""

    def __init__(self) -> None:
        self.at = int(time.time())
        self.findings: list[Finding] = []
        self.figures: list[Figure] = []

    def find(self, level: str, subject: str, fact: str, remedy: str = "") -> None:
        self.findings.append(Finding(level, subject, printable(fact), printable(remedy)))

    def figure(self, name: str, value: float, **labels: str) -> None:
        self.figures.append(Figure(name, value, {label: printable(text) for label, text in labels.items()}))

    @property
    def worst(self) -> int:
        return max((LEVELS.index(one.level) for one in self.findings), default=0)

    @property
    def checks(self) -> dict[str, int]:
        """Subject → the worst level of its findings, as an index of LEVELS."""
        worst: dict[str, int] = {}
        for one in self.findings:
            worst[one.subject] = max(worst.get(one.subject, 0), LEVELS.index(one.level))
        return worst

    @property
    def bad(self) -> list[tuple[str, str, str]]:
        """The level, subject and fact of each finding that is not ok."""
        return [(one.level, one.subject, one.fact) for one in self.findings if one.level != "ok"]

    def table(self) -> str:
        lines = []
        for one in self.findings:
            lines.append(f"{one.level:8}  {one.subject:12}  {one.fact}\n")
            if one.remedy:
                lines.append(f"{'':8}  {'':12}  Next: {one.remedy}\n")
        return f"{''.join(lines)}storage is {LEVELS[self.worst]}\n"

    def document(self) -> str:
        document = {
            "version": 1,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.at)),
            "host": os.uname().nodename,
            "level": LEVELS[self.worst],
            "findings": [
                {"level": one.level, "subject": one.subject, "fact": one.fact}
                | ({"remedy": one.remedy} if one.remedy else {})
                for one in self.findings
            ],
            "figures": [{"name": one.name, "value": one.value, "labels": one.labels} for one in self.figures],
        }
        return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"

    def metrics(self) -> str:
        """Prometheus's text format, in which the samples of a metric must stand together."""
        levels = [one.level for one in self.findings]
        figures = [
            Figure("level", self.worst, {}),
            Figure("checked_timestamp_seconds", self.at, {}),
            *(Figure("findings", levels.count(level), {"level": level}) for level in LEVELS),
            *(Figure("check_level", level, {"check": check}) for check, level in self.checks.items()),
            *self.figures,
        ]
        lines = []
        for name, words in METRICS.items():
            family = [_sample_of(one) for one in figures if one.name == name]
            if family:
                lines += [f"# HELP jts_storage_{name} {words}\n", f"# TYPE jts_storage_{name} gauge\n", *family]
        return "".join(lines)


def _sample_of(figure: Figure) -> str:
    labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in figure.labels.items())
    return f"jts_storage_{figure.name}{f'{{{labels}}}' if labels else ''} {figure.value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _deliver(report: Report, settings: Settings, notifier: Notifier | None, options: argparse.Namespace) -> int:
    """Saves, sends and prints a report, as the options say; returns the exit status."""
    unsaved: Problem | None = None
    if options.save:
        try:
            _save(report, settings)
        except Problem as problem:
            # It is sent nevertheless.
            unsaved = problem
            fact = f"the report cannot be saved: {problem}"
            report.find("critical", "report", fact, "df; findmnt /; dmesg --level=err,warn")
        if notifier is not None and not _notify(report, notifier) and unsaved is None:
            _save(report, settings)
    text = report.document() if options.json else report.metrics() if options.prometheus else report.table()
    try:
        with open(1, "w", encoding="utf-8", closefd=False) as stdout:
            stdout.write(text)
    except OSError as problem:
        raise Problem(f"cannot print the report: {reason_of(problem)}") from None
    if unsaved is not None:
        raise unsaved
    return report.worst


def _save(report: Report, settings: Settings) -> None:
    make_state_folder(settings.state_folder)
    write_whole(f"{settings.state_folder}/health.json", report.document())
    # A host without a node exporter does not have this folder.
    if os.path.isdir(settings.automation.metrics_folder):
        write_whole(f"{settings.automation.metrics_folder}/jts-storage.prom", report.metrics())


def _notify(report: Report, notifier: Notifier) -> bool:
    """Sends a report where that is due. False: it did not arrive, which is then one more finding."""
    if not notifier.is_due(report.bad, report.at):
        return True
    try:
        notifier.send(report.document(), LEVELS[report.worst], report.bad, report.at)
    except Problem as problem:
        remedy = f"repair that, or automation.notify; then: {HERE}/storage-health.sh --notify-test"
        report.find("warning", "notify", f"this report did not arrive: {problem}", remedy)
        return False
    return True


def _test(report: Report, notifier: Notifier) -> int:
    try:
        notifier.send(report.document(), LEVELS[report.worst], report.bad, report.at)
    except Problem as problem:
        log("error", f"the report did not arrive: {problem}")
        return NO_REPORT
    print(f"{notifier.name} got the report that storage is {LEVELS[report.worst]}")
    return 0


@dataclass(frozen=True)
class Snapshot:
    name: str
    fill: float
    is_lost: bool


@dataclass(frozen=True)
class VolumeGroup:
    size: float
    free: float
    missing: float
    """How many of its physical volumes are missing."""
    in_snapshots: float
    snapshots: tuple[Snapshot, ...]


class Health:
    """All checks, in the order of their findings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.automation = settings.automation
        self.report = Report()
        # The mount points of exports that answer.
        self.colds_there: set[str] = set()
        # Timer → its period in seconds, of those that wait for their next run.
        self.periods: dict[str, int] = {}

    def look(self) -> Report:
        began = time.monotonic()
        # This is well below the time limit of the systemd unit, which would leave no report.
        BUDGET.end = began + self.settings.budget_seconds
        self.add_limits()
        self.look_at_tiers()
        self.look_at_volume_group()
        self.look_at_timers()
        self.look_at_runs()
        self.look_at_backups()
        self.look_at_archives()
        self.look_at_activity()
        self.look_at_disks()
        now = time.monotonic()
        if now >= BUDGET.end:
            self.report.find(
                "critical",
                "look",
                f"the checks took {int(now - began)} s; those after the first {self.settings.budget_seconds} s were "
                "not made, and report that there was no answer",
                f"repair what is above, beginning with the first; then: {HERE}/storage-health.sh",
            )
        self.report.at = int(time.time())
        # Sending the report has a time limit of its own.
        BUDGET.end = None
        return self.report

    def add_limits(self) -> None:
        """The limits of this host, so that alerts elsewhere go by the same."""
        automation, report = self.automation, self.report
        report.figure("usage_limit_percent", automation.usage_warning_percent, level="warning")
        report.figure("usage_limit_percent", automation.usage_critical_percent, level="critical")
        if automation.backup_warning_hours > 0:
            report.figure("backup_age_limit_seconds", automation.backup_warning_hours * 3600)
        if automation.archive_warning_hours > 0:
            report.figure("archive_age_limit_seconds", automation.archive_warning_hours * 3600)

    def look_at_tiers(self) -> None:
        hot, warm = self.settings.hot, self.settings.warm
        for point in () if hot is None else hot.mount_points:
            self.look_at_hot(point)
        if warm is not None:
            self.look_at_warm(warm)
        for cold in self.settings.colds().values():
            self.look_at_cold(cold)
        main = self.settings.cold
        if main is not None and main.cache is not None:
            self.look_at_cache(main, main.cache)

    def look_at_hot(self, point: str) -> None:
        live = mount_at(point)
        if live is None:
            self.report.figure("tier_answers", 0, tier="hot", mount_point=point)
            remedy = f"mount {point}; if that fails: lvs; journalctl --boot --grep={point}"
            self.report.find("critical", "hot", f"nothing is mounted at {point}", remedy)
            return
        self.look_at_presence("hot", live)
        self.look_at_usage(
            "hot",
            point,
            f"find what grew: du --one-file-system --human-readable --max-depth=2 {point}; "
            f"move old logs: {HERE}/tiered-storage.sh migrate",
        )

    def look_at_warm(self, warm: Warm) -> None:
        point = warm.mount_point
        live = mount_at(point)
        if live is not None:
            self.look_at_presence("warm", live)
        try:
            prove_warm(warm)
        except Problem as problem:
            self.report.figure("tier_answers", 0, tier="warm", mount_point=point)
            remedy = f"mount {point}; if that fails: lsblk --fs; dmesg --level=err,warn"
            self.report.find("critical", "warm", str(problem), remedy)
            return
        self.look_at_usage("warm", point, f"{HERE}/tiered-storage.sh cleanup; {HERE}/tiered-storage.sh migrate")
        self.look_at_btrfs(point)
        self.look_at_warm_snapshots(warm)

    def look_at_warm_snapshots(self, warm: Warm) -> None:
        """The snapshots of warm, and what they hold by their last comparison, which cleanup makes."""
        kept_days, folder, report = self.automation.warm_snapshots_kept_days, folder_of(warm), self.report
        try:
            stamps = bounded(stamps_on, warm, seconds=self.settings.probe_seconds)
        except Problem as problem:
            report.find("warning", "warm", f"the snapshots of warm cannot be listed: {problem}", f"ls -l {folder}")
            return
        if not stamps and kept_days is None:
            return
        known = read_held(self.settings.state_folder)
        held = sum(known.get(stamp, 0) for stamp in stamps)
        report.figure("warm_snapshots", len(stamps), mount_point=warm.mount_point)
        report.figure("warm_snapshots_held_bytes", held, mount_point=warm.mount_point)
        if not stamps:
            report.find("ok", "warm", f"no snapshots in {folder}: nothing was deleted since they are made")
            return
        unknown = [stamp for stamp in stamps if stamp not in known]
        fact = (
            f"{len(stamps)} snapshots in {folder}, the oldest {stamps[0]}; they hold at most {human(held)} that warm "
            f"has no more{f', and what {len(unknown)} of them hold is not known' if unknown else ''}"
        )
        if kept_days is None:
            remedy = f"btrfs subvolume delete {folder}/{stamps[0]}; or set automation.warmSnapshotsKeptDays"
            report.find("warning", "warm", f"{fact}; nothing deletes them for their age", remedy)
        else:
            report.find("ok", "warm", fact)

    def look_at_cold(self, cold: Cold) -> None:
        try:
            prove_cold(cold)
        except Problem as problem:
            self.report.figure("tier_answers", 0, tier="cold", mount_point=cold.mount_point)
            self.report.find("critical", "cold", str(problem), self.remedy_of_nas(cold))
            return
        remedy = f"free space on the NAS, {cold.source}, or give its volume more"
        if self.look_at_usage("cold", cold.mount_point, remedy, lambda: self.remedy_of_nas(cold)):
            self.colds_there.add(cold.mount_point)

    def look_at_cache(self, main: Cold, cache: Cache) -> None:
        """
        The cache of what is read from all exports. Without it reads come from the NAS, so that nothing here is more
        than a warning.
        """
        report = self.report
        points = [cold.mount_point for cold in self.settings.colds().values()]
        try:
            state = _properties(cache.service, "ActiveState").get("ActiveState", "")
        except Problem:
            state = "not known"
        is_there = state == "active" and mount_at(cache.mount_point) is not None
        if not is_there:
            report.find(
                "warning",
                "cold",
                f"the cache of what is read from {' and '.join(points)} does not run: {cache.service} is {state}",
                f"systemctl start {cache.service}; if that fails: journalctl --unit={cache.service}; "
                "then: pulumi up --refresh",
            )
        live = {point: mount for point in points if (mount := mount_at(point)) is not None}
        using = [point for point, mount in live.items() if "fsc" in mount.options]
        # Exports of one filesystem of the NAS have what the first of them is mounted with: all of them go first.
        without = [point for point in live if point not in using]
        if without:
            again = "; ".join(f"mount {point}" for point in without)
            report.find(
                "warning",
                "cold",
                f"{' and '.join(without)} {'is' if len(without) == 1 else 'are'} mounted without fsc, so that the "
                "cache is not used there",
                f"stop what reads there; umount {' '.join(without)}; {again}; "
                "if fsc is still missing: pulumi up --refresh",
            )
        for point in points:
            report.figure("cache_active", int(is_there and point in using), mount_point=point)
        if not is_there:
            return
        try:
            usage = usage_of(cache.mount_point, self.settings.probe_seconds)
        except Problem:
            fact = f"the cache at {cache.mount_point} does not answer within {self.settings.probe_seconds} s"
            report.find("warning", "cold", fact, "look for a failing disk: dmesg --level=err,warn")
            return
        report.figure("cache_size_bytes", usage.total, mount_point=main.mount_point)
        report.figure("cache_used_bytes", usage.used, mount_point=main.mount_point)
        if using:
            report.find("ok", "cold", f"the cache has {human(usage.used)} of {human(usage.total)}")

    def look_at_presence(self, tier: str, live: Mounted) -> None:
        """The disks: the filesystem of a lost disk stays mounted, and answers from memory for a while."""
        devices = _devices_of(live)
        lost = sorted({one for device in devices for one in _lost(device)})
        if devices:
            self.report.figure("tier_disks_present", int(not lost), tier=tier, mount_point=live.point)
        if lost:
            self.report.find(
                "critical",
                tier,
                f"{live.point}, on {live.source}, has lost its disk: {', '.join(lost)}",
                "dmesg --level=err,warn; lsblk; check its cable, power and slot, and stop what writes there; once the "
                f"disk is back: umount {live.point}; mount {live.point}; else docs/runbooks/replace-a-failed-nvme.md",
            )

        degraded = sorted({one for device in devices for one in _degraded(device)})
        if devices:
            self.report.figure("tier_degraded_arrays", len(degraded), tier=tier, mount_point=live.point)
        for array in degraded:
            self.report.find(
                "critical",
                tier,
                f"{live.point}, on {live.source}: the array {array} runs without all of its disks",
                f"mdadm --detail /dev/{array}; replace the disk that it lacks, then: mdadm --manage /dev/{array} --add "
                "DISK; while it rebuilds: cat /proc/mdstat",
            )

    def look_at_usage(
        self,
        tier: str,
        point: str,
        remedy: str,
        remedy_of_silence: Callable[[], str] = lambda: "look for a failing disk: dmesg --level=err,warn",
    ) -> bool:
        """The usage of a tier; returns whether it answers."""
        report, probe_seconds = self.report, self.settings.probe_seconds
        try:
            usage = usage_of(point, probe_seconds)
        except Problem:
            report.figure("tier_answers", 0, tier=tier, mount_point=point)
            report.find("critical", tier, f"{point} does not answer within {probe_seconds} s", remedy_of_silence())
            return False
        report.figure("tier_answers", 1, tier=tier, mount_point=point)
        self.look_at_mount(tier, point)
        report.figure("tier_size_bytes", usage.total, tier=tier, mount_point=point)
        report.figure("tier_used_bytes", usage.used, tier=tier, mount_point=point)
        report.figure("tier_used_percent", usage.percent, tier=tier, mount_point=point)
        report.figure("tier_inodes_used_percent", usage.inodes_percent, tier=tier, mount_point=point)
        level = self.level_of(max(usage.percent, usage.inodes_percent))
        report.find(
            level,
            tier,
            f"{point}: {usage.percent} % of {human(usage.total)} used, {usage.inodes_percent} % of its inodes",
            "" if level == "ok" else remedy,
        )
        return True

    def level_of(self, percent: float) -> str:
        if percent > self.automation.usage_critical_percent:
            return "critical"
        return "warning" if percent > self.automation.usage_warning_percent else "ok"

    def look_at_mount(self, tier: str, point: str) -> None:
        """Whether a tier is writable: after an error, the kernel makes a filesystem read-only; reads still work."""
        report, live = self.report, mount_at(point)
        if live is None:
            return
        # The mount's own ro or rw comes first, then that of the filesystem, each before its other options.
        by_mount, by_filesystem = [option == "ro" for option in live.options if option in ("ro", "rw")][:2]
        report.figure("tier_writable", int(not by_mount and not by_filesystem), tier=tier, mount_point=point)
        if by_filesystem:
            report.find(
                "critical",
                tier,
                f"{point} is read-only: the kernel does so after an error",
                "dmesg --level=err,crit,warn; look at its disk; "
                f"then unmount, check and mount it: umount {point}; fsck; mount {point}",
            )
        elif by_mount:
            remedy = f"if that is not intended: mount --options remount,rw {point}; then: pulumi up --refresh"
            report.find("critical", tier, f"{point} is mounted read-only", remedy)
        if live.type != "ext4":
            return
        device = os.path.basename(os.path.realpath(f"/sys/dev/block/{live.device}"))
        counted = first_line(f"/sys/fs/ext4/{device}/errors_count")
        if re.fullmatch("[0-9]+", counted) is None:
            return
        report.figure("filesystem_errors", int(counted), tier=tier, mount_point=point)
        if int(counted) > 0:
            report.find(
                "warning",
                tier,
                f"{point}: ext4 has counted {counted} errors since its last check",
                f"dmesg --level=err,warn; umount {point}; e2fsck -f /dev/{device}; mount {point}",
            )

    def remedy_of_nas(self, cold: Cold) -> str:
        """What to do: if the server answers, the fault is on this host or in the export; else in the network or NAS."""
        server = cold.source.split(":/")[0].removeprefix("[").removesuffix("]")

        def connect() -> None:
            socket.create_connection((server, 2049)).close()

        try:
            # An empty name would be this host.
            if not server:
                raise Problem("the name of the server is empty")
            bounded(connect, seconds=self.settings.probe_seconds)
        except Problem:
            return (
                f"{server} does not answer on port 2049: ping {server}; look at the NAS; "
                "programs that wait for it go on when it is back"
            )
        return f"{server} answers on port 2049: showmount --exports {server}; mount {cold.mount_point}"

    def look_at_btrfs(self, point: str) -> None:
        """The error counters of btrfs, from sysfs: a failing device cannot make that hang."""
        live = mount_at(point)
        if live is None or live.type != "btrfs":
            return
        device = os.path.realpath(live.source)
        try:
            folder = _btrfs_folder(device)
            total, errors = _btrfs_errors(folder)
            is_full = self.is_metadata_full(folder)
        except (OSError, *UNCLEAR):
            remedy = f"btrfs device stats {point}"
            self.report.find("warning", "btrfs", f"the error counters of {device} cannot be read", remedy)
            return
        self.report.figure("btrfs_device_errors", total, mount_point=point)
        if errors:
            self.report.find(
                "critical",
                "btrfs",
                f"device errors of {device}: {' '.join(errors)}",
                f"btrfs scrub start {point}; smartctl --all {device}; "
                f"replace the disk, then: btrfs device stats --reset {point}",
            )
        else:
            self.report.find("ok", "btrfs", f"no device errors of {device}")
        if is_full:
            self.report.find(
                "critical",
                "btrfs",
                f"the metadata of {point} is nearly full, and there is no unallocated space left",
                f"btrfs balance start -dusage=20 {point}; {HERE}/tiered-storage.sh cleanup",
            )

    def is_metadata_full(self, folder: str) -> bool:
        """Whether btrfs is about to run out of metadata, which df does not show, once all of its space is allocated."""
        used = _number_in(f"{folder}/allocation/metadata/bytes_used")
        total = _number_in(f"{folder}/allocation/metadata/total_bytes")
        percent = used * 100 // (total + 1)
        return percent > self.automation.usage_critical_percent and _unallocated(folder) < 1 << 30

    def look_at_volume_group(self) -> None:
        hot, report = self.settings.hot, self.report
        if hot is None or hot.volume_group is None:
            return
        name = hot.volume_group
        try:
            group = _volume_group(name)
        except UNCLEAR:
            remedy = f"vgs {name}; pvs; dmesg --level=err,warn"
            report.find("critical", "lvm", f"the volume group {name} cannot be read", remedy)
            return
        report.figure("volume_group_size_bytes", group.size, volume_group=name)
        report.figure("volume_group_free_bytes", group.free, volume_group=name)
        report.figure("volume_group_snapshots_bytes", group.in_snapshots, volume_group=name)
        report.figure("volume_group_reserve_bytes", hot.snapshot_reserve_bytes, volume_group=name)
        report.figure("volume_group_missing_devices", group.missing, volume_group=name)
        if group.missing != 0:
            report.find(
                "critical",
                "lvm",
                f"{name} lacks {group.missing} of its physical volumes: a disk is missing",
                "pvs; lsblk; check its cable and power; dmesg --level=err,warn; "
                "never use vgreduce --removemissing while its data is needed",
            )
        free = f"{name}: {human(group.free)} of {human(group.size)} free"
        if group.free + group.in_snapshots < hot.snapshot_reserve_bytes:
            remedy = f"lvs {name}; remove volumes that are not declared, or add a disk"
            report.find("warning", "lvm", f"{free}, too little for snapshots", remedy)
        else:
            report.find("ok", "lvm", f"{free}, {human(group.in_snapshots)} in snapshots")
        for snapshot in group.snapshots:
            self.look_at_snapshot(name, snapshot)

    def look_at_snapshot(self, group: str, snapshot: Snapshot) -> None:
        name, fill = snapshot.name, snapshot.fill
        self.report.figure("snapshot_fill_percent", fill, volume_group=group, snapshot=name)
        level = self.level_of(fill)
        if snapshot.is_lost:
            remedy = f"lvremove {group}/{name}; make the next one larger"
            self.report.find("critical", "lvm", f"snapshot {name} is full, so its data is lost", remedy)
        elif level == "ok":
            self.report.find("ok", "lvm", f"snapshot {name} is {fill} % full")
        else:
            remedy = f"copy it off, then: lvremove {group}/{name}; or: lvextend --size +1G {group}/{name}"
            self.report.find(level, "lvm", f"snapshot {name} is {fill} % full; at 100 % it is lost", remedy)

    def look_at_timers(self) -> None:
        for name in self.settings.timers:
            # The last result of this program only says what it found then.
            if self.is_waiting(name) and name != "storage-health":
                self.look_at_service(name)
        if self.settings.timers:
            self.look_at_times()
            self.look_at_failed_units()

    def is_waiting(self, name: str) -> bool:
        """Whether a timer waits for its next run; if not, that is a finding."""
        report = self.report
        try:
            properties = _properties(f"{name}.timer", "LoadState", "ActiveState")
        except Problem:
            report.find(
                "warning",
                "timers",
                f"the state of {name}.timer cannot be read",
                f"systemctl status {name}.timer",
            )
            return False
        loaded, active = properties.get("LoadState", ""), properties.get("ActiveState", "")
        is_waiting = loaded == "loaded" and active == "active"
        report.figure("timer_active", int(is_waiting), timer=name)
        if loaded != "loaded":
            report.find("warning", "timers", f"there is no {name}.timer", "pulumi up --refresh")
        elif not is_waiting:
            remedy = f"systemctl enable --now {name}.timer"
            report.find("warning", "timers", f"{name}.timer is {active}, so it starts nothing", remedy)
        return is_waiting

    def look_at_service(self, name: str) -> None:
        try:
            properties = _properties(f"{name}.service", "Result", "ExecMainStatus")
        except Problem:
            properties = {}
        result, status = properties.get("Result") or "unknown", properties.get("ExecMainStatus") or "unknown"
        self.report.figure("service_succeeded", int(result == "success"), service=name)
        if result == "success":
            self.report.find("ok", "timers", f"{name}: its last run succeeded, or there was none yet")
        else:
            self.report.find(
                "warning",
                "timers",
                f"{name}: its last run failed ({result}, status {status})",
                f"journalctl --unit={name}.service --lines=50; systemctl start {name}.service",
            )

    def look_at_times(self) -> None:
        """The last and next run of each timer. While its service runs, a timer has no next one, and so no figure."""
        timers = [f"{name}.timer" for name in self.settings.timers]
        try:
            rows = _json_of(["systemctl", "list-timers", "--all", "--output=json", "--", *timers])
            times = [(one["unit"].removesuffix(".timer"), one["last"], one["next"]) for one in rows]
        except UNCLEAR:
            return
        for name, last, following in times:
            if isinstance(last, int) and last > 0:
                self.report.figure("timer_last_run_timestamp_seconds", last // 1_000_000, timer=name)
            if isinstance(last, int) and isinstance(following, int) and following > last > 0:
                self.periods[name] = (following - last) // 1_000_000
            if isinstance(following, int) and following > 0:
                self.report.figure("timer_next_run_timestamp_seconds", following // 1_000_000, timer=name)

    def look_at_failed_units(self) -> None:
        """The failed units that a tier depends on, and no others."""
        patterns = [*self.patterns_of_mounts(), "systemd-fsck@*", "lvm2-*"]
        options = ("--state=failed", "--plain", "--no-legend", "--full")
        try:
            failed = output_of(["systemctl", "list-units", *options, "--", *patterns], LOOK_SECONDS)
        except Problem:
            self.report.find("warning", "units", "failed units cannot be listed", "systemctl --failed")
            return
        for words in map(str.split, failed.splitlines()):
            if words:
                unit = words[0]
                remedy = f"systemctl status '{unit}'; once it is repaired: systemctl reset-failed '{unit}'"
                self.report.find("warning", "units", f"{unit} has failed", remedy)

    def patterns_of_mounts(self) -> list[str]:
        hot, warm = self.settings.hot, self.settings.warm
        points = [] if hot is None else [*hot.mount_points]
        points += [] if warm is None else [warm.mount_point]
        points += [cold.mount_point for cold in self.settings.colds().values()]
        if hot is not None:
            points.append(f"{hot.log_root}/*")
        command = ["systemd-escape", "--path", "--suffix=mount", "--", *points]
        try:
            units = output_of(command, LOOK_SECONDS, stderr=subprocess.DEVNULL).split()
        except Problem:
            return []
        # The escaped star of the tree must be a wildcard again; other backslashes would quote the next character.
        return [unit.replace(r"\x2a", "*").replace("\\", r"\\") for unit in units]

    def look_at_runs(self) -> None:
        """The results of our runs: a service also succeeds when its run has moved nothing of what was due."""
        histories = read_runs(self.settings.state_folder)
        for one in histories:
            self.add_run_figures(one)
            self.look_at_success(one)
        for program in RECORDED:
            # The newest run that counts them, of any subcommand: it has made older ones out of date.
            ours = sorted((one for one in histories if one.program == program), key=lambda one: one.runs[-1].began)
            with_backlog = [one for one in ours if one.runs[-1].backlog is not None]
            with_conflicts = [one for one in ours if one.runs[-1].conflicts is not None]
            if with_backlog:
                self.look_at_backlog(with_backlog[-1])
            if with_conflicts:
                self.look_at_conflicts(with_conflicts[-1])

    def add_run_figures(self, history: History) -> None:
        last, report = history.runs[-1], self.report
        labels = {"program": history.program, "subcommand": history.subcommand}
        if history.succeeded is not None:
            report.figure("run_last_success_timestamp_seconds", history.succeeded, **labels)
        report.figure("run_timestamp_seconds", last.began, **labels)
        report.figure("run_duration_seconds", plain_number(last.seconds), **labels)
        report.figure("run_failed", int(last.status != 0), **labels)
        report.figure("run_files", last.files, **labels)
        report.figure("run_bytes", last.bytes, **labels)
        if last.conflicts is not None:
            report.figure("run_conflicts", last.conflicts, **labels)
        if last.backlog is not None:
            report.figure("backlog_files", last.backlog, **labels)

    def look_at_success(self, history: History) -> None:
        """When a subcommand that a timer runs last succeeded."""
        name = RUN_BY.get((history.program, history.subcommand), "")
        # A timer whose service is running now has no period: without one, a weekly run would look late.
        if name not in self.periods:
            return
        limit = max(SUCCESS_SECONDS, 2 * self.periods[name])
        age = int(time.time()) - (history.since if history.succeeded is None else history.succeeded)
        if age > limit:
            self.report.find(
                "warning",
                "runs",
                f"{name}: no run has succeeded for {age // 3600} h",
                f"journalctl --unit={name}.service --lines=50; systemctl start {name}.service",
            )

    def look_at_backlog(self, history: History) -> None:
        stayed = [one.backlog or 0 for one in history.runs]
        if len(stayed) == KEPT and all(before < after for before, after in itertools.pairwise(stayed)):
            self.report.find(
                "warning",
                "runs",
                f"{history.program}: in each of the last three runs, more files that were due stayed; "
                f"{stayed[-1]} in the last one",
                f"journalctl --unit={history.program}.service --lines=50; {HERE}/{history.program}.sh "
                f"{history.subcommand} --dry-run; if they are open: lsof +D FOLDER, and have their service rotate them",
            )

    def look_at_conflicts(self, history: History) -> None:
        conflicts = history.runs[-1].conflicts or 0
        if conflicts > 0:
            self.report.find(
                "warning",
                "runs",
                f"{history.program}: the names of {conflicts} files of its last run are taken at their destination",
                f"journalctl --unit={history.program}.service --lines=50; files that moved nevertheless have names "
                f"like FILE~20260131T000000Z: {HERE}/{history.program}.sh where '*~*'; have their service give each "
                "file a name of its own",
            )

    def look_at_archives(self) -> None:
        """The archives on cold that nas-archival.sh makes of this host, not those of volumes, which move there late."""
        hours = self.automation.archive_warning_hours
        if "nas-archival" not in self.settings.timers:
            return
        newest: dict[str, str] = {}
        listed = set()
        for kind in ("configs", "database"):
            name, cold = self.settings.cold_name_for(kind), self.settings.cold_for(kind)
            if cold is None or cold.mount_point not in self.colds_there:
                continue
            try:
                newest |= bounded(_cold_archives, cold.root, kind, seconds=self.settings.probe_seconds)
                listed.add(kind)
            except Problem as problem:
                remedy = f"ls {cold.root}/archives; pulumi up --refresh"
                fact = f"the archives on {name} cannot be listed: {problem}"
                self.report.find("warning", "archives", fact, remedy)
                return
        node, wanted = os.uname().nodename, self.automation.postgres_databases
        databases = (urllib.parse.quote(os.fsencode(one), safe="") for one in wanted)
        only = {f"postgresql-{node}-roles", *(f"postgresql-{node}@{one}" for one in databases)}
        for name, stamp in sorted(newest.items()):
            if not wanted or name in only or name == f"configs-{node}":
                self.look_at_cold_archive(name, stamp)
        # Since when there could have been one: a new host does not lack archives yet.
        runs = [
            one.since
            for one in read_runs(self.settings.state_folder)
            if one.program == "nas-archival" and one.subcommand in ("all", "configs")
        ]
        is_missing = "configs" in listed and f"configs-{node}" not in newest
        if is_missing and runs and 0 < hours * 3600 < time.time() - min(runs):
            fact = f"there is no good archive of configs-{node}"
            self.report.find("warning", "archives", fact, ARCHIVE_REMEDY)

    def look_at_cold_archive(self, name: str, stamp: str) -> None:
        age = _age_of(stamp)
        if age is None:
            return
        self.report.figure("archive_age_seconds", age, archive=name)
        removed = "; if the database no longer exists: move its archives away" if name.startswith("postgresql-") else ""
        hours = self.automation.archive_warning_hours
        self.judge_age("archives", name, age, hours=hours, remedy=f"{ARCHIVE_REMEDY}{removed}")

    def judge_age(self, subject: str, name: str, age: int, *, hours: int, remedy: str) -> None:
        """
        A finding on the newest archive of that name.

        @param age  in seconds
        @param hours  how old it may be; 0: any age
        """
        if age < -3600:
            clock = "timedatectl; once the clock is right, move that archive away, and: "
            fact = f"the newest archive of {name} has a time in the future"
            self.report.find("warning", subject, fact, f"{clock}{remedy}")
            return
        is_old = 0 < hours * 3600 < age
        self.report.find(
            "warning" if is_old else "ok",
            subject,
            f"the newest good archive of {name} is {int(age / 3600)} h old",
            remedy if is_old else "",
        )

    def look_at_backups(self) -> None:
        """The archives that lvm-backup.sh makes. One without its checksum beside it was never finished."""
        warm = self.settings.warm
        if warm is None or mount_at(warm.mount_point) is None:
            return
        folder = f"{warm.mount_point}/daily-backups"
        try:
            found: list[str] = bounded(_archives_below, folder, seconds=self.settings.probe_seconds)
        except Problem:
            # There is no such folder, or warm does not answer, for which there is a finding.
            return
        newest = _newest(found)
        archived = {volume for volume, stamp in sorted(newest.items()) if self.look_at_archive(volume, stamp)}
        if not self.is_time_for_backups(folder):
            return
        for volume in self.automation.backup_volumes:
            if volume not in archived:
                self.report.find("warning", "backups", f"there is no good archive of {volume}", BACKUP_REMEDY)

    def look_at_archive(self, volume: str, stamp: str) -> bool:
        """The age of a volume's newest archive; returns False where the stamp is not a time."""
        age = _age_of(stamp)
        if age is None:
            return False
        self.report.figure("backup_age_seconds", age, volume=volume)
        self.judge_age("backups", volume, age, hours=self.automation.backup_warning_hours, remedy=BACKUP_REMEDY)
        return True

    def is_time_for_backups(self, folder: str) -> bool:
        """
        Whether the folder is old enough that there should be a backup. Where the filesystem does not report when it was
        made, it is.
        """
        hours = self.automation.backup_warning_hours
        if hours == 0:
            return False
        try:
            # Python has no birth time.
            since = int(output_of(["stat", "--format=%W", "--", folder], self.settings.probe_seconds))
        except UNCLEAR:
            return False
        return time.time() - since > hours * 3600

    def look_at_activity(self) -> None:
        """What the disks are doing now; being busy is no fault."""
        report = self.report
        if shutil.which("iostat") is None:
            report.find("ok", "disks", "not checked: there is no iostat (package sysstat)")
            return
        try:
            answer = _json_of(["iostat", "-y", "-d", "-x", "-k", "-o", "JSON", "1", "1"])
            activities = [_activity(one) for one in answer["sysstat"]["hosts"][0]["statistics"][-1]["disk"]]
        except UNCLEAR:
            report.find("warning", "disks", f"iostat does not answer within {LOOK_SECONDS} s", "iostat -x 1 2")
            return
        for one in activities:
            if re.match("(loop|ram|zram|sr|fd|dm-)", one.disk):
                continue
            report.figure("disk_reads_per_second", one.reads, disk=one.disk)
            report.figure("disk_writes_per_second", one.writes, disk=one.disk)
            report.figure("disk_read_bytes_per_second", one.read_bytes, disk=one.disk)
            report.figure("disk_written_bytes_per_second", one.written_bytes, disk=one.disk)
            report.figure("disk_busy_percent", one.busy, disk=one.disk)
            report.find(
                "ok",
                "disks",
                f"{one.disk}: {one.reads} reads/s ({human(int(one.read_bytes))}/s), "
                f"{one.writes} writes/s ({human(int(one.written_bytes))}/s), busy {one.busy} %",
            )

    def look_at_disks(self) -> None:
        if shutil.which("smartctl") is None:
            self.report.find("ok", "smart", "not checked: there is no smartctl (package smartmontools)")
            return
        command = ["lsblk", "--nodeps", "--noheadings", "--raw", "--paths", "--output", "NAME,TYPE"]
        try:
            lines = output_of(command, LOOK_SECONDS).splitlines()
        except Problem:
            self.report.find("warning", "smart", "the disks cannot be listed", "lsblk")
            return
        for disk, kind in (line.split() for line in lines if len(line.split()) == 2):
            if kind == "disk" and not disk.startswith("/dev/zram"):
                self.look_at_disk(disk)

    def look_at_disk(self, disk: str) -> None:
        (state, wear), name = _smart_state(disk), disk.removeprefix("/dev/")
        if wear is not None:
            self.report.figure("disk_wear_percent", wear, disk=name)
        if state != "unknown":
            self.report.figure("disk_passes", int(state != "failing"), disk=name)
        if state == "failing":
            remedy = f"smartctl --all {disk}; copy its data off and replace it"
            self.report.find("critical", "smart", f"{disk} reports that it is failing", remedy)
        elif state == "worn":
            remedy = f"smartctl --all {disk}; plan its replacement"
            fact = f"{disk} has used more than {WORN_PERCENT} % of its rated writes"
            self.report.find("warning", "smart", fact, remedy)
        elif state == "passed":
            self.report.find("ok", "smart", f"{disk} passed")
        else:
            self.report.find("ok", "smart", f"{disk} reports nothing: it is asleep, or has no SMART")


def _json_of(command: Sequence[str], any_status: bool = False) -> Any:
    """The JSON that a command prints. @raises Problem where it fails, or ValueError where it prints none"""
    return json.loads(output_of(command, LOOK_SECONDS, any_status=any_status))


def _number(value: Any) -> float:
    """A finite number, or the text of one. @raises TypeError or ValueError where it is not"""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return plain_number(number)


def _number_in(file: str) -> int:
    """The number in a file of sysfs. @raises OSError or ValueError"""
    with open(file, encoding="ascii") as stream:
        return int(stream.read())


def _devices_of(live: Mounted) -> list[str]:
    """The block devices that a filesystem is on, as sysfs has them."""
    if live.type == "btrfs":
        try:
            return glob.glob(f"{_btrfs_folder(os.path.realpath(live.source))}/devices/*")
        except Problem:
            # Where there is no device node, the device is gone.
            return [] if os.path.exists(live.source) else [live.source]
    return [] if live.device.startswith("0:") else [f"/sys/dev/block/{live.device}"]


def _lost(device: str) -> list[str]:
    """What is wrong where a block device, or a disk below it, is gone."""
    # A link to a removed device leads nowhere.
    if not os.path.exists(device):
        return [f"{os.path.basename(device)} is gone"]
    folder = os.path.realpath(device)
    below = glob.glob(f"{folder}/slaves/*")
    if below:
        return [lost for one in below for lost in _lost(one)]
    disk = os.path.dirname(folder) if os.path.exists(f"{folder}/partition") else folder
    state = first_line(f"{disk}/device/state")
    return [f"{os.path.basename(disk)} is {state}"] if state in LOST else []


def _degraded(device: str) -> list[str]:
    """The md arrays, among a block device and those below it, that lack a disk: the kernel takes that out of slaves."""
    folder = os.path.realpath(device)
    found = [] if first_line(f"{folder}/md/degraded") in ("", "0") else [os.path.basename(folder)]
    return [*found, *(one for below in glob.glob(f"{folder}/slaves/*") for one in _degraded(below))]


def _btrfs_folder(device: str) -> str:
    """The folder of sysfs for the filesystem on that device. @raises Problem where there is none"""
    name = os.path.basename(device)
    for folder in glob.glob("/sys/fs/btrfs/*"):
        if os.path.lexists(f"{folder}/devices/{name}"):
            return folder
    raise Problem(f"there is no btrfs on {device}")


def _btrfs_errors(folder: str) -> tuple[int, list[str]]:
    """The sum of all error counters, and each counter that is not 0 as NAME=COUNT."""
    total, errors = 0, []
    # Older kernels do not have these files.
    for file in sorted(glob.glob(f"{folder}/devinfo/*/error_stats")) or [""]:
        try:
            with open(file, encoding="ascii") as stream:
                counts = [line.split() for line in stream]
        except OSError:
            errors.append("unreadable")
            continue
        for name, count in counts:
            total += int(count)
            if int(count) != 0:
                errors.append(f"{name}={count}")
    return total, errors


def _unallocated(folder: str) -> int:
    """The bytes of the devices that do not belong to a block group."""
    sectors = sum(map(_number_in, glob.glob(f"{folder}/devices/*/size")))
    kinds = ("data", "metadata", "system")
    return sectors * 512 - sum(_number_in(f"{folder}/allocation/{kind}/disk_total") for kind in kinds)


def _volume_group(name: str) -> VolumeGroup:
    """@raises one of UNCLEAR"""
    group = rows_of("vg", "vg_size,vg_free,vg_missing_pv_count", name, LOOK_SECONDS)[0]
    volumes = rows_of("lv", "lv_name,lv_role,lv_size,snap_percent,lv_snapshot_invalid", name, LOOK_SECONDS)
    # What a cache is in front of is an origin to LVM too, and a snapshot in a thin pool takes nothing of the group.
    snapshots = [one for one in volumes if "thicksnapshot" in one["lv_role"].split(",")]
    return VolumeGroup(
        size=_number(group["vg_size"]),
        free=_number(group["vg_free"]),
        missing=_number(group.get("vg_missing_pv_count") or 0),
        in_snapshots=sum(_number(one["lv_size"]) for one in snapshots),
        snapshots=tuple(map(_snapshot, snapshots)),
    )


def _snapshot(row: dict[str, Any]) -> Snapshot:
    try:
        fill = _number(row["snap_percent"])
    except ValueError:
        # LVM reports none for a snapshot that is not active.
        fill = 0
    return Snapshot(row["lv_name"], fill, str(row["lv_snapshot_invalid"]) == "1" or fill >= 100)


def _properties(unit: str, *names: str) -> dict[str, str]:
    lines = output_of(["systemctl", "show", f"--property={','.join(names)}", "--", unit], LOOK_SECONDS).splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _archives_below(folder: str) -> list[str]:
    """The names of archives and of their checksums, on the folder's own filesystem."""
    device = os.lstat(folder).st_dev
    names, folders = [], [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.stat(follow_symlinks=False).st_dev == device:
                        folders.append(entry.path)
                elif _is_archive(entry.name) and entry.is_file(follow_symlinks=False):
                    names.append(entry.name)
    return names


def _is_archive(name: str) -> bool:
    """Whether it is the name of an archive of a volume, or of its checksum."""
    return ARCHIVE.fullmatch(name) is not None or increments.full_of(name.removesuffix(".sha256")) != ""


def _cold_archives(root: str, folder: str) -> dict[str, str]:
    """Name → the stamp of its newest archive of this host that has a checksum, in the folder configs or database."""
    node = re.escape(os.uname().nodename)
    newest: dict[str, str] = {}
    pattern = {
        "configs": rf"(configs-{node})-(\d{{8}}T\d{{6}}Z)\.tar\.zst",
        "database": rf"(postgresql-{node}(?:@.+|-roles))-(\d{{8}}T\d{{6}}Z)\.(?:dump|sql\.zst)",
    }[folder]
    try:
        there = set(os.listdir(f"{root}/archives/{folder}"))
    except FileNotFoundError:
        return newest
    for name in there:
        found = re.fullmatch(pattern, name)
        if found is not None and f"{name}.sha256" in there:
            newest[found[1]] = max(found[2], newest.get(found[1], ""))
    return newest


def _age_of(stamp: str) -> int | None:
    """The age in seconds of an archive with that stamp; None: it is not a time."""
    try:
        made = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return int(time.time()) - int(made.timestamp())


def _newest(names: Sequence[str]) -> dict[str, str]:
    """Volume → the stamp of its newest archive that has a checksum, as has the full one that an increment needs."""
    there, newest = set(names), dict[str, str]()
    for name in there:
        needed = increments.full_of(name)
        found = increments.NAME.fullmatch(name) if needed else ARCHIVE.fullmatch(name)
        if found is None or name.endswith(".sha256"):
            continue
        if {f"{name}.sha256", needed or name, f"{needed or name}.sha256"} <= there:
            newest[found[1]] = max(found[2], newest.get(found[1], ""))
    return newest


@dataclass(frozen=True)
class Activity:
    """What a disk did in a second."""

    disk: str
    reads: float
    writes: float
    read_bytes: float
    written_bytes: float
    busy: float
    """In percent."""


def _activity(row: dict[str, Any]) -> Activity:
    return Activity(
        disk=row["disk_device"],
        reads=_number(row["r/s"]),
        writes=_number(row["w/s"]),
        read_bytes=_number(row["rkB/s"] * 1024),
        written_bytes=_number(row["wkB/s"] * 1024),
        busy=_number(row["util"]),
    )


def _smart_state(disk: str) -> tuple[str, int | None]:
    """failing, worn, passed or unknown; and the percentage of its rated writes that the disk has used, if it tells."""
    # Its exit status is a set of bits that is rarely 0, so only its output counts. It does not wake a sleeping disk.
    command = ["smartctl", "--json", "--health", "--attributes", "--nocheck=standby", "--", disk]
    try:
        answer = _json_of(command, any_status=True)
        passed = (answer.get("smart_status") or {}).get("passed")
        nvme = answer.get("nvme_smart_health_information_log") or {}
        wear = nvme["percentage_used"] if isinstance(nvme.get("percentage_used"), int) else None
        if passed is False or (nvme.get("critical_warning") or 0) != 0:
            return "failing", wear
        if (wear or 0) > WORN_PERCENT:
            return "worn", wear
    except UNCLEAR:
        return "unknown", None
    return "passed" if passed is True else "unknown", wear
