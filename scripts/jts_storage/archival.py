"""\
usage: nas-archival.sh configs|postgresql|development|clickhouse|all|list|verify [OPTION…]

  configs      archives fstab, LVM's metadata, units and our settings to archives/configs
  postgresql   dumps each database, and the roles, to archives/database, and reads the dumps to their end
  development  copies folders to development/NAME; what is gone or changed there is kept aside in development/.removed.
               A NAME that another host or folder copies to, or that has others' files, is left alone
  clickhouse   has ClickHouse move old partitions to the volume "cold" of their tables' storage policy
  all          all of them in this order, whatever fails; what the host doesn't have is left out
  list         prints the archives on cold: time, kind, bytes, path
  verify       compares configs and dumps with their checksums, and reads them to their end; the archives of volumes are
               lvm-backup.sh's to verify

  --dry-run        says what a run would do, and changes nothing
  --json           prints one JSON document: what there is, or what was done
  --try            for configs, postgresql and all: also where there seems to be no room for an archive
  --now TIME       in place of the clock, as date(1) takes it
  --settings FILE  in place of /etc/jts-storage/settings.json; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-archival.lock

Settings, as README.md tells them:
  cold.mountPoint, source                   where the NAS is mounted, and SERVER:EXPORT that proves it
  cold.root                                 the folder below it that is ours
  hot.volumeGroup                           whose metadata configs archives
  automation.archivesKeptDays               for configs and postgresql
  automation.postgresDatabases              names; none: all
  automation.developmentFolders             each is copied under its last name
  automation.developmentKeptDays            what a copy replaced or deleted
  automation.clickhouseToColdAfterDays
  stateFolder, probeSeconds                 how long a filesystem may take to answer

Nothing is begun where there is no room: an archive takes as much as the last one of its name and a quarter more, and
the first one at most what its source uses. Copies of folders find out while they are made, and the next run goes on.

Archives go when they are older than automation.archivesKeptDays and seven newer ones are there. What was kept aside
goes by the clock alone, so that none goes in a first run, after a week without any, or after a clock that went back,
unless --now is given. Roles are dumped with their passwords' hashes: only root reads archives.

Exit status: 0 all well · 1 something failed or is away; the log says what and what to do · 2 wrong usage or settings ·
75 another run holds the lock
"""

import argparse
import base64
import binascii
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jts_storage.archives import (
    CHECKSUM,
    COMPRESS,
    STAMP,
    STAMP_FORMAT,
    ArchivingRun,
    expired,
    pack,
    publish,
    read_tar,
    read_through,
    remove_temporary,
    require_room,
    size_of_last,
    stamp_of,
    sum_beside,
    verify,
    watched,
)
from jts_storage.bounded import OURS_ALONE, NoAnswer, bounded, output_of
from jts_storage.files import first_line, write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, reason_of
from jts_storage.program import Parser, parse_time, print_json, take_lock
from jts_storage.settings import Cold, Settings
from jts_storage.tiers import mount_at, require_cold

LOOKS = ("list", "verify")
ACTIONS = ("configs", "postgresql", "development", "clickhouse", "all", *LOOKS)
TEMPORARY = ".jts-archive-"
DAY_SECONDS = 86400
# Newer ones that are there before an archive may go.
NEWER = 7
CONFIGS = (
    "etc/fstab",
    "etc/jts-storage",
    "etc/systemd/system",
    "etc/lvm",
    "etc/sysctl.d",
    "etc/udev/rules.d",
    "etc/exports",
    "var/lib/jts-storage",
)
COLUMNS = "NAME,SIZE,SERIAL,WWN,FSTYPE,LABEL,UUID,PARTUUID,MOUNTPOINTS"
# With no terminal, and in the process group that is killed with the rest.
AS_POSTGRES = (
    *("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"),
    *("timeout", "--foreground", "--kill-after=10", "6h"),
)
DATABASES = (
    r"select replace(encode(convert_to(datname, 'utf8'), 'base64'), E'\n', '') "
    "from pg_database where datallowconn and not datistemplate order by 1"
)
SIZES = r"""
select json_object_agg(datname, pg_database_size(oid)) from pg_database where datallowconn and not datistemplate"""
QUERY_SECONDS = 300
LOOK_SECONDS = 60
# Age is that of the data where the partition key has a time, else that of the last write. ClickHouse copies, and lets
# go of the old parts only when the new ones are there; a partition that is partly there is moved again.
OLD_PARTITIONS = """
SELECT DISTINCT parts.database AS database, parts.table AS table, parts.partition_id AS id
FROM system.parts AS parts
INNER JOIN system.tables AS tables ON tables.database = parts.database AND tables.name = parts.table
INNER JOIN system.storage_policies AS policies
  ON policies.policy_name = tables.storage_policy AND policies.volume_name = 'cold'
WHERE parts.active
GROUP BY parts.database, parts.table, parts.partition_id
HAVING max(if(toUnixTimestamp(parts.max_time) > 86400, parts.max_time,
              if(toUInt16(parts.max_date) > 1, toDateTime(parts.max_date), parts.modification_time)))
       < now() - toIntervalDay(DAYS)
  AND countIf(NOT has(policies.disks, parts.disk_name)) > 0
ORDER BY database, table, id
FORMAT JSONEachRow"""


ARCHIVE_NAME = re.compile(rf"(?P<name>.+)-(?P<stamp>{STAMP.pattern})(?P<ending>\.tar\.zst|\.dump|\.sql\.zst)")
# Of dumps, all of it, not just its list of contents; the last line of roles tells that they are whole.
READERS = {
    "configs": read_tar,
    "dump": read_through([["pg_restore", "--file=-"]]),
    "roles": read_through(
        [
            ["zstd", "--quiet", "--decompress", "--stdout"],
            ["tail", "--lines=5"],
            ["grep", "--fixed-strings", "PostgreSQL database cluster dump complete"],
        ]
    ),
}


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("actions", nargs="*")
    for option in ("--dry-run", "--json", "--try"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("--now", metavar="TIME")
    parser.add_argument("--lock", metavar="FILE", default="/run/jts-storage-archival.lock")
    options = parser.parse_intermixed_args(words)
    for action in options.actions:
        if action not in ACTIONS:
            parser.error(f"there is no {action}")
    if len(options.actions) != 1:
        parser.error("a subcommand is missing" if not options.actions else "one subcommand at a time")
    settings = parser.read_settings(options)
    try:
        now = parse_time(options.now)
    except Problem as problem:
        parser.error(str(problem))
    archival = Archival(settings, options, now)
    with archival.recorded("nas-archival", options.actions[0]):
        return archival.run(options.actions[0])


@dataclass(frozen=True)
class Archive:
    """FOLDER/NAME-STAMP ENDING on the cold tier: the pipeline that prints it, and what reads it to its end."""

    folder: str
    name: str
    ending: str
    commands: tuple[tuple[str, ...], ...]
    reader: Callable[[int], None]
    source_bytes: int | None = None
    """What it is made of, not compressed; None: unknown."""
    well: tuple[int, ...] = (0,)
    """Statuses with which the first of the commands may end."""
    old_name: str = ""
    """What such archives were called before."""


class Archival(ArchivingRun):
    """One run of archives and copies to the cold tier."""

    def __init__(self, settings: Settings, options: argparse.Namespace, now: int) -> None:
        super().__init__(settings, options.dry_run, options.json)
        self.options = options
        self.now = now
        self.stamp = stamp_of(now)
        self.is_all = False

    def run(self, action: str) -> int:
        if not self.dry_run and action not in LOOKS:
            take_lock(self.options.lock)
            # Archives hold what only root and the services may read.
            os.umask(0o077)
        # What runs as postgres may have no right to be in ours.
        os.chdir("/")
        self.is_all = action == "all"
        works = {
            "configs": self.configs,
            "postgresql": self.postgresql,
            "development": self.development,
            "clickhouse": self.clickhouse,
        }
        looks = {"list": self.print_all, "verify": self.verify}
        for work in works.values() if self.is_all else [(works | looks)[action]]:
            try:
                work()
            except Problem as problem:
                self.fail(str(problem))
        if action not in LOOKS:
            self.print_summary(action)
        return self.status

    def print_all(self) -> None:
        archives = self.archives()
        if self.options.json:
            print_json({"archives": archives, "failed": self.problems})
            return
        for one in archives:
            missing = "" if one["hasChecksum"] else "  WITHOUT A CHECKSUM"
            print(f"{one['time']}  {one['kind']:7}  {one['bytes']} bytes  {one['path']}{missing}")

    def archives(self) -> list[dict[str, Any]]:
        """On cold, by their names, which end with their times; none where it is away, which fails the run."""
        try:
            cold = require_cold(self.settings)
            folders = [f"{cold.root}/archives/{name}" for name in ("configs", "database")]
            found: list[dict[str, Any]] = bounded(_archives_in, folders, seconds=LOOK_SECONDS)
            return found
        except Problem as problem:
            self.fail(f"cold is not looked at: {problem}. Do: {HERE}/storage-health.sh")
            return []

    def verify(self) -> None:
        self.verify_each(
            (one["path"], one, partial(self.problem_of, one["path"], READERS[one["kind"]]))
            for one in self.archives()
            if one["kind"] in READERS
        )

    def problem_of(self, path: str, reader: Callable[[int], None]) -> str | None:
        """Empty: it is good. None: it went away while it was read."""

        def look() -> str | None:
            try:
                verify(path, sum_beside(path), reader)
            except Problem as problem:
                return str(problem) if os.path.lexists(path) else None
            return ""

        try:
            return watched(require_cold(self.settings).mount_point, self.settings.probe_seconds, look)
        except Problem as problem:
            return f"{path} is not verified: {problem}"

    def configs(self) -> None:
        cold = self.ready("archives/configs")
        if cold is None:
            return
        group = None if self.settings.hot is None else self.settings.hot.volume_group
        with tempfile.TemporaryDirectory() as scratch:
            if group is not None:
                try:
                    output_of(["vgcfgbackup", "--quiet", "--file", f"{scratch}/{group}.vgcfg", "--", group], 60)
                except Problem:
                    self.fail(f"LVM's metadata of {group} cannot be had. Do: vgs; pvs")
            try:
                devices = output_of(["lsblk", "--json", "--bytes", "--output", COLUMNS], 60)
                write_whole(f"{scratch}/lsblk.json", devices)
            except Problem:
                self.fail("the block devices cannot be listed. Do: lsblk")
            there = [path for path in CONFIGS if os.path.exists(f"/{path}")]
            tar = ("tar", "--create", "--file=-", "--numeric-owner", f"--directory={scratch}", ".", "--directory=/")
            commands = ((*tar, *there), COMPRESS)
            size = sum(_bytes_below(f"/{path}") for path in there) + _bytes_below(scratch)
            # 1: files that changed or went away meanwhile. They are in the next one.
            name = f"configs-{_node()}"
            self.archive(cold, Archive("archives/configs", name, ".tar.zst", commands, read_tar, size, (0, 1)))

    def postgresql(self) -> None:
        if self.is_absent("pg_dump"):
            return
        try:
            output_of(["getent", "passwd", "postgres"], 60)
        except NoAnswer:
            raise
        except Problem:
            # Tools alone make no server.
            log("info", "there is no account postgres, so no server: left out")
            return
        cold = self.ready("archives/database")
        if cold is None:
            return
        try:
            databases = self.settings.automation.postgres_databases or _databases()
        except Problem:
            self.fail("PostgreSQL doesn't answer. Do: systemctl status postgresql")
            return
        sizes = _sizes()
        for archive in (_roles(), *(_dump(database, sizes.get(database)) for database in databases)):
            self.archive(cold, archive)

    def development(self) -> None:
        sources = self.settings.automation.development_folders
        if not sources:
            log("info", "no folders to copy (automation.developmentFolders)")
            return
        cold = self.ready("development")
        if cold is None:
            return
        for source in sources:
            try:
                check_source(source)
            except Problem as problem:
                self.fail(str(problem))
                continue
            log("info", f"{'would be ' if self.dry_run else ''}copying {source}")
            if not self.watched(cold, partial(self.copy, cold, source)):
                self.fail(
                    f"{source} is not copied, or not all of it. "
                    f"Do: look at the lines before this one; {HERE}/storage-health.sh"
                )
            else:
                self.tell("copied", source)
        reason = self.reason_by_clock("removed") if self.options.now is None else None
        try:
            look = partial(self.forget_removed, cold, reason)
            deleted, failed = watched(cold.mount_point, self.settings.probe_seconds, look)
        except Problem as problem:
            deleted, failed = [], [str(problem)]
        for path in deleted:
            days = self.settings.automation.development_kept_days
            self.tell("deleted", path, f", kept aside for {days} days")
        for problem_of_one in failed:
            self.fail(f"what was kept aside for long cannot be deleted: {problem_of_one}")

    def clickhouse(self) -> None:
        if self.is_absent("clickhouse-client"):
            return
        try:
            # ClickHouse writes there, not we; a disk on an unmounted point would fill the root disk.
            cold = require_cold(self.settings)
        except Problem as problem:
            self.fail(f"ClickHouse moves nothing: {problem}. Do: {HERE}/storage-health.sh")
            return
        query = OLD_PARTITIONS.replace("DAYS", str(self.settings.automation.clickhouse_to_cold_after_days))
        try:
            partitions = output_of(["clickhouse-client", "--query", query], QUERY_SECONDS).splitlines()
            moves = [(partition, _move_of(partition)) for partition in partitions if partition]
        except Problem:
            self.fail(
                "ClickHouse doesn't answer. "
                "Do: systemctl status clickhouse-server; clickhouse-client --query 'SELECT 1'"
            )
            return
        for partition, move in moves:
            if self.dry_run or self.watched(cold, partial(_must, ["clickhouse-client", "--query", move])):
                self.tell("moved", f"the partition {partition}")
            else:
                self.fail(
                    f"the partition {partition} is not moved. "
                    "Do: look at the lines before this one, and at ClickHouse's log"
                )

    def ready(self, folder: str) -> Cold | None:
        """The cold tier, where it is the right one, answers, and has that folder of ours; tells otherwise."""
        try:
            cold = require_cold(self.settings)
        except Problem as problem:
            self.fail(f"nothing archived in {folder}: {problem}. Do: {HERE}/storage-health.sh")
            return None
        path, is_there = f"{cold.root}/{folder}", False
        with contextlib.suppress(Problem):
            is_there = bounded(os.path.isdir, path, seconds=self.settings.probe_seconds)
        if not is_there:
            self.fail(f"there is no folder {path}. Do: pulumi up --refresh")
            return None
        return cold

    def is_absent(self, program: str) -> bool:
        """Whether it is not on this host; that is a failure only where it was asked for."""
        if shutil.which(program) is not None:
            return False
        if self.is_all:
            log("info", f"there is no {program}: left out")
        else:
            self.fail(f"there is no {program}. Do: apt-get install the package that has it")
        return True

    def watched(self, cold: Cold, work: Callable[[], None]) -> bool:
        """Whether a function did its work while the cold tier answered; what it couldn't do is told."""
        try:
            watched(cold.mount_point, self.settings.probe_seconds, work)
        except Problem as problem:
            log("error", str(problem))
            return False
        return True

    def archive(self, cold: Cold, archive: Archive) -> None:
        point, seconds = cold.mount_point, self.settings.probe_seconds
        path = f"{cold.root}/{archive.folder}/{archive.name}-{self.stamp}{archive.ending}"
        try:
            watched(point, seconds, partial(self.require_room, cold, archive))
            size = None if self.dry_run else watched(point, seconds, partial(self.keep, path, archive))
        except Problem as problem:
            log("error", str(problem))
            self.fail(f"no archive of {archive.name}. Do: look at the lines before this one; {HERE}/storage-health.sh")
            return
        if size is not None:
            self.files, self.bytes = self.files + 1, self.bytes + size
        self.tell("archived", path, path=path, bytes=size)
        # Only where a newer one was made.
        try:
            for old in watched(point, seconds, partial(self.thin, cold, archive)):
                self.tell("deleted", old)
        except Problem as problem:
            log("error", str(problem))
            self.fail(f"old archives of {archive.name} cannot be deleted")

    def require_room(self, cold: Cold, archive: Archive) -> None:
        """@raises Problem where the cold tier has none for it"""
        if vars(self.options)["try"]:
            return
        last = size_of_last(f"{cold.root}/{archive.folder}", archive.ending, archive.name, archive.old_name)
        action = "configs" if archive.folder.endswith("configs") else "postgresql"
        remedy = f"{HERE}/nas-archival.sh {action} --try"
        require_room(last, archive.source_bytes, cold.mount_point, self.settings.probe_seconds, remedy)

    def keep(self, path: str, archive: Archive) -> int:
        """Makes it; returns its bytes."""
        folder, name = os.path.split(path)
        # Of runs that were killed: we have their lock. Those of other hosts have other names.
        names = "|".join(re.escape(one) for one in (archive.name, archive.old_name) if one)
        ending = f"{re.escape(archive.ending)}({re.escape(CHECKSUM)})?"
        left = re.compile(f"{re.escape(TEMPORARY)}({names})-{STAMP.pattern}{ending}")
        for entry in os.scandir(folder):
            if left.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
        temporary = f"{folder}/{TEMPORARY}{name}"
        try:
            publish(temporary, path, pack(archive.commands, temporary, archive.well), archive.reader)
        except Problem:
            remove_temporary(temporary)
            raise
        return os.path.getsize(path)

    def thin(self, cold: Cold, archive: Archive) -> list[str]:
        """Paths of what it deleted."""
        folder, days = f"{cold.root}/{archive.folder}", self.settings.automation.archives_kept_days
        names = expired(folder, archive.name, archive.ending, days, NEWER, self.now, old_name=archive.old_name)
        for name in () if self.dry_run else names:
            # With its checksum.
            remove_temporary(f"{folder}/{name}")
        return [f"{folder}/{name}" for name in names]

    def copy(self, cold: Cold, source: str) -> None:
        """What is replaced or deleted is moved aside, on the same filesystem."""
        name = os.path.basename(source)
        target = f"{cold.root}/development/{name}"
        if os.path.islink(target):
            raise Problem(f"{target} is a symbolic link")
        self.claim(source, target)
        if not self.dry_run:
            os.makedirs(target, exist_ok=True)
        aside = f"{cold.root}/development/.removed/{self.stamp}/{name}"
        options = ["--archive", "--hard-links", "--numeric-ids", "--one-file-system", "--delete-delay", "--backup"]
        if self.dry_run:
            options += ["--dry-run", "--itemize-changes"]
        # 24: files that went away meanwhile, in a folder that is worked in.
        _must(["rsync", *options, f"--backup-dir={aside}", "--", f"{source}/", f"{target}/"], stdout=2, well=(0, 24))

    def claim(self, source: str, target: str) -> None:
        """
        Makes the target the copy of that source, of this host, as a file beside it says. Only an empty one becomes it:
        what others put there would count as deleted.

        @raises Problem where it is another's
        """
        claims = f"{os.path.dirname(target)}/.copies"
        claim = f"{claims}/{os.path.basename(target)}"
        ours, whose = f"{_node()}:{quote(source)}", first_line(claim)
        if whose == ours:
            return
        if whose:
            raise Problem(
                f"{target} is the copy of {whose}. "
                f"Do: rename one of the folders; or, where that copy is given up: rm {shlex.quote(claim)}"
            )
        found = _first_entry(target) if os.path.isdir(target) else None
        if found is not None:
            raise Problem(
                f"{target} has what no copy of ours put there, such as {quote(found)}; it would be deleted. "
                f"Do: move it away; or, where it is the copy of {source}: mkdir --parents {shlex.quote(claims)}; "
                f"echo {shlex.quote(ours)} >{shlex.quote(claim)}"
            )
        if not self.dry_run:
            os.makedirs(claims, exist_ok=True)
            write_whole(claim, f"{ours}\n")

    def forget_removed(self, cold: Cold, reason: str | None) -> tuple[list[str], list[str]]:
        """What it deleted, and what it could not. `reason`: why nothing may go for its age."""
        folder, days = f"{cold.root}/development/.removed", self.settings.automation.development_kept_days
        oldest = stamp_of(self.now - days * DAY_SECONDS)
        deleted, failed = [], []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = f"{folder}/{name}"
            if not STAMP.fullmatch(name) or name >= oldest or os.path.islink(path) or not os.path.isdir(path):
                continue
            if reason is not None:
                log("warning", f"{path}, kept aside, stays in this run: {reason}")
                continue
            if not self.dry_run:
                try:
                    _must(["rm", "--recursive", "--force", "--one-file-system", "--", path])
                except Problem as problem:
                    failed.append(f"{path}: {problem}")
                    continue
            deleted.append(path)
        return deleted, failed


def check_source(source: str) -> None:
    """@raises Problem where it is empty, or its filesystem is not mounted: that would empty its copy"""
    if os.path.basename(source) in (".removed", ".copies"):
        raise Problem(f"{source} is not copied: its name is one of ours at the cold tier")
    if os.path.islink(source) or not os.path.isdir(source):
        raise Problem(f"there is no folder {source}, so its copy stays as it is")
    try:
        is_empty = _first_entry(source) is None
    except OSError as problem:
        raise Problem(f"{source} cannot be read, so its copy stays as it is: {reason_of(problem)}") from None
    if is_empty:
        raise Problem(
            f"{source} is empty, so its copy stays as it is. Do: take it out of automation.developmentFolders"
        )
    for point in _points_of_fstab():
        if f"{source}/".startswith(f"{point}/") and mount_at(point) is None:
            raise Problem(f"{point} is not mounted, so the copy of {source} stays as it is. Do: mount {point}")


def _points_of_fstab() -> list[str]:
    """Where filesystems are to be mounted, but for the root's."""
    try:
        with open("/etc/fstab", "rb") as file:
            lines = [line.split() for line in file if not line.lstrip().startswith(b"#")]
    except OSError as problem:
        log("warning", f"/etc/fstab: {reason_of(problem)}")
        return []
    points = [
        re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 255]), words[1])
        for words in lines
        if len(words) > 1
    ]
    return [os.fsdecode(point.rstrip(b"/")) for point in points if point.startswith(b"/") and point.rstrip(b"/")]


def _first_entry(folder: str) -> str | None:
    with os.scandir(folder) as entries:
        return next((entry.name for entry in entries), None)


def _node() -> str:
    """Several hosts may share a NAS."""
    return output_of(["uname", "--nodename"], 10).strip()


def _databases() -> tuple[str, ...]:
    query = [*("psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--dbname=postgres")]
    try:
        printed = output_of([*AS_POSTGRES, *query, f"--command={DATABASES}"], QUERY_SECONDS)
        return tuple(os.fsdecode(base64.b64decode(name, validate=True)) for name in printed.split())
    except binascii.Error as problem:
        raise Problem(f"psql prints no base64: {problem}") from None


def _sizes() -> dict[str, int]:
    """Bytes of each database; empty where the server doesn't tell them."""
    query = [*("psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--dbname=postgres")]
    try:
        told = json.loads(output_of([*AS_POSTGRES, *query, f"--command={SIZES}"], QUERY_SECONDS))
        return {str(name): int(size) for name, size in told.items()}
    except (Problem, ValueError, AttributeError, TypeError):
        return {}


def _roles() -> Archive:
    commands = ((*AS_POSTGRES, "pg_dumpall", "--no-password", "--globals-only"), COMPRESS)
    return Archive("archives/database", f"postgresql-{_node()}-roles", ".sql.zst", commands, READERS["roles"])


def _dump(database: str, size: int | None) -> Archive:
    # By the environment, since an argument with = in it would be a connection.
    command = (*AS_POSTGRES, "env", f"PGDATABASE={database}", "pg_dump", "--no-password", "--format=custom")
    node, name = _node(), urllib.parse.quote(os.fsencode(database), safe="")
    # Neither a host's name nor a quoted one has an @, so no two databases share a name.
    return Archive(
        "archives/database",
        f"postgresql-{node}@{name}",
        ".dump",
        (command,),
        READERS["dump"],
        size,
        old_name=f"postgresql-{node}-{name}",
    )


def _bytes_below(top: str) -> int:
    """Of its files, or of that one."""
    size = 0 if os.path.isdir(top) else os.path.getsize(top)
    for folder, _, files in os.walk(top):
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(f"{folder}/{name}").st_size
    return size


def _archives_in(folders: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for folder in folders:
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
                    "kind": _kind_of(os.path.basename(folder), is_ours["name"], is_ours["ending"]),
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", when),
                    "bytes": size,
                    "hasChecksum": os.path.isfile(f"{path}{CHECKSUM}"),
                }
            )
    return found


def _kind_of(folder: str, name: str, ending: str) -> str:
    if ending == ".tar.zst":
        return "configs" if folder == "configs" and name.startswith("configs-") else "volume"
    return "dump" if ending == ".dump" else "roles"


def _move_of(partition: str) -> str:
    """The statement that moves what ClickHouse named, as JSON. @raises Problem where it is none"""
    try:
        told = json.loads(partition)
        database, table = (re.sub(r"([\\`])", r"\\\1", told[key]) for key in ("database", "table"))
        return f"ALTER TABLE `{database}`.`{table}` MOVE PARTITION ID '{told['id']}' TO VOLUME 'cold'"
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{partition} is no partition") from None


def _must(command: Sequence[str], stdout: int | None = None, well: Sequence[int] = (0,)) -> None:
    """@raises Problem where it fails"""
    try:
        # No other run begins while it still writes.
        status = subprocess.run(command, stdout=stdout, pass_fds=OURS_ALONE, check=False).returncode
    except OSError as problem:
        raise Problem(f"{command[0]} cannot be run: {problem.strerror}") from None
    if status not in well:
        raise Problem(f"{command[0]} failed with status {status}")


def quote(text: str) -> str:
    """As printf %q of bash: so it is in claims that are there."""
    raw = os.fsencode(text)
    if all(32 <= byte < 127 for byte in raw):
        return re.sub(r"([^\w@%+=:./~#-]|^[#~]|(?<=[:=])~)", r"\\\1", text, flags=re.ASCII) or "''"
    letters = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "E", 39: "'", 92: "\\"}
    parts = (
        f"\\{letters[byte]}" if byte in letters else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in raw
    )
    return f"$'{''.join(parts)}'"
